"""Every policy that constructs can bill a window in time; where none could, it does not construct.

With an hourly run at whatever minute, and usage of the first instant of an hour: its stamp is the
oldest one that the hour can have.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from marketplace_metering.core.hours import UsageHour
from marketplace_metering.core.ledger import Entry, is_sendable
from marketplace_metering.core.plan import plan
from marketplace_metering.core.policy import InvalidSettingError, Policy, Scope
from tests.support.build import book, group

HOUR = timedelta(hours=1)
ORDINARY = datetime(2026, 11, 20, 9, tzinfo=UTC)
LAST_OF_MONTH = datetime(2026, 11, 30, 23, tzinfo=UTC)  # closed at 06:00, however long the window
MICROSECOND = timedelta(microseconds=1)


def seconds(most: int) -> st.SearchStrategy[timedelta]:
    return st.integers(0, most).map(lambda number: timedelta(seconds=number))


def first_run(used_at: datetime, offset: timedelta, policy: Policy) -> datetime:
    """The first of the hourly runs at this minute that finds the hour closed."""
    closed_at = used_at + HOUR + policy.grace
    return closed_at + (offset - (closed_at - ORDINARY)) % HOUR


def sealed(used_at: datetime, now: datetime, policy: Policy) -> list[Entry]:
    used = group(f"{used_at:%Y-%m-%d %H:%M}", earliest=used_at)
    made = plan(book(), [used], now, policy, Scope.CLOSED_HOURS)
    return [sealing.entry for sealing in made.sealings]


@given(
    grace=seconds(3_600),
    margin=seconds(1_800),
    length=st.integers(3_600, 86_400).map(lambda number: timedelta(seconds=number)),
    offset=seconds(3_599),
    used_at=st.sampled_from((ORDINARY, LAST_OF_MONTH)),
)
def test_every_policy_that_constructs_bills_each_hour_in_its_own_window(
    grace: timedelta, margin: timedelta, length: timedelta, offset: timedelta, used_at: datetime
) -> None:
    try:
        policy = Policy(grace=grace, safety_margin=margin, window_length=length)
    except InvalidSettingError:
        return
    now = first_run(used_at, offset, policy)
    [entry] = sealed(used_at, now, policy)
    assert entry.window.hour == UsageHour.of(used_at)
    assert is_sendable(entry, now, policy)


@given(grace=seconds(3_600), margin=seconds(1_800), offset=seconds(3_599))
def test_late_usage_always_finds_an_open_window(
    grace: timedelta, margin: timedelta, offset: timedelta
) -> None:
    """Usage of three days ago, whenever a run comes, with the shortest window that there may be."""
    shortest = 2 * HOUR + grace + margin + MICROSECOND
    policy = Policy(grace=grace, safety_margin=margin, window_length=shortest)
    now = ORDINARY + 3 * 24 * HOUR + offset
    [entry] = sealed(ORDINARY, now, policy)
    assert is_sendable(entry, now, policy)


@given(grace=seconds(3_600), margin=seconds(1_800))
def test_what_is_refused_would_have_billed_nothing_at_some_minute(
    grace: timedelta, margin: timedelta
) -> None:
    needed = 2 * HOUR + grace + margin
    with pytest.raises(InvalidSettingError) as refused:
        Policy(grace=grace, safety_margin=margin, window_length=needed)
    assert f"must be above {needed / HOUR:g} with grace_seconds = {grace.seconds}" in str(
        refused.value
    )
    policy = Policy(grace=grace, safety_margin=margin)
    object.__setattr__(policy, "window_length", needed)
    now = ORDINARY + 2 * HOUR + grace - MICROSECOND  # just too early an hour before
    assert all(
        not is_sendable(entry, now + MICROSECOND, policy) for entry in sealed(ORDINARY, now, policy)
    )


def test_the_message_says_the_values_and_what_is_allowed() -> None:
    with pytest.raises(InvalidSettingError) as refused:
        Policy(window_length=HOUR)
    assert str(refused.value).startswith(
        "setting window_length_hours = 1 refused: must be above 2.16667 with grace_seconds = 300 "
        "and safety_margin_seconds = 300: "
    )


@pytest.mark.parametrize("slow", [1e-9, 5e-324, 0.01])
def test_fewer_requests_than_one_a_minute_send_nothing_in_time(slow: float) -> None:
    with pytest.raises(InvalidSettingError, match="one a minute"):
        Policy(requests_per_second=slow)
