"""The functions on a restored store: loud, told once, and nothing is sealed or sent."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from marketplace_metering.aws_lambda import job, processor
from marketplace_metering.aws_lambda.telemetry import Name
from marketplace_metering.core.copies import Mark, Sending
from marketplace_metering.core.ledger import AlarmKind
from marketplace_metering.jobs.copies import RestoredStoreError
from tests.aws_lambda.world import LambdaWorld, event
from tests.support.clock import utc

Lines = Callable[[], list[dict[str, Any]]]


class Ahead:
    """A mark that knows of a later sending than any store here."""

    def read(self) -> Mark:
        return Mark(Sending(9, 0, "lost", utc("08:00")))

    def raise_to(self, sending: Sending) -> Mark:
        return self.read()


@pytest.fixture
def restored(world: LambdaWorld) -> LambdaWorld:
    world.record("09:10", 1)
    world.app = replace(world.app, ports=replace(world.app.ports, mark=Ahead()))
    return world


def test_the_job_fails_and_people_are_told_once(restored: LambdaWorld) -> None:
    for _run in range(2):
        with pytest.raises(RestoredStoreError, match="metering restored --at"):
            job.handler(event("scheduled"), restored.context())

    assert [alarm.kind for alarm in restored.people.alarms] == [AlarmKind.RESTORED]
    assert restored.bell.rings == 0


def test_the_processor_counts_a_failed_run_and_keeps_the_doorbell_free(
    restored: LambdaWorld, log_lines: Lines, measured: Lines
) -> None:
    """A message that came back would keep every other ring waiting for minutes."""
    answer = processor.handler(event("doorbell"), restored.context(180))

    assert answer == {"batchItemFailures": []}
    assert any(
        line["level"] == "ERROR" and "restored from a copy" in line["message"]
        for line in log_lines()
    )
    assert any(Name.FAILED_RUNS in each for each in measured())
    assert not restored.simulator.accepted
