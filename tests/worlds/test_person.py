"""The simulated operator does not say "not billed" while somebody may still send it."""

from __future__ import annotations

from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest

from marketplace_metering.proof.worlds.operator import Person
from tests.support.clock import Clock

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
NOON_S = int(NOON.timestamp())


@pytest.mark.parametrize(
    ("deadline_h_ago", "under_way_h", "has_waited"),
    [
        (5, 0, False),  # six hours are the rule
        (7, 0, True),
        (7, 8, False),  # a run that has been standing still since before the deadline (world 37401)
        (7, 6.5, False),  # its clock may be slow
        (7, 5, True),
    ],
)
def test_the_operator_waits_for_all_who_may_still_send(
    deadline_h_ago: float, under_way_h: float, has_waited: bool
) -> None:
    nobody: Any = None
    since_us = int((NOON_S - under_way_h * 3_600) * 1_000_000)
    person = Person(nobody, nobody, nobody, nobody, lambda: since_us)
    entry: Any = SimpleNamespace(deadline_s=NOON_S - int(deadline_h_ago * 3_600))
    assert person._has_waited(entry, Clock(NOON)) is has_waited
