"""Cost is a feature: requests and write units for each usage record, by AWS's rules."""

from __future__ import annotations

from typing import Any

import pytest

from marketplace_metering.adapters.dynamodb import TableNames
from marketplace_metering.adapters.dynamodb.items.tables import (
    PENDING_INDEX,
    PRODUCT_INDEX,
    definitions,
)
from marketplace_metering.core.record_rules import SHARDS_MAX
from tests.dynamodb.units import UnitMeter
from tests.dynamodb.world import TwoTables
from tests.support.build import DIMENSION, PRODUCT
from tests.support.clock import utc

PER_WINDOW = 50


def prefix_of(names: TableNames) -> str:
    return names.records.removesuffix("-MeteringRecords")


def put_usage(world: TwoTables, windows: int, buyers: int) -> None:
    """Fifty usage records in each window, twenty-five a request."""
    items = [
        {
            "customerAWSAccountId": {"S": f"{buyer:012d}"},
            "productCode": {"S": PRODUCT},
            "create_timestamp": {"N": str(ms_of(f"{10 - hour:02d}:{n:02d}") + buyer)},
            "dimension": {"S": DIMENSION},
            "quantity": {"N": str(n + 1)},
            "metering_pending": {"S": "true"},
        }
        for buyer in range(buyers)
        for hour in range(windows // buyers)
        for n in range(PER_WINDOW)
    ]
    for start in range(0, len(items), 25):
        requests = [{"PutRequest": {"Item": item}} for item in items[start : start + 25]]
        world.client.batch_write_item(RequestItems={world.names.records: requests})


def ms_of(at: str) -> int:
    return int(utc(at).timestamp() * 1_000)


@pytest.mark.parametrize("buyers", [100, 25])
def test_at_most_fifty_requests_for_a_thousand_usage_records(world: TwoTables, buyers: int) -> None:
    windows = 100
    put_usage(world, windows, buyers)
    world.client.log.clear()
    world.run()
    requests = world.client.requests().total() + len(world.aws.sent)
    of_usage = requests - SHARDS_MAX  # looking into empty shards costs every run the same
    assert of_usage * 1_000 <= 50 * windows * PER_WINDOW, world.client.requests()
    assert world.balance().billed.records == windows * PER_WINDOW


def test_at_most_six_write_units_for_a_usage_record(world: TwoTables, dynamodb: Any) -> None:
    """The application's put and both indexes of the guide included."""
    meter = UnitMeter(dynamodb, definitions(prefix_of(world.names)))
    world.client.observer = meter
    windows = 12
    count = windows * PER_WINDOW
    put_usage(world, windows, windows)
    records = world.names.records
    assert meter.units == {
        records: count,
        f"{records}/{PENDING_INDEX}": count,
        f"{records}/{PRODUCT_INDEX}": count,
    }
    world.store = world.new_store(workers=1)
    world.run()
    assert meter.units[records] == 2 * count, "the put and the write back, nothing else"
    assert meter.units[f"{records}/{PENDING_INDEX}"] == 2 * count
    assert meter.units[f"{records}/{PRODUCT_INDEX}"] == count, "the write back is not paid here"
    assert (meter.total - 5 * count) / count < 0.3, "the ledger"
    assert meter.total / count < 5.3


def test_a_quiet_run_costs_a_handful_of_requests(world: TwoTables) -> None:
    world.put("09:10", 5)
    world.run()
    world.client.log.clear()
    world.run()
    assert world.client.requests().total() <= 12 + SHARDS_MAX
    assert set(world.client.requests()) <= {"query", "batch_get_item"}
