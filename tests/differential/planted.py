"""Bugs that are planted in one of the two stores; for tests only.

The differential test is worth its name if it finds each of them. Where the simulated worlds have a
switch for a mechanism of one store, it is used here as well.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import pytest

from marketplace_metering.adapters.dynamodb import DynamoReports, DynamoStore
from marketplace_metering.adapters.dynamodb.sealing import append_plans
from marketplace_metering.adapters.dynamodb.sealing.compare_with_ledger import Match
from marketplace_metering.adapters.dynamodb.settling import outcome_marks
from marketplace_metering.adapters.sqlite import SqliteStore
from marketplace_metering.adapters.sqlite.intake import SqliteIntake
from marketplace_metering.core.balance import NOTHING
from marketplace_metering.core.ledger import AfterRelease, AlarmKind, Change, Entry, State
from tests.worlds.mutants import dynamodb, recorder

Plant = Callable[[pytest.MonkeyPatch], None]


@dataclass(frozen=True, slots=True)
class Planted:
    """One bug."""

    name: str
    plant: Plant


def _changing(
    patch: pytest.MonkeyPatch, store: type, wrong: Callable[[Entry, Change], Change]
) -> None:
    """One store stores something else than what was decided."""
    original: Any = store.change  # type: ignore[attr-defined]

    def change(self: Any, keys: Any, decide: Callable[[Entry], Change | None], now: Any) -> Any:
        def decide_wrong(entry: Entry) -> Change | None:
            decided = decide(entry)
            return None if decided is None else wrong(entry, decided)

        return original(self, keys, decide_wrong, now)

    patch.setattr(store, "change", change)


def duplicate_settled_as_billed(patch: pytest.MonkeyPatch) -> None:
    def wrong(_before: Entry, change: Change) -> Change:
        if change.entry.state is State.PRESUMED:
            return replace(change, entry=replace(change.entry, state=State.BILLED))
        return change

    _changing(patch, DynamoStore, wrong)


def refused_counted_twice(patch: pytest.MonkeyPatch) -> None:
    def wrong(before: Entry, change: Change) -> Change:
        after = change.entry
        if before.refused < after.refused < after.begun:
            return replace(change, entry=replace(after, refused=after.refused + 1))
        return change

    _changing(patch, DynamoStore, wrong)


def listed_usage_is_planned_again(patch: pytest.MonkeyPatch) -> None:
    def wrong(_before: Entry, change: Change) -> Change:
        if change.frees is AfterRelease.FAILED:
            return replace(change, frees=AfterRelease.PENDING)
        return change

    _changing(patch, SqliteStore, wrong)


def no_alarm_for_a_release(patch: pytest.MonkeyPatch) -> None:
    def wrong(_before: Entry, change: Change) -> Change:
        if change.alarm is not None and change.alarm.kind is AlarmKind.RELEASED:
            return replace(change, alarm=None)
        return change

    _changing(patch, SqliteStore, wrong)


def no_word_of_the_other_month(patch: pytest.MonkeyPatch) -> None:
    original = append_plans._pieces

    def pieces(plan: Any) -> Any:
        kept = [each for each in plan.alarms if each.kind is not AlarmKind.CARRIED_ACROSS_MONTH]
        return original(replace(plan, alarms=tuple(kept)))

    patch.setattr(append_plans, "_pieces", pieces)


def write_back_forgets_failed(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(outcome_marks, "TRUE", {"BOOL": False})


def presumed_is_shown_as_billed(patch: pytest.MonkeyPatch) -> None:
    original = DynamoReports.balances

    def balances(self: Any) -> Any:
        return [
            replace(each, billed=each.billed.plus(each.presumed), presumed=NOTHING)
            for each in original(self)
        ]

    patch.setattr(DynamoReports, "balances", balances)


def usage_given_back_has_no_age(patch: pytest.MonkeyPatch) -> None:
    original = DynamoReports.oldest_pending_at

    def oldest_pending_at(self: Any) -> Any:
        with pytest.MonkeyPatch.context() as inner:
            inner.setattr(Match, "is_free", False)
            return original(self)

    patch.setattr(DynamoReports, "oldest_pending_at", oldest_pending_at)


def add_repeated_input(patch: pytest.MonkeyPatch) -> None:
    original = SqliteIntake._free_place

    def free_place(self: Any, record: Any, group_id: int, may_be_there: bool = False) -> Any:
        return original(self, record, group_id, may_be_there=False)

    patch.setattr(SqliteIntake, "_free_place", free_place)


def parked_usage_cannot_be_hastened(patch: pytest.MonkeyPatch) -> None:
    def wrong(before: Entry, change: Change) -> Change:
        if change.attempt is None and change.entry.state is before.state is State.PARKED:
            return replace(change, entry=before)
        return change

    _changing(patch, SqliteStore, wrong)


PLANTED = (
    Planted("SQLite: an input that is repeated is recorded again", add_repeated_input),
    Planted("SQLite: an event id is not looked at", recorder.ignore_event_ids),
    Planted("SQLite: what a repair took away is forgotten", recorder.forget_corrections),
    Planted("SQLite: what AWS refused for good is planned again", listed_usage_is_planned_again),
    Planted("SQLite: no alarm for a release", no_alarm_for_a_release),
    Planted("SQLite: a retry hastens nothing", parked_usage_cannot_be_hastened),
    Planted("DynamoDB: usage is put over other usage", dynamodb.overwrite_usage),
    Planted("DynamoDB: what a repair took away is forgotten", dynamodb.forget_corrections),
    Planted("DynamoDB: the index is believed", dynamodb.believe_the_index),
    Planted("DynamoDB: a duplicate is settled as billed", duplicate_settled_as_billed),
    Planted("DynamoDB: a refusal is counted twice", refused_counted_twice),
    Planted("DynamoDB: no alarm for usage that crosses a month", no_word_of_the_other_month),
    Planted("DynamoDB: marks forget that usage failed", write_back_forgets_failed),
    Planted("DynamoDB: presumed is shown as billed", presumed_is_shown_as_billed),
    Planted("DynamoDB: usage that was given back has no age", usage_given_back_has_no_age),
)
