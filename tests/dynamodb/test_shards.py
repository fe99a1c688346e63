"""Pending usage that is spread over shards of the index, beside the guide's plain "true"."""

from __future__ import annotations

from pathlib import Path

import pytest

from marketplace_metering import DynamoDBSink, UsageRecorder
from marketplace_metering.core.policy import Scope
from marketplace_metering.core.record_rules import SHARDS, SHARDS_MAX
from marketplace_metering.recorder.errors import RecorderSettingError
from tests.dynamodb.world import TwoTables
from tests.support.build import BUYER, DIMENSION, PRODUCT, quantity
from tests.support.clock import utc


def test_every_shard_is_metered_and_loses_its_mark(world: TwoTables) -> None:
    made = [world.put(f"09:{10 + n}", 1, metering_pending=each) for n, each in enumerate(SHARDS)]
    made.append(world.put("09:30", 1))
    world.run()
    assert world.balance().billed.quantity == quantity(len(SHARDS) + 1)
    assert world.entry().record_count == len(SHARDS) + 1, "one window, whatever the shard"
    assert all("metering_pending" not in world.item(key) for key in made)


def test_the_oldest_of_any_shard_is_reported(world: TwoTables) -> None:
    world.put("09:30", 1)
    world.put("09:10", 1, metering_pending=SHARDS[-1])
    assert world.reports.oldest_pending_at() == utc("09:10")


def test_a_shard_that_nobody_reads_is_refused_where_a_store_sees_it(world: TwoTables) -> None:
    """DynamoDB takes any value; a report counts it as refused input instead of as nothing."""
    world.put("09:10", 3, metering_pending=f"true.{SHARDS_MAX}")
    world.run()
    assert world.balance().recorded.quantity == quantity(3)
    assert not world.aws.sent


def test_the_recorder_spreads_what_it_sums(world: TwoTables, tmp_path: Path) -> None:
    sink = DynamoDBSink(world.names.records, client=world.raw, pending_shards=4)
    with UsageRecorder(sink, spool=tmp_path, product=PRODUCT, background=False) as usage:
        for number in range(40):
            usage.record(BUYER, DIMENSION, 1, event_id=f"e-{number}", at=utc("09:10"))
    items = world.raw.scan(TableName=world.names.records)["Items"]
    assert {item["metering_pending"]["S"] for item in items} == set(SHARDS[:4])
    world.run(Scope.CLOSED_HOURS)
    assert world.balance().billed.quantity == quantity(40)


def test_more_shards_than_a_job_reads_are_refused() -> None:
    with pytest.raises(RecorderSettingError, match="1 to 20"):
        DynamoDBSink("t", pending_shards=SHARDS_MAX + 1)
    assert (
        DynamoDBSink.of_url("dynamodb://s?pending_shards=3").name == "dynamodb://s-MeteringRecords"
    )
