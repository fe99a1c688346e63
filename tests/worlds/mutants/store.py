"""Switches in the embedded store."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from marketplace_metering.adapters.sqlite import ledger as sqlite_ledger
from marketplace_metering.adapters.sqlite import row_codec
from marketplace_metering.adapters.sqlite.alarms import raise_alarm
from marketplace_metering.adapters.sqlite.connection import writing
from marketplace_metering.proof.worlds import processes
from marketplace_metering.proof.worlds.sqlite_store import SqliteShop

Ledger = sqlite_ledger.SqliteLedger


def take_groups_that_grew(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(
        sqlite_ledger,
        "TAKE_TALLY",
        "UPDATE tally SET entry_id = ?, is_closed = 1 "
        "WHERE id = ? AND entry_id IS NULL AND failure IS NULL AND ? > 0 AND ? >= 0",
    )


def take_usage_of_live_entries(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(
        sqlite_ledger,
        "TAKE_TALLY",
        "UPDATE tally SET entry_id = ?, is_closed = 1 "
        "WHERE id = ? AND failure IS NULL AND record_count = ? AND micros = ?",
    )


def claim_no_licence(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(sqlite_ledger, "claim", lambda connection, license_arn, product: True)


def ignore_the_version(patch: pytest.MonkeyPatch) -> None:
    original = Ledger._store_plan

    def store_plan(self: Any, plan: Any, now: Any) -> None:
        key = plan.book.key
        (version,) = self._connection.execute(
            "SELECT version FROM book WHERE product = ? AND account = ? AND dimension = ?",
            (key.product, key.account, key.dimension),
        ).fetchone()
        original(self, replace(plan, book=replace(plan.book, version=version)), now)

    patch.setattr(Ledger, "_store_plan", store_plan)


def allow_two_entries_of_a_window(patch: pytest.MonkeyPatch) -> None:
    original = SqliteShop.__init__

    def init(self: Any, steps: Any) -> None:
        original(self, steps)
        self._real.execute("DROP INDEX entry_live_window")

    patch.setattr(SqliteShop, "__init__", init)


def decide_on_a_copy(patch: pytest.MonkeyPatch) -> None:
    """A process decides on what it read when it looked for expired entries."""
    expired, change = Ledger.expired, Ledger.change
    copies: dict[Any, Any] = {}

    def read(self: Any, now: Any) -> Any:
        keys = list(expired(self, now))
        for row in self._connection.execute(row_codec.ENTRY).fetchall():
            entry = row_codec.entry_of(row)
            if entry.key in keys:
                copies[id(self), entry.key] = entry
        return iter(keys)

    def change_copies(self: Any, keys: Any, decide: Any, now: Any) -> Any:
        def on_the_copy(entry: Any) -> Any:
            return decide(copies.pop((id(self), entry.key), entry))

        return change(self, keys, on_the_copy, now)

    patch.setattr(Ledger, "expired", read)
    patch.setattr(Ledger, "change", change_copies)


def store_alarms_afterwards(patch: pytest.MonkeyPatch) -> None:
    change = Ledger.change
    raised: list[Any] = []
    patch.setattr(sqlite_ledger, "raise_alarm", lambda *alarm: raised.append(alarm))

    def change_then_raise(self: Any, keys: Any, decide: Any, now: Any) -> Any:
        raised.clear()
        changed = change(self, keys, decide, now)
        with writing(self._connection):
            for alarm in raised:
                raise_alarm(*alarm)
        return changed

    patch.setattr(Ledger, "change", change_then_raise)


def confirm_alarms_first(patch: pytest.MonkeyPatch) -> None:
    def deliver(ports: Any) -> int:
        undelivered = ports.store.undelivered_alarms()
        ports.store.alarms_delivered([number for number, _alarm in undelivered], ports.clock.now())
        if undelivered:
            ports.notifier.notify([alarm for _number, alarm in undelivered])
        return len(undelivered)

    patch.setattr(processes, "deliver_alarms", deliver)
