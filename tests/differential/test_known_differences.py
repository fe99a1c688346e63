"""Where the stores may differ, each with its reason: what the comparison leaves out, pinned.

No money depends on any of them. Two more are told in the money rules: a plan that is stale because
usage came (rule 2), and the letters of a number in an attribute of the seller's own (rule 11).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import pytest

from marketplace_metering.core.ledger import Entry
from marketplace_metering.core.policy import Policy, Scope
from marketplace_metering.core.record import UsageRecord
from marketplace_metering.core.views import EntryFilter, RecordView
from tests.differential.operations import (
    BUYERS,
    Operation,
    RecordDirectly,
    Repair,
    Seal,
    Submit,
    Wait,
)
from tests.differential.scripted_aws import Weather
from tests.differential.side import Side
from tests.support.build import METER, usage
from tests.support.clock import utc
from tests.support.stores import DYNAMODB, SQLITE

SEAL = Seal(Scope.CLOSED_HOURS)
REFUSED = Submit(Weather(outcomes=("not subscribed",)))
OTHER_PRODUCT = replace(METER, product="prod-def456")


@pytest.fixture
def sides() -> Iterator[tuple[Side, Side]]:
    """The embedded store and the one on AWS, half past twelve."""
    both = Side(SQLITE, utc("12:30"), Policy()), Side(DYNAMODB, utc("12:30"), Policy())
    yield both
    for side in both:
        side.close()


def recorded(*uses: UsageRecord) -> RecordDirectly:
    return RecordDirectly("app", uses)


def tell(sides: Sequence[Side], *story: Operation) -> None:
    for side in sides:
        for operation in story:
            operation.run(side)


def entries(side: Side) -> list[Entry]:
    return [view.entry for view in side.reports.entries(EntryFilter())]


def views(side: Side) -> list[RecordView]:
    return [v for account in BUYERS for v in side.reports.records_at(account, 0, 2**62)]


def test_equal_instants_of_one_buyer_are_kept_a_nanosecond_apart(sides: tuple[Side, Side]) -> None:
    """On AWS the buyer and the time are the key of a usage record, whatever it is usage of.

    Where the instant is a whole second, the stamp of the second one is the next second: it is the
    earliest time rounded up. The window and its bill are the same.
    """
    tell(sides, recorded(usage("11:10:00", 1), usage("11:10:00", 2, meter=OTHER_PRODUCT)), SEAL)
    stamps = [[f"{entry.stamp:%H:%M:%S}" for entry in entries(side)] for side in sides]
    assert stamps == [["11:10:00", "11:10:00"], ["11:10:00", "11:10:01"]]


def test_of_equal_instants_that_do_not_fit_either_may_come_first(sides: tuple[Side, Side]) -> None:
    """The planner takes the oldest first, and of equal ones the smaller; on AWS none are equal.

    One of them takes the window, and the other is carried: all of it is billed in any case.
    """
    tell(sides, recorded(usage("11:40", 1), usage("11:40", "9999999999.999999")), SEAL)
    assert [str(entry.quantity) for entry in entries(sides[0])] == ["1"]
    assert [str(entry.quantity) for entry in entries(sides[1])] == ["9999999999.999999"]
    tell(sides, Wait(60), SEAL)
    assert sum(e.quantity.micros for e in entries(sides[0])) == 10_000_000_000_999_999
    assert sum(e.quantity.micros for e in entries(sides[1])) == 10_000_000_000_999_999


def test_only_the_latest_attempts_are_kept_on_aws(sides: tuple[Side, Side]) -> None:
    """They lie in the entry's item, which may have 400 KB; how many there were is counted."""
    tell(sides, recorded(usage("11:10:00.5", 1)), SEAL)
    for _time in range(22):
        tell(sides, REFUSED, Wait(56))
    logged = [side.reports.attempts(entries(side)[0].key) for side in sides]
    assert [len(each) for each in logged] == [22, 20]
    assert logged[0][2:] == logged[1]
    assert [entries(side)[0].begun for side in sides] == [22, 22]


def test_a_failure_is_told_with_its_window_on_aws(sides: tuple[Side, Side]) -> None:
    """It is read off the usage record in the guide's table, where nothing else names the window."""
    tell(sides, recorded(usage("11:10:00.5", 1)), SEAL, REFUSED, Wait(1_500), REFUSED)
    failures = [views(side)[0].failure or "" for side in sides]
    assert failures[0].startswith("the deadline 2026-11-21 11:10:01Z passed unbilled.")
    assert failures[1] == f"released: window 2026-11-20T11:00Z, quantity 1. {failures[0]}"


def test_where_a_moved_usage_record_was_before_is_forgotten_on_aws(
    sides: tuple[Side, Side],
) -> None:
    """Its mark names the entry that gave it back, until the next one has its place there."""
    right = Repair(0, "another buyer", lambda each: replace(each, account=BUYERS[1]))
    tell(sides, recorded(usage("11:10:00.5", 1)), SEAL, REFUSED, right)
    assert [view.released_from is not None for side in sides for view in views(side)] == [True] * 2
    tell(sides, SEAL, Submit(Weather()))
    assert [view.released_from is not None for side in sides for view in views(side)] == [
        True,
        False,
    ]


def test_an_event_in_another_second_is_another_event_on_aws(sides: tuple[Side, Side]) -> None:
    """On AWS an event is known by its id and second, which are its key (money rule 15).

    The embedded store looks every id up, whatever its time: the same event at another time of its
    hour is there already, and in another hour it is refused.
    """
    event = usage("11:10:00.5", 1, event_id="e1")
    later = usage("11:10:07.5", 1, event_id="e1")
    next_hour = usage("12:10:00.5", 1, event_id="e1")
    embedded, on_aws = sides
    for each, added_on_aws in ((event, 1), (event, 0), (later, 1), (next_hour, 1)):
        taken = on_aws.store.intake("app", on_aws.clock.now()).add([each])
        assert (taken.added, len(taken.clashes)) == (added_on_aws, 0)
    for each, clashes in ((event, 0), (event, 0), (later, 0), (next_hour, 1)):
        taken = embedded.store.intake("app", embedded.clock.now()).add([each])
        assert len(taken.clashes) == clashes
    assert [len(views(side)) for side in sides] == [1, 3]
