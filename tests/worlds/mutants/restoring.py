"""Switches in what tells a restored store, and in what it holds."""

from __future__ import annotations

from typing import Any

import pytest

from marketplace_metering.adapters.sqlite import connection
from marketplace_metering.core import ledger
from marketplace_metering.core.ledger import Change
from marketplace_metering.core.plan import Plan
from marketplace_metering.core.views import EntryFilter
from marketplace_metering.jobs import copies, restored, seal, submit


def ignore_the_mark(patch: pytest.MonkeyPatch) -> None:
    for module in (seal, submit):
        patch.setattr(module, "admitted", lambda ports, policy: ports)


def go_on_without_a_mark(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(copies, "_older_usage_is_open", lambda ports, policy: False)


def raise_the_mark_once_a_run(patch: pytest.MonkeyPatch) -> None:
    original = copies._Announced._announce
    raised: set[str] = set()

    def announce(self: Any) -> None:
        if self.by not in raised:
            raised.add(self.by)
            original(self)

    patch.setattr(copies._Announced, "_announce", announce)


def release_what_was_unsettled(patch: pytest.MonkeyPatch) -> None:
    def doubt(entry: Any, why: str, now: Any) -> Change | None:
        if entry.state.is_settled or entry.begun != entry.refused:
            return None
        return ledger.release(entry, why)

    patch.setattr(ledger, "doubt", doubt)


def leave_pending_what_was_pending(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(restored, "hold", lambda book, groups, *more: Plan(book))


def leave_listed_what_was_listed(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(restored, "EntryFilter", lambda: EntryFilter(product="of nobody"))


def stay_behind(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(restored, "_go_on", lambda store, mark, now: None)


def trust_the_store_that_was(patch: pytest.MonkeyPatch) -> None:
    original = copies._Announced._look_again

    def look_again(self: Any, restores: int, there: Any) -> None:
        if there is not None and there.sending.by == self.by:
            self.known = there.sending
        else:
            original(self, restores, there)

    patch.setattr(copies._Announced, "_look_again", look_again)


def remember_numbers(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(connection.Changes, "by_others", lambda self: False)
