"""Schedules written by hand: one short story for each mechanism that keeps usage exactly once."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType

from tests.worlds.schedules import (
    answers,
    edits,
    files,
    lateness,
    overwritten,
    people,
    places,
    recording,
    restoring,
    room,
    rules,
    sealing,
    sending,
    table,
    time_limits,
)
from tests.worlds.stage import Stage

Schedule = Callable[[Stage], None]


def _of(module: ModuleType) -> list[Schedule]:
    return [
        each
        for name, each in vars(module).items()
        if callable(each)
        and getattr(each, "__module__", None) == module.__name__
        and not name.startswith("_")
        and "stage" in each.__annotations__
        and each.__annotations__.get("return") == "None"
    ]


MODULES = (
    recording,
    files,
    sealing,
    room,
    lateness,
    rules,
    sending,
    time_limits,
    answers,
    people,
    places,
    restoring,
    table,
    edits,
    overwritten,
)
ALL = [each for module in MODULES for each in _of(module)]
OF_DYNAMODB = (
    *_of(table),
    *_of(edits),
    *_of(overwritten),
    room.late_usage_with_very_many_sets_of_tags,
    room.a_head_that_would_grow_too_large,
    room.a_line_too_large_for_a_statement,
)
# What they put to the test is the embedded store's own second line of defence.
OF_SQLITE = (
    sealing.usage_that_an_entry_holds_is_never_taken,
    sealing.a_window_is_sealed_once,
    lateness.a_run_that_left_a_book_to_others_has_not_seen_it,
    lateness.a_run_whose_clock_is_hours_behind,  # on AWS it refuses usage as of the future
)
