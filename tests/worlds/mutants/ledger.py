"""Switches in the transitions of an entry."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from marketplace_metering.core import ledger
from marketplace_metering.core.ledger import AfterRelease, Change, State
from marketplace_metering.core.outcome import Accepted, Refused
from marketplace_metering.jobs import correct


def _given_back(entry: Any, members: AfterRelease) -> Change:
    """Whatever is outstanding counts as refused."""
    free = replace(entry, state=State.RELEASED, refused=entry.begun, reason="switched off")
    return Change(free, frees=members)


def presume_every_duplicate(patch: pytest.MonkeyPatch) -> None:
    def duplicate(entry: Any, attempt: Any, now: Any) -> Change:
        if entry.state.is_settled:
            return Change(entry, attempt)
        return Change(replace(entry, state=State.PRESUMED), attempt)

    patch.setattr(ledger, "_duplicate", duplicate)


def forget_answered_duplicates(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(ledger, "_one_more_duplicate", lambda entry: entry)


def refuse_every_duplicate(patch: pytest.MonkeyPatch) -> None:
    original = ledger.answer

    def answer(entry: Any, number: int, outcome: Any, now: Any, policy: Any) -> Any:
        if type(outcome).__name__ == "Duplicate":
            outcome = Refused("DuplicateRecord")
        return original(entry, number, outcome, now, policy)

    patch.setattr(ledger, "answer", answer)


def ignore_late_success(patch: pytest.MonkeyPatch) -> None:
    original = ledger.answer

    def answer(entry: Any, number: int, outcome: Any, now: Any, policy: Any) -> Any:
        if isinstance(outcome, Accepted) and entry.state.is_settled:
            return None
        return original(entry, number, outcome, now, policy)

    patch.setattr(ledger, "answer", answer)


def count_late_refusals(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(
        ledger, "_one_more_refused", lambda entry: replace(entry, refused=entry.refused + 1)
    )


def release_whatever_expired(patch: pytest.MonkeyPatch) -> None:
    original = ledger.expire

    def expire(entry: Any, now: Any) -> Any:
        return original(replace(entry, refused=entry.begun), now)

    patch.setattr(ledger, "expire", expire)


def list_whatever_expired(patch: pytest.MonkeyPatch) -> None:
    original = ledger.expire

    def expire(entry: Any, now: Any) -> Any:
        change = original(entry, now)
        if change is not None and change.frees is not None:
            return replace(change, frees=AfterRelease.FAILED)
        return change

    patch.setattr(ledger, "expire", expire)


def release_for_a_repair(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(ledger, "release", lambda entry, why: _given_back(entry, AfterRelease.PENDING))


def write_off_anything(patch: pytest.MonkeyPatch) -> None:
    original = ledger.write_off

    def write_off(entry: Any, author: str, why: str, now: Any) -> Any:
        return original(replace(entry, refused=entry.begun), author, why, now)

    patch.setattr(ledger, "write_off", write_off)


def judge_what_nobody_has_seen(patch: pytest.MonkeyPatch) -> None:
    def change(opened: Any, which: Any, decide: Any, now: Any) -> Any:
        keys = [view.entry.key for view in opened.reports.entries(which)]
        changed = opened.store.change(keys, decide, now)
        opened.store.write_back(None)
        return changed

    patch.setattr(correct, "_change", change)


def forget_late_refusals(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(
        ledger, "_late_refusal", lambda entry, attempt, is_judged, now: Change(entry, attempt)
    )
