"""The metering job: which events seal what, and what it says about it."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from marketplace_metering.aws_lambda import job
from marketplace_metering.aws_lambda.events import UnknownEventError
from marketplace_metering.aws_lambda.telemetry import Name
from marketplace_metering.core.identity import Meter
from marketplace_metering.core.outcome import Refused
from tests.aws_lambda.world import LambdaWorld, event
from tests.support.steps import attempt, seal

Measured = Callable[[], list[dict[str, Any]]]


def test_the_schedule_seals_closed_hours_only(world: LambdaWorld) -> None:
    world.record("09:10", 5)
    world.record("10:05", 7)

    answer = job.handler(event("scheduled"), world.context())

    assert (answer["entries"], answer["quantity"]) == (1, "5")
    assert answer["left_pending"] == {"its hour is not over": 1}


@pytest.mark.parametrize("by_hand", [{}, None])
def test_a_person_s_empty_event_meters_everything_and_says_what(
    world: LambdaWorld, by_hand: object
) -> None:
    world.record("09:10", 5)
    world.record("10:05", "7.5")

    answer = job.handler(by_hand, world.context())

    assert answer == {
        "scope": "everything",
        "round": 1,
        "entries": 2,
        "usage_records": 2,
        "quantity": "12.5",
        "carried": "0",
        "rejected_usage_records": 0,
        "left_pending": {},
        "contended_meters": 0,
        "continues": False,
    }
    assert json.loads(json.dumps(answer)) == answer


def test_an_event_it_does_not_know_is_refused_with_what_it_knows(world: LambdaWorld) -> None:
    world.record("09:10", 5)

    with pytest.raises(UnknownEventError) as refused:
        job.handler({"scop": "everything"}, world.context())

    assert str(refused.value) == (
        'event {"scop": "everything"} refused: send {} to meter everything pending, or '
        '{"scope": "closed hours"} to meter closed hours only'
    )
    assert world.bell.rings == 0


def test_the_doorbell_rings_although_nothing_was_sealed(world: LambdaWorld) -> None:
    """An entry that an earlier run sealed may still be due: each run dispatches it again."""
    job.handler(event("scheduled"), world.context())

    assert world.bell.rings == 1


def test_a_run_whose_time_is_up_goes_on_in_a_further_invocation(world: LambdaWorld) -> None:
    """600 meters take two steps of 500; the clock runs out during the first."""
    for number in range(600):
        world.record("09:10", 1, meter=_meter(number))
    short = world.context(seconds=0)

    first = job.handler({}, short)

    assert first["continues"]
    assert first["entries"] == 500
    assert world.successors.events == [{"scope": "everything", "round": 2}]
    rest = job.handler(world.successors.events[0], world.context())
    assert (rest["entries"], rest["continues"], rest["round"]) == (100, False, 2)
    assert len(world.successors.events) == 1


def test_a_round_that_did_nothing_starts_no_other(world: LambdaWorld) -> None:
    """Otherwise usage that only waits would keep the job running for ever."""
    for number in range(600):
        world.record("10:05", 1, meter=_meter(number))

    answer = job.handler({"scope": "closed hours"}, world.context(seconds=0))

    assert not answer["continues"]
    assert world.successors.events == []


def test_an_error_is_a_failed_invocation(
    world: LambdaWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Lambda repeats it and counts it: the errors alarm sees it."""

    def fail(*_: object) -> None:
        raise ConnectionError("no store")

    monkeypatch.setattr(world.store, "pending", fail)

    with pytest.raises(ConnectionError):
        job.handler(event("scheduled"), world.context())


def test_people_who_cannot_be_told_now_are_told_by_the_next_run(world: LambdaWorld) -> None:
    world.record("08:10", 5)
    (entry,) = seal(world.store, world.clock.now())
    attempt(world.store, entry.key, Refused("InvalidUsageDimensionException"), world.clock.now())
    world.people.are_away = True
    job.handler(event("scheduled"), world.context())
    assert world.people.alarms == []

    world.people.are_away = False
    job.handler(event("scheduled"), world.context())

    assert [str(alarm.quantity) for alarm in world.people.alarms] == ["5"]


def test_a_run_is_measured_by_stack_alone(world: LambdaWorld, measured: Measured) -> None:
    world.record("09:10", 5)
    world.record("10:05", 7)

    job.handler(event("scheduled"), world.context())

    (document,) = measured()
    assert document["service"] == "shop"
    (directive,) = document["_aws"]["CloudWatchMetrics"]
    assert directive["Namespace"] == "MarketplaceMetering"
    assert directive["Dimensions"] == [["service"]]
    assert {each["Name"] for each in directive["Metrics"]} == {
        Name.JOB_RUNS,
        Name.SEALED_ENTRIES,
        Name.SEALED_RECORDS,
        Name.WAITING_RECORDS,
        Name.OLDEST_PENDING_AGE,
        Name.TIME_TO_DEADLINE,
    }
    assert document[Name.JOB_RUNS] == [1]
    assert document[Name.SEALED_ENTRIES] == [1]
    assert document[Name.WAITING_RECORDS] == [1]
    assert document[Name.TIME_TO_DEADLINE] == [86_400]


def _meter(number: int) -> Meter:
    return Meter("prod-abc123", f"{111_100_000_000 + number}", "api_calls")
