"""Switches in batches and in the submitter."""

from __future__ import annotations

import time
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from botocore.config import Config

from marketplace_metering.adapters.aws import metering_api
from marketplace_metering.adapters.sqlite import ledger as sqlite_ledger
from marketplace_metering.adapters.sqlite import row_codec
from marketplace_metering.core import batch as batches
from marketplace_metering.core import ledger, wire
from marketplace_metering.core.batch import Batch
from marketplace_metering.core.hours import BillingMonth, epoch_ms, epoch_s
from marketplace_metering.core.ledger import State
from marketplace_metering.core.outcome import Answered, Fault, Refused, RequestRefused
from marketplace_metering.jobs.submit import _Run
from marketplace_metering.proof.worlds import aws


def stamp_when_sent(patch: pytest.MonkeyPatch) -> None:
    original = wire.usage_record

    def usage_record(entry: Any) -> Any:
        record = original(entry)
        minutes = min(max(entry.begun - 1, 0), 30)
        return {**record, "Timestamp": record["Timestamp"] + 60 * minutes}

    patch.setattr(wire, "usage_record", usage_record)


def count_again_for_each_attempt(patch: pytest.MonkeyPatch) -> None:
    original = wire.usage_record

    def usage_record(entry: Any) -> Any:
        record = original(entry)
        if "Quantity" in record and not entry.allocations:
            record["Quantity"] += max(entry.begun - 1, 0)
        return record

    patch.setattr(wire, "usage_record", usage_record)


def log_the_attempt_with_its_answer(patch: pytest.MonkeyPatch) -> None:
    def begin(self: Any, batch: Batch) -> Batch | None:
        now = self.ports.clock.now()
        changes = [ledger.begin(entry, now, self.policy) for entry in batch.entries]
        begun = [change.entry for change in changes if change is not None]
        return Batch(tuple(begun)) if begun else None

    def settle(self: Any, batch: Batch, outcomes: Any) -> None:
        now = self.ports.clock.now()

        def decide(entry: Any) -> Any:
            begun = replace(entry, begun=entry.begun + 1)
            return ledger.answer(begun, begun.begun, outcomes[entry.key], now, self.policy)

        self.change([entry.key for entry in batch.entries], decide, now)

    patch.setattr(_Run, "begin", begin)
    patch.setattr(_Run, "settle", settle)


def trust_what_was_due(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(ledger, "is_sendable", lambda entry, now, policy: True)


def no_safety_margin(patch: pytest.MonkeyPatch) -> None:
    is_sendable, due = ledger.is_sendable, sqlite_ledger.SqliteLedger.due

    def without(policy: Any) -> Any:
        return replace(policy, safety_margin=timedelta(0))

    def due_to_the_end(self: Any, now: Any, policy: Any, products: Any) -> Any:
        return due(self, now, without(policy), products)

    patch.setattr(
        ledger, "is_sendable", lambda e, now, policy: is_sendable(e, now, without(policy))
    )
    patch.setattr(sqlite_ledger.SqliteLedger, "due", due_to_the_end)


def _with_lane(patch: pytest.MonkeyPatch, **common: Any) -> None:
    original = batches.lane_of
    for module in (batches, sqlite_ledger):
        patch.setattr(module, "lane_of", lambda entry: original(entry)._replace(**common))


def mix_months(patch: pytest.MonkeyPatch) -> None:
    _with_lane(patch, month=BillingMonth(9999, 1))


def mix_identities(patch: pytest.MonkeyPatch) -> None:
    _with_lane(patch, is_licensed=False)


def blame_the_whole_request(patch: pytest.MonkeyPatch) -> None:
    original = aws.Line.submit

    def submit(self: Any, batch: Batch) -> Any:
        match original(self, batch):
            case RequestRefused(Fault.USAGE, code, words):
                return Answered({entry.key: Refused(code, words) for entry in batch.entries})
            case answer:
                return answer

    patch.setattr(aws.Line, "submit", submit)


def send_parked_with_others(patch: pytest.MonkeyPatch) -> None:
    original = sqlite_ledger.SqliteLedger.due

    def due(self: Any, now: Any, policy: Any, products: Any) -> Any:
        found = list(original(self, now, policy, products))
        rows = self._connection.execute(
            f"{row_codec.ENTRY} WHERE state = 'parked' AND retry_at_ms <= ? AND deadline_s > ?",
            (epoch_ms(now), epoch_s(now + policy.safety_margin)),
        ).fetchall()
        parked = [entry for entry in map(row_codec.entry_of, rows) if entry not in found]
        return found + [e for e in parked if not found or _lane(e) == _lane(found[0])]

    def begin(self: Any, batch: Batch) -> Batch | None:
        now = self.ports.clock.now()
        keys = [entry.key for entry in batch.entries]
        begun = self.ports.store.change(
            keys, lambda entry: ledger.begin(entry, now, self.policy), now
        )
        return Batch(tuple(begun)) if begun else None

    patch.setattr(sqlite_ledger.SqliteLedger, "due", due)
    patch.setattr(_Run, "begin", begin)
    patch.setattr(Batch, "__post_init__", lambda self: None)
    patch.setattr("marketplace_metering.jobs.submit.fill", lambda due: Batch(tuple(due[:25])))


def _lane(entry: Any) -> Any:
    return batches.lane_of(entry)


def retry_parked_at_once(patch: pytest.MonkeyPatch) -> None:
    original = ledger.answer

    def answer(entry: Any, number: int, outcome: Any, now: Any, policy: Any) -> Any:
        change = original(entry, number, outcome, now, policy)
        if change is not None and change.entry.state is State.PARKED:
            at_once = replace(change.entry, retry_at=now + timedelta(seconds=60))
            return replace(change, entry=at_once)
        return change

    patch.setattr(ledger, "answer", answer)


def let_the_client_retry(patch: pytest.MonkeyPatch) -> None:
    original = Config

    def config(**settings: Any) -> Any:
        return original(**{**settings, "retries": {"mode": "standard", "total_max_attempts": 3}})

    init = metering_api.MarketplaceApi.__init__

    def unguarded(self: Any, client: Any, clock: Any, requests_per_second: float) -> None:
        client.meta.config.retries = {"total_max_attempts": 1}  # a lie by now
        init(self, client, clock, requests_per_second)

    patch.setattr("botocore.config.Config", config)
    patch.setattr(metering_api.MarketplaceApi, "__init__", unguarded)
    patch.setattr(time, "sleep", lambda seconds: None)  # botocore waits between its tries
