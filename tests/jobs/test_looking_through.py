"""What a sealing run says of itself: only what it has surely seen."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import datetime

import pytest

from marketplace_metering.adapters.sqlite import SqliteStore
from marketplace_metering.core.hours import UsageHour
from marketplace_metering.core.plan import Plan, Waits
from marketplace_metering.core.policy import Policy
from marketplace_metering.jobs.looking_through import FACT, Looking
from tests.support.build import book, group, hour
from tests.support.clock import utc

POLICY = Policy()


@pytest.fixture
def store() -> Iterator[SqliteStore]:
    with closing(SqliteStore(":memory:")) as opened:
        yield opened


def known(store: SqliteStore, now: datetime) -> UsageHour | None:
    return Looking.begin(store, now).hour


def run(store: SqliteStore, began_at: str, *plans: Plan) -> None:
    looking = Looking.begin(store, utc(began_at))
    for each in plans:
        looking.saw(each)
    looking.end(store, POLICY)


def waiting(at: str, why: Waits, *, was_given_back: bool = False) -> Plan:
    left = replace(group(at), was_given_back=was_given_back)
    return Plan(book(), waiting=((left, why),))


def test_a_run_that_saw_everything_says_so(store: SqliteStore) -> None:
    run(store, "10:06", Plan(book()))
    assert known(store, utc("10:10")) == hour("09:00")


def test_usage_that_waits_for_a_window_is_still_to_be_seen(store: SqliteStore) -> None:
    run(store, "10:06", waiting("08:00", Waits.NO_WINDOW), waiting("07:00", Waits.NO_WINDOW))
    assert known(store, utc("10:10")) == hour("06:00")


@pytest.mark.parametrize("why", [Waits.HELD, Waits.OPEN_HOUR])
def test_usage_that_waits_for_something_else_is_not(store: SqliteStore, why: Waits) -> None:
    run(store, "10:06", waiting("08:00", why))
    assert known(store, utc("10:10")) == hour("09:00")


def test_usage_that_was_given_back_may_wait(store: SqliteStore) -> None:
    run(store, "10:06", waiting("08:00", Waits.NO_WINDOW, was_given_back=True))
    assert known(store, utc("10:10")) == hour("09:00")


def test_late_usage_of_a_product_that_carries_it_may_wait(store: SqliteStore) -> None:
    run(store, "10:06")
    run(store, "11:06", waiting("08:00", Waits.NO_WINDOW))
    assert known(store, utc("11:10")) == hour("10:00")


def test_a_book_that_could_not_be_read_in_full_is_still_to_be_seen(store: SqliteStore) -> None:
    run(store, "10:06", Plan(replace(book(), is_partial=True)))
    assert known(store, utc("10:10")) is None


def test_of_two_runs_at_once_one_speaks(store: SqliteStore) -> None:
    first, second = (Looking.begin(store, utc(at)) for at in ("10:06", "11:06"))
    second.end(store, POLICY)
    first.end(store, POLICY)
    assert known(store, utc("11:10")) == hour("10:00")
    assert FACT in store.facts()
