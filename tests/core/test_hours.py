"""Hours, months, stamps and deadlines (money rules 1 and 5)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from marketplace_metering.core.hours import (
    NS_PER_HOUR,
    NS_PER_S,
    BillingMonth,
    UsageHour,
    deadline_of,
    epoch_ms,
    epoch_ns,
    epoch_s,
    from_ms,
    from_s,
    instant,
    stamp_of,
    stamp_s,
)
from tests.support.build import hour
from tests.support.clock import utc

INSTANTS = st.datetimes(datetime(2016, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 - the bounds are naive


@pytest.mark.parametrize(
    ("stamp", "deadline"),
    [
        # [R1] [R2] [Q3] around the end of November and of the year
        ("2026-11-29 23:00", "2026-11-30 23:00"),
        ("2026-11-30 04:00", "2026-12-01 04:00"),
        ("2026-11-30 06:00", "2026-12-01 06:00"),
        ("2026-11-30 12:00", "2026-12-01 06:00"),
        ("2026-11-30 23:00", "2026-12-01 06:00"),
        ("2026-12-01 00:00", "2026-12-02 00:00"),
        ("2026-12-31 23:00", "2027-01-01 06:00"),
        # and around a leap day
        ("2028-02-28 23:00", "2028-02-29 23:00"),
        ("2028-02-29 23:00", "2028-03-01 06:00"),
        ("2026-02-28 23:59:59", "2026-03-01 06:00"),
    ],
)
def test_deadlines_around_the_end_of_a_month(stamp: str, deadline: str) -> None:
    assert deadline_of(utc(stamp)) == utc(deadline)


@given(INSTANTS, st.integers(1, 24))
def test_a_deadline_is_the_earlier_of_the_age_limit_and_the_month_end(
    stamp: datetime, hours: int
) -> None:
    deadline = deadline_of(stamp, timedelta(hours=hours))
    first = datetime(stamp.year + stamp.month // 12, stamp.month % 12 + 1, 1, 6, tzinfo=UTC)
    assert deadline == min(stamp + timedelta(hours=hours), first)
    assert stamp < deadline


@given(INSTANTS)
def test_an_instant_lies_in_its_hour_and_its_month(at: datetime) -> None:
    held = UsageHour.of(at)
    assert held.start <= at < held.end
    assert held.month == BillingMonth(at.year, at.month)
    assert held.month.end > at
    assert held.plus(1).start == held.end
    assert instant(epoch_ns(at)) == at


def test_an_hour_prints_as_people_write_it() -> None:
    assert str(hour("2026-11-30 23:00")) == "2026-11-30T23:00Z"
    assert str(hour("2026-11-30 23:00").month) == "2026-11"


def test_other_time_zones_are_converted() -> None:
    at = datetime(2026, 12, 1, 1, 30, tzinfo=timezone(timedelta(hours=2)))
    assert UsageHour.of(at) == hour("2026-11-30 23:00")


def test_a_naive_datetime_is_our_bug() -> None:
    with pytest.raises(AssertionError, match="a naive datetime has no place near money"):
        epoch_ns(datetime(2026, 11, 30))  # noqa: DTZ001 - on purpose


@pytest.mark.parametrize(
    ("earliest", "stamp"),
    [
        ("09:00:00", "09:00:00"),
        ("09:00:00.000001", "09:00:01"),
        ("09:10:05.5", "09:10:06"),
        ("09:59:59", "09:59:59"),
        ("09:59:59.000001", "09:59:59"),
        ("09:59:59.999999", "09:59:59"),
    ],
)
def test_a_stamp_is_the_earliest_use_rounded_up_and_kept_inside_the_hour(
    earliest: str, stamp: str
) -> None:
    assert stamp_of(hour("09:00"), epoch_ns(utc(earliest))) == utc(stamp)


def test_a_window_of_carried_usage_only_is_stamped_with_its_start() -> None:
    assert stamp_of(hour("09:00"), None) == utc("09:00")


@given(st.integers(400_000, 600_000), st.integers(0, NS_PER_HOUR - 1))
def test_a_stamp_never_leaves_its_hour(number: int, ns: int) -> None:
    held = UsageHour(number)
    earliest = number * NS_PER_HOUR + ns
    stamp = stamp_of(held, earliest)
    assert held.start <= stamp < held.end and stamp.microsecond == 0
    late = epoch_ns(stamp) - earliest
    assert late < NS_PER_S
    assert late >= 0 or stamp == held.end - timedelta(seconds=1)


def test_a_stamp_from_another_hour_is_our_bug() -> None:
    with pytest.raises(AssertionError, match="the earliest own usage is of the hour"):
        stamp_of(hour("09:00"), epoch_ns(utc("10:00")))


@given(st.integers(-(10**12), 10**12))
def test_milliseconds_become_an_instant_and_come_back(ms: int) -> None:
    assert epoch_ms(from_ms(ms)) == ms
    assert epoch_s(from_ms(ms)) == ms // 1_000
    assert stamp_s(from_s(ms // 1_000)) == ms // 1_000


def test_milliseconds_and_seconds_are_cut_but_never_a_stamp() -> None:
    at = from_ms(1_789_000_000_999) + timedelta(microseconds=999)
    assert (epoch_ms(at), epoch_s(at)) == (1_789_000_000_999, 1_789_000_000)
    with pytest.raises(AssertionError, match="a stamp is a whole second"):
        stamp_s(at)
