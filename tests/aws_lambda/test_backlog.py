"""Issue 3's backlog of 60,000 usage records, through both handlers and the store on AWS.

The stand-in for DynamoDB makes it quick enough for every run; tests/pipeline/test_backlog.py does
the same on an emulator. Both functions get so little time that they have to go on again and again.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from datetime import timedelta
from typing import Any

import pytest

from marketplace_metering.adapters.aws.metering_api import MarketplaceApi, connect
from marketplace_metering.adapters.dynamodb import DynamoReports, DynamoStore, table_names
from marketplace_metering.adapters.dynamodb.backlog import DynamoGauges
from marketplace_metering.aws_lambda import app, job, processor
from marketplace_metering.core.policy import Policy
from marketplace_metering.ports import Ports
from marketplace_metering.proof.fake_dynamodb import Faults
from marketplace_metering.simulator import MarketplaceSimulator
from marketplace_metering.simulator.faults import FaultySimulator
from marketplace_metering.simulator.in_process import attach
from tests.aws_lambda.world import Bell, Context, People, Successors, event
from tests.support.clock import Clock, utc
from tests.support.stand_in import StandIn

OF_ONE_BUYER = 5_000  # in one hour
OTHER_BUYERS = 1_100
PER_WINDOW = 50
EXPIRED = 600
BACKLOG = OF_ONE_BUYER + OTHER_BUYERS * PER_WINDOW
PAGE = 8_700  # as many of them as an index page holds
MS_PER_HOUR = 3_600_000
STEP_MS = 59  # coprime with it: every usage record gets a time of its own, all over the hour
NINE_MS = int(utc("09:00").timestamp() * 1_000)


class BacklogWorld:
    """Both functions over one DynamoDB."""

    def __init__(self) -> None:
        self.clock = Clock(utc("10:10"))
        self.client = StandIn("shop", Faults(page=PAGE))
        self.names = table_names("shop")
        self.bell, self.successors = Bell(), Successors()
        self.simulator = MarketplaceSimulator(requests_per_second=None)
        api = connect("us-east-1")
        attach(api, FaultySimulator(self.simulator), self.clock.now, self.clock.sleep)
        self._marketplace = MarketplaceApi(api, self.clock, 5)
        self._times = (NINE_MS + number * STEP_MS % MS_PER_HOUR for number in range(BACKLOG))
        self.recorded: Counter[str] = Counter()

    def app(self) -> app.App:
        """For one invocation, which remembers nothing of those before."""
        clock = self.clock
        store = DynamoStore(self.client, self.names, now=clock.now, pause=clock.sleep, workers=1)
        return app.App(
            Ports(store, self._marketplace, clock, People()),
            Policy(),
            self.bell,
            DynamoGauges(self.client, self.names),
            self.successors,
        )

    def context(self, seconds: float) -> Context:
        """A context with so much time left."""
        return Context(self.clock, self.clock.now() + timedelta(seconds=seconds))

    def record(self, buyer: str, count: int, times: Iterable[int] | None = None) -> None:
        """Plain usage records of nine o'clock, if no other times are given."""
        puts: list[dict[str, Any]] = []
        for number, at in zip(range(count), times or self._times, strict=False):
            quantity = 1 + number % 7
            self.recorded[buyer] += quantity * 1_000_000
            item = {
                "customerAWSAccountId": {"S": buyer},
                "productCode": {"S": "prod-abc123"},
                "create_timestamp": {"N": str(at)},
                "dimension": {"S": "api_calls"},
                "quantity": {"N": str(quantity)},
                "metering_pending": {"S": "true"},
            }
            puts.append({"PutRequest": {"Item": item}})
        for start in range(0, count, 25):
            self.client.batch_write_item(
                RequestItems={self.names.records: puts[start : start + 25]}
            )


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> BacklogWorld:
    made = BacklogWorld()
    monkeypatch.setattr(app, "job_app", made.app)
    monkeypatch.setattr(app, "processor_app", made.app)
    return made


def test_very_many_windows_that_have_expired(
    world: BacklogWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is due is sent first. Each run ends by itself, rings, and the next one goes on."""
    for number in range(EXPIRED):
        world.record(f"{number:012d}", 1)
    job.handler({}, world.context(seconds=900))
    world.clock.advance(hours=26)
    now_ms = int(world.clock.now().timestamp() * 1_000)
    world.record("9" * 12, 1, [now_ms - MS_PER_HOUR])
    job.handler({}, world.context(seconds=900))
    world.bell.rings = 1
    transact = world.client.transact_write_items

    def slow(**wanted: Any) -> Any:
        world.clock.advance(seconds=0.5)
        return transact(**wanted)

    monkeypatch.setattr(world.client, "transact_write_items", slow)
    runs = 0
    while world.bell.rings:
        world.bell.rings = 0
        runs += 1
        context = world.context(seconds=180)
        processor.handler(event("doorbell"), context)
        assert context.get_remaining_time_in_millis() > 0, "Lambda would have killed it"
        assert [each.window.buyer for each in world.simulator.accepted] == ["9" * 12]
    assert runs > 1
    reports = DynamoReports(world.client, world.names, now=world.clock.now)
    (books,) = reports.balances()
    assert books.is_balanced


def test_sixty_thousand_usage_records_are_billed_run_by_run(world: BacklogWorld) -> None:
    world.record("9" * 12, OF_ONE_BUYER)
    for number in range(OTHER_BUYERS):
        world.record(f"{number:012d}", PER_WINDOW)

    said = [job.handler({}, world.context(seconds=0))]
    while world.successors.events:
        said.append(job.handler(world.successors.events.pop(), world.context(seconds=0)))
    rings = 0
    while world.bell.rings:
        world.bell.rings = 0
        rings += 1
        assert processor.handler(event("doorbell"), world.context(5)) == {"batchItemFailures": []}

    assert sum(each["usage_records"] for each in said) == BACKLOG
    # The job and those that went on; the last could not know that nothing was left.
    assert [each["entries"] for each in said] == [500, 500, 101, 0]
    assert rings > 2, "and so did the processor"
    accepted = {each.window.buyer: each.content.quantity for each in world.simulator.accepted}
    assert accepted == world.recorded
    assert len(world.simulator.accepted) == OTHER_BUYERS + 1
    reports = DynamoReports(world.client, world.names, now=world.clock.now)
    (books,) = reports.balances()
    assert books.is_balanced
    assert books.billed.records == BACKLOG
    assert books.billed.quantity.micros == world.recorded.total()
    assert reports.oldest_pending_at() is None
