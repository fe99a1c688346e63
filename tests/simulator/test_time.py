"""Which time stamps AWS accepts: 24 hours, the month's end, and one bad stamp for all."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.simulator.world import NOW, SimulatorWorld, record

SECOND = timedelta(seconds=1)
DAY = timedelta(days=1)


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def test_usage_of_24_hours_ago_is_refused(world: SimulatorWorld) -> None:
    assert world.refusal(record(Timestamp=NOW - DAY)) == (
        "TimestampOutOfBoundsException",
        "The timestamp at usageRecords.1.member.timestamp is 24 hours old or older"
        " (it is 2026-11-20T15:30:00Z now)",
    )


def test_usage_just_younger_than_24_hours_is_accepted(world: SimulatorWorld) -> None:
    assert world.statuses(record(Timestamp=NOW - DAY + SECOND)) == ["Success"]


@pytest.mark.parametrize(
    ("stamp", "last_second"),
    [
        ("2026-11-29 23:00", "2026-11-30 22:59:59"),
        ("2026-11-30 04:00", "2026-12-01 03:59:59"),
        ("2026-11-30 06:00", "2026-12-01 05:59:59"),
        ("2026-11-30 12:00", "2026-12-01 05:59:59"),
        ("2026-11-30 23:00", "2026-12-01 05:59:59"),
        ("2026-12-01 00:00", "2026-12-01 23:59:59"),
        ("2026-12-31 23:00", "2027-01-01 05:59:59"),
        ("2028-02-29 23:00", "2028-03-01 05:59:59"),
    ],
)
def test_the_earlier_of_24_hours_and_month_end_is_the_deadline(
    world: SimulatorWorld, stamp: str, last_second: str
) -> None:
    usage = record(Timestamp=at(stamp))
    world.clock.set(at(last_second) + SECOND, frozen=True)
    assert world.refusal_code(usage) == "TimestampOutOfBoundsException"
    world.clock.set(at(last_second), frozen=True)
    assert world.statuses(usage) == ["Success"]


def test_the_old_month_is_accepted_until_0600_utc(world: SimulatorWorld) -> None:
    world.clock.set(at("2026-12-01 05:00"), frozen=True)
    assert world.statuses(record(Timestamp=at("2026-11-30 23:00"))) == ["Success"]


def test_the_old_month_closes_at_0600_utc(world: SimulatorWorld) -> None:
    world.clock.set(at("2026-12-01 06:00"), frozen=True)
    assert world.refusal(record(Timestamp=at("2026-11-30 23:59:59"))) == (
        "TimestampOutOfBoundsException",
        "The timestamp at usageRecords.1.member.timestamp belongs to a billing month that closed"
        " at 2026-12-01T06:00:00Z (it is 2026-12-01T06:00:00Z now)",
    )


def test_one_bad_timestamp_rejects_the_whole_batch(world: SimulatorWorld) -> None:
    good = [record(Dimension=f"d{number}") for number in range(24)]
    code = world.refusal_code(*good, record(Timestamp=NOW - DAY))
    assert code == "TimestampOutOfBoundsException"
    assert world.simulator.accepted == []
    assert world.statuses(*good) == ["Success"] * 24


def test_a_batch_of_two_months_fails_after_the_cut(world: SimulatorWorld) -> None:
    world.clock.set(at("2026-12-01 06:10"), frozen=True)
    old, new = record(Timestamp=at("2026-11-30 22:00")), record(Timestamp=at("2026-12-01 03:00"))
    assert world.refusal_code(old, new) == "TimestampOutOfBoundsException"
    assert world.statuses(new) == ["Success"]


def test_a_stamp_in_the_future_is_out_of_bounds(world: SimulatorWorld) -> None:
    code, message = world.refusal(record(Timestamp=NOW + SECOND))
    assert code == "TimestampOutOfBoundsException"
    assert "is in the future" in message


def test_the_current_hour_is_accepted(world: SimulatorWorld) -> None:
    assert world.statuses(record(Timestamp=NOW)) == ["Success"]


@pytest.mark.parametrize("stamp", [1795183200000, -1795183200000, 10**30])
def test_milliseconds_are_out_of_bounds(world: SimulatorWorld, stamp: int) -> None:
    body = {"UsageRecords": [record(Timestamp=stamp)]}
    code, message = world.raw_refusal(body)
    assert code == "TimestampOutOfBoundsException"
    assert "is not a time in epoch seconds" in message


def test_sub_seconds_of_a_stamp_are_kept(world: SimulatorWorld) -> None:
    stamp = NOW - timedelta(minutes=3, microseconds=-123456)
    answer = world.send(record(Timestamp=stamp))
    assert answer["Results"][0]["UsageRecord"]["Timestamp"].astimezone(UTC) == stamp


def test_time_zones_of_the_sender_do_not_matter(world: SimulatorWorld) -> None:
    elsewhere: Any = datetime.fromisoformat("2026-11-20T19:30:00+05:30")
    assert world.statuses(record(Timestamp=elsewhere)) == ["Success"]
    assert world.statuses(record(Timestamp=at("2026-11-20 14:00"))) == ["Success"]
    assert len(world.simulator.accepted) == 1
