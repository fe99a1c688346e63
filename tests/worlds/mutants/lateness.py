"""Switches in what tells late usage from usage that the ledger itself delayed."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from marketplace_metering.adapters.dynamodb.operators import corrections
from marketplace_metering.adapters.dynamodb.sealing import pending, pending_reader
from marketplace_metering.adapters.sqlite import intake
from marketplace_metering.adapters.sqlite import ledger as sqlite_ledger
from marketplace_metering.core import looked_through, plan
from marketplace_metering.core.hours import UsageHour
from marketplace_metering.core.looked_through import LookedThrough
from marketplace_metering.core.policy import Policy
from marketplace_metering.jobs import looking_through, seal
from marketplace_metering.jobs.looking_through import Looking

Planner = plan._Planner


def take_all_for_late(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Planner, "was_recorded_late", lambda self, group: True)


def take_nothing_for_late(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Planner, "was_recorded_late", lambda self, group: False)


def see_hours_that_are_not_over(patch: pytest.MonkeyPatch) -> None:
    for module in (looked_through, looking_through):
        patch.setattr(module, "latest_hour_seen", lambda began_at, grace: UsageHour.of(began_at))


def speak_before_the_end(patch: pytest.MonkeyPatch) -> None:
    original = Looking.begin.__func__  # type: ignore[attr-defined]

    def begin(cls: Any, store: Any, now: Any) -> Any:
        looking = original(cls, store, now)
        looking.end(store, Policy())
        return looking

    patch.setattr(Looking, "begin", classmethod(begin))


def give_books_up_in_silence(patch: pytest.MonkeyPatch) -> None:
    original = seal._seal_once

    def seal_once(*arguments: Any) -> Any:
        original(*arguments)
        return set()

    patch.setattr(seal, "_seal_once", seal_once)


def overlook_what_waits(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Looking, "saw", lambda self, plan: None)


def believe_every_clock(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(LookedThrough, "_not_ahead_of", lambda self, now: list(self.looks))


def let_each_clock_overrule(patch: pytest.MonkeyPatch) -> None:
    def after(self: Any, look: Any) -> Any:
        return type(self)((*self._not_ahead_of(look.began_at), look))

    patch.setattr(LookedThrough, "after", after)


def forget_what_was_given_back(patch: pytest.MonkeyPatch) -> None:
    original = sqlite_ledger._group
    patch.setattr(sqlite_ledger, "_group", lambda row: replace(original(row), was_given_back=False))


def dynamodb_forget_what_was_given_back(patch: pytest.MonkeyPatch) -> None:
    original = pending_reader.groups_of
    patch.setattr(pending, "groups_of", lambda key, book, given_back: original(key, book))


def correct_as_if_new(patch: pytest.MonkeyPatch) -> None:
    original = intake.SqliteIntake.put_in_place
    patch.setattr(
        intake.SqliteIntake,
        "put_in_place",
        lambda self, corrected, released_from: original(self, corrected, None),
    )


def dynamodb_correct_as_if_new(patch: pytest.MonkeyPatch) -> None:
    original = corrections.DynamoCorrections._find

    def find(self: Any, old: Any, now: Any) -> Any:
        located = original(self, old, now)
        if located is None:
            return None
        return located._replace(view=replace(located.view, released_from=None))

    patch.setattr(corrections.DynamoCorrections, "_find", find)
