"""The metering processor: every path answers the batch, and time that is up rings again."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from marketplace_metering.aws_lambda import job, processor
from marketplace_metering.aws_lambda.telemetry import Name
from marketplace_metering.core.identity import Meter
from marketplace_metering.simulator.faults import NotSubscribed, Scheduled
from tests.aws_lambda.world import LambdaWorld, event
from tests.support.clock import utc

Lines = Callable[[], list[dict[str, Any]]]
NOTHING_FAILED: dict[str, Any] = {"batchItemFailures": []}


def _sealed(world: LambdaWorld, windows: int) -> None:
    for number in range(windows):
        meter = Meter("prod-abc123", f"{111_100_000_000 + number}", "api_calls")
        world.record("09:10", 1, meter=meter)
    job.handler(event("scheduled"), world.context())
    world.bell.rings = 0


@pytest.mark.parametrize("by", ["doorbell", "clock"])
def test_a_ring_bills_what_is_due(world: LambdaWorld, by: str) -> None:
    _sealed(world, windows=30)

    assert processor.handler(event(by), world.context(180)) == NOTHING_FAILED

    assert len(world.simulator.accepted) == 30
    assert world.bell.rings == 0


def test_a_message_that_is_no_doorbell_is_dropped_with_a_log(
    world: LambdaWorld, log_lines: Lines
) -> None:
    """It would otherwise come back until it is a dead one, and stop the doorbell for hours."""
    _sealed(world, windows=1)

    assert processor.handler(event("garbage"), world.context(180)) == NOTHING_FAILED

    dropped = [line for line in log_lines() if line["level"] == "WARNING"]
    assert [line["body"] for line in dropped] == ["{not json", '["a list"]', '{"order": 42}', ""]


def test_a_doorbell_among_garbage_is_heard(world: LambdaWorld) -> None:
    _sealed(world, windows=1)

    processor.handler(event("doorbell_and_garbage"), world.context(180))

    assert len(world.simulator.accepted) == 1


def test_a_run_that_fails_gives_every_message_back(
    world: LambdaWorld, monkeypatch: pytest.MonkeyPatch, log_lines: Lines, measured: Lines
) -> None:
    def fail(*_: object) -> None:
        raise ConnectionError("no store")

    monkeypatch.setattr(world.store, "due", fail)
    batch = event("doorbell_and_garbage")

    answer = processor.handler(batch, world.context(180))

    ids = [message["messageId"] for message in batch["Records"]]
    assert answer == {"batchItemFailures": [{"itemIdentifier": each} for each in ids]}
    assert any("this run failed" in line["message"] for line in log_lines())
    (document,) = measured()
    assert document[Name.FAILED_RUNS] == [1]


def test_an_app_that_cannot_be_opened_gives_every_message_back(
    world: LambdaWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail() -> None:
        raise KeyError("METERING_TOPIC_ARN")

    monkeypatch.setattr("marketplace_metering.aws_lambda.app.processor_app", fail)

    answer = processor.handler(event("doorbell"), world.context(180))

    assert len(answer["batchItemFailures"]) == 1


def test_time_that_is_up_with_work_left_rings_again(world: LambdaWorld) -> None:
    """Twelve batches at five a second take more than the two seconds there are."""
    _sealed(world, windows=300)

    assert processor.handler(event("doorbell"), world.context(5)) == NOTHING_FAILED

    assert world.bell.rings == 1
    for _round in range(10):
        if world.bell.rings == 0:
            break
        world.bell.rings = 0
        processor.handler(event("doorbell"), world.context(5))
    assert len(world.simulator.accepted) == 300


def test_the_request_rate_is_kept_from_one_run_to_the_next(world: LambdaWorld) -> None:
    _sealed(world, windows=500)
    began = world.clock.now()

    for _round in range(20):
        processor.handler(event("doorbell"), world.context(2))

    assert len(world.simulator.accepted) == 500
    took = (world.clock.now() - began).total_seconds()
    assert took >= (500 / 25 - 1) / 5


def test_a_run_that_got_nothing_done_does_not_ring_again(world: LambdaWorld) -> None:
    """Without time to work it would ring for ever; the clock rings in five minutes anyway."""
    _sealed(world, windows=1)

    assert processor.handler(event("doorbell"), world.context(0)) == NOTHING_FAILED

    assert world.bell.rings == 0


def test_invoked_by_hand_it_rings_so_that_there_is_one_processor(world: LambdaWorld) -> None:
    _sealed(world, windows=1)

    assert processor.handler({}, world.context(180)) == NOTHING_FAILED

    assert world.bell.rings == 1
    assert world.simulator.accepted == []


def test_refused_usage_is_measured_and_told_with_its_quantity(
    world: LambdaWorld, measured: Lines
) -> None:
    world.faults.plan([Scheduled(NotSubscribed())])
    _sealed(world, windows=2)
    measured()

    processor.handler(event("doorbell"), world.context(180))

    (document,) = measured()
    assert document[Name.FAILED_USAGE] == [2]
    assert len(world.people.alarms) == 2


@pytest.mark.parametrize(
    "odd", [None, [], "Records", {"Records": None}, {"Records": "x"}, {"Records": [None, {}, 3]}]
)
def test_whatever_comes_in_a_batch_is_answered(world: LambdaWorld, odd: object) -> None:
    assert processor.handler(odd, world.context(180)) == NOTHING_FAILED


def test_the_deadline_that_is_nearest_is_measured(world: LambdaWorld, measured: Lines) -> None:
    world.gauges.deadline = utc("12:10")

    processor.handler(event("clock"), world.context(180))

    (document,) = measured()
    assert document[Name.TIME_TO_DEADLINE] == [7_200]
    assert document[Name.PROCESSOR_RUNS] == [1]
    assert document[Name.BLOCKED_RUNS] == [0]
