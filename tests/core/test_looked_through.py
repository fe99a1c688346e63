"""How far sealing has looked: by runs whose clocks may be wrong."""

from __future__ import annotations

from datetime import timedelta

import pytest

from marketplace_metering.core.hours import UsageHour
from marketplace_metering.core.looked_through import KEPT, Look, LookedThrough, latest_hour_seen
from tests.support.build import hour
from tests.support.clock import utc

GRACE = timedelta(minutes=5)


def looks(*each: str) -> LookedThrough:
    """Of runs that began then, one after the other."""
    known = LookedThrough()
    for began_at in map(utc, each):
        known = known.after(Look(latest_hour_seen(began_at, GRACE), began_at))
    return known


@pytest.mark.parametrize(
    ("began_at", "seen"),
    [("10:05:59", "08:00"), ("10:06", "09:00"), ("10:59", "09:00"), ("11:06", "10:00")],
)
def test_a_run_sees_all_of_an_hour_a_minute_after_its_grace(began_at: str, seen: str) -> None:
    assert latest_hour_seen(utc(began_at), GRACE) == hour(seen)


def test_nothing_is_known_before_the_first_run() -> None:
    assert LookedThrough().at(utc("10:06")) is None
    assert LookedThrough.parse("") == LookedThrough()


def test_the_latest_look_counts() -> None:
    known = looks("10:06", "11:06", "13:06")
    assert known.at(utc("13:10")) == hour("12:00")
    assert LookedThrough.parse(str(known)) == known


def test_a_run_that_saw_no_more_changes_nothing() -> None:
    known = looks("10:06", "11:06")
    assert known.after(Look(hour("10:00"), utc("11:30"))) is known
    assert known.after(Look(hour("08:00"), utc("11:30"))) is known


def test_a_look_ahead_of_the_clock_does_not_count_but_for_a_minute() -> None:
    known = looks("10:06", "11:06")
    assert known.at(utc("11:05")) == hour("10:00")
    assert known.at(utc("11:04:59")) == hour("09:00")
    assert known.at(utc("10:04:59")) is None


def test_a_look_ahead_of_the_clock_goes_when_there_is_news() -> None:
    """Else it would count as soon as the time has come, for hours that nobody looked at."""
    known = looks("10:06", "14:06", "11:06")
    assert known.at(utc("14:30")) == hour("10:00")


def test_a_clock_that_is_behind_takes_nothing_away() -> None:
    known = looks("10:06", "11:06", "12:06", "13:06")
    behind = known.after(Look(latest_hour_seen(utc("11:20"), GRACE), utc("11:20")))
    assert behind is known


def test_the_latest_are_kept() -> None:
    first = hour("09:00").number
    known = LookedThrough()
    for number in range(first, first + 3 * KEPT):
        known = known.after(Look(UsageHour(number), UsageHour(number).end))
    assert len(known.looks) == KEPT
    assert len(str(known)) < 1_000
