"""Cost is a feature: requests and write units for each usage record, by AWS's rules."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from marketplace_metering.adapters.dynamodb import TableNames
from marketplace_metering.adapters.dynamodb.api.requests import GET_KEYS_MAX, STATEMENTS_MAX
from marketplace_metering.adapters.dynamodb.items.tables import (
    PENDING_INDEX,
    PRODUCT_INDEX,
    definitions,
)
from marketplace_metering.core.event import place_of
from marketplace_metering.core.hours import NS_PER_MS
from marketplace_metering.core.record_item import timestamp_text
from marketplace_metering.core.record_rules import SHARDS_MAX
from tests.dynamodb.units import UnitMeter
from tests.dynamodb.world import TwoTables
from tests.support.build import DIMENSION, PRODUCT
from tests.support.clock import utc

PER_WINDOW = 50


def prefix_of(names: TableNames) -> str:
    return names.records.removesuffix("-MeteringRecords")


def put_usage(world: TwoTables, windows: int, buyers: int, with_events: str | None = None) -> None:
    """Fifty usage records in each window, twenty-five a request."""
    items = [
        {
            "customerAWSAccountId": {"S": f"{500 * bool(with_events) + buyer:012d}"},
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
    for number, item in enumerate(items if with_events else ()):
        item["event_id"] = {"S": f"e-{number}"}
        if with_events == "at their places":
            ns = int(item["create_timestamp"]["N"]) * NS_PER_MS
            item["create_timestamp"] = {"N": timestamp_text(place_of(f"e-{number}", ns))}
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


@pytest.mark.parametrize("where", ["at their places", "elsewhere"])
def test_events_cost_nothing_more_unless_they_are_elsewhere(world: TwoTables, where: str) -> None:
    """There each costs two reads and a write: looked at a hundred a request, put twenty-five."""
    windows, requests = 20, []
    for with_events in (None, where):
        put_usage(world, windows, 10, with_events)
        world.client.log.clear()
        world.run()
        requests.append(world.client.requests())
    more = requests[1] - requests[0]
    count = windows * PER_WINDOW
    if where == "at their places":
        assert more == Counter()
    else:
        assert more == Counter(
            batch_get_item=2 * count // GET_KEYS_MAX,
            batch_execute_statement=count // STATEMENTS_MAX,
        )
        world.client.log.clear()
        world.run()
        assert world.client.requests()["batch_get_item"] <= 1, "it is known once and for all"
    assert world.balance().billed.records == 2 * count


def test_a_quiet_run_costs_a_handful_of_requests(world: TwoTables) -> None:
    world.put("09:10", 5)
    world.run()
    world.client.log.clear()
    world.run()
    assert world.client.requests().total() <= 12 + SHARDS_MAX
    assert set(world.client.requests()) <= {"query", "batch_get_item"}
