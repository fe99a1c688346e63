"""Differences that the random stories found, each with what is right; the stores agree by now."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime

import pytest

from marketplace_metering.core.event import place_of
from marketplace_metering.core.policy import LateUsage, Policy, Scope
from marketplace_metering.core.quantity import total
from marketplace_metering.core.record import UsageRecord
from tests.differential.machine import REPAIRS
from tests.differential.operations import (
    BUYERS,
    Operation,
    RecordDirectly,
    Repair,
    Resolve,
    Seal,
    SealAtOnce,
    Submit,
    Wait,
)
from tests.differential.scripted_aws import Weather
from tests.differential.side import Side
from tests.differential.twins import Twins
from tests.support.build import usage
from tests.support.clock import utc
from tests.support.stores import DYNAMODB, LAGGING

EARLY, NOW = "11:10:00.5", utc("12:30")
SEAL, REJECTS = Seal(Scope.CLOSED_HOURS), Policy(late=LateUsage.REJECT)


def recorded(source: str, *uses: UsageRecord) -> RecordDirectly:
    return RecordDirectly(source, uses)


def event_of(used: UsageRecord, event_id: str) -> UsageRecord:
    """The usage as an event, at its place: where both stores keep it."""
    place_ns = place_of(event_id, used.created_ns)
    return replace(used, created_ns=place_ns, event_id=event_id)


def repaired(name: str, number: int = 0) -> Repair:
    return Repair(number, name, REPAIRS[name])


def pending(side: Side) -> str:
    found = side.store.pending(side.clock.now(), side.policy)
    return str(total(group.quantity for _book, groups in found for group in groups))


@pytest.fixture(params=[DYNAMODB, LAGGING])
def twins(request: pytest.FixtureRequest) -> Iterator[Twins]:
    twins = Twins(request.param, NOW, Policy())
    yield twins
    twins.close()


def tell(twins: Twins, *story: Operation, policy: Policy | None = None) -> None:
    """The stores do the same in each step of it."""
    for side in twins.sides:
        side.policy = policy or side.policy
    for operation in story:
        twins.do(operation)


def test_what_a_person_finds_not_billed_is_pending_at_once(twins: Twins) -> None:
    """DynamoDB sealed it only after the next run of submit: its mark still said unresolved."""
    lost = Submit(Weather(outcomes=("not mentioned",)))
    tell(twins, recorded("app", usage(EARLY, 5)), SEAL, lost, Wait(1_500), lost, Resolve(False))
    assert [pending(side) for side in twins.sides] == ["5", "5"]
    tell(twins, SEAL, Submit(Weather()))


def test_usage_that_was_repaired_or_given_back_has_an_age(twins: Twins) -> None:
    """DynamoDB left it out of the oldest pending usage, so that nobody saw it wait."""
    tell(twins, recorded("app", usage(EARLY, 5)), repaired("another quantity"))
    ages: list[datetime | None] = [side.reports.oldest_pending_at() for side in twins.sides]
    assert ages == [utc(EARLY), utc(EARLY)]
    tell(twins, SEAL, Wait(1_500), Submit(Weather()))
    assert ages == [side.reports.oldest_pending_at() for side in twins.sides]


def test_an_event_that_a_repair_gave_to_another_buyer_counts_once(twins: Twins) -> None:
    """The embedded store forgot the event, and took other content under its id for a new one."""
    event = event_of(usage(EARLY, 5), "e1")
    tell(twins, recorded("app", event), repaired("another buyer"))
    tell(twins, recorded("app again", event, replace(event, tags=(("team", "red"),))))
    assert [pending(side) for side in twins.sides] == ["5", "5"]
    # And back: it is one event, whichever way it went.
    back = Repair(0, "the first buyer", lambda each: replace(each, account=BUYERS[0]))
    tell(twins, back, recorded("app once more", event))
    assert [pending(side) for side in twins.sides] == ["5", "5"]


def test_late_usage_that_is_repaired_before_its_mark_is_written(twins: Twins) -> None:
    """DynamoDB wrote the old mark over the repaired usage record: listed again."""
    old = usage("2026-11-19 11:10:00.5", 5)
    tell(twins, SEAL, recorded("app", old), SEAL, repaired("as it was"), policy=REJECTS)
    assert [pending(side) for side in twins.sides] == ["5", "5"]


def test_late_usage_that_was_repaired_is_rejected_once(twins: Twins) -> None:
    """DynamoDB rejected it again in each run, with an alarm each time, until it was marked."""
    old = usage("2026-11-19 11:10:00.5", 5)
    tell(twins, SEAL, recorded("app", old), repaired("another quantity"), policy=REJECTS)
    tell(twins, SEAL, SEAL, SealAtOnce())
    assert [len(side.store.undelivered_alarms()) for side in twins.sides] == [1, 1]


def test_a_repair_takes_the_usage_record_with_the_same_tags(twins: Twins) -> None:
    """The embedded store took any one of that instant and quantity: the other buyer paid for it."""
    plain, red = usage(EARLY, 5), usage(EARLY, 5, tagged=(("team", "red"),))
    tell(twins, recorded("app", plain, red), repaired("another buyer", 0))
    tell(twins, repaired("another quantity", 1), SEAL)


def test_an_event_hides_no_usage_record_that_is_repeated(twins: Twins) -> None:
    """The embedded store recorded the plain usage record twice: an event before it was in the way.

    It had looked for a place for the event, and left the places before it out for the other one.
    """
    event = event_of(usage(EARLY, 5), "e1")
    plain = replace(event, event_id=None)
    tell(twins, recorded("app", plain), recorded("app", event, plain))
    assert [pending(side) for side in twins.sides] == ["10", "10"]
