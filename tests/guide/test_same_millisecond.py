"""What the page says of two records of a buyer in the same millisecond."""

from __future__ import annotations

from decimal import Decimal

import pytest

from marketplace_metering.adapters.dynamodb.items.tables import create_tables
from marketplace_metering.core.event import place_of
from tests.guide.blocks import block
from tests.guide.world import GuideWorld

pytestmark = pytest.mark.xdist_group("guide")

STANDS_STILL = "import time\ntime.time = lambda: 1795500000.123\n"
MS = 1_795_500_000_123


@pytest.fixture
def world(clock: GuideWorld) -> GuideWorld:
    """Any stack will do: the tables of these tests need no functions."""
    return clock


def _recorded(world: GuideWorld, name: str, source: str) -> dict[Decimal, tuple[str, int]]:
    """What is in a new table after a program ran, by time."""
    create_tables(world.client("dynamodb"), name)
    path = world.shell.folder / f"{name}.py"
    path.write_text(STANDS_STILL + source.replace("YOUR_STACK_NAME", name))
    world.shell.run(f"python {path}")
    items = world.client("dynamodb").scan(TableName=f"{name}-MeteringRecords")["Items"]
    return {
        Decimal(each["create_timestamp"]["N"]): (each["dimension"]["S"], int(each["quantity"]["N"]))
        for each in items
    }


def test_a_plain_put_overwrites(world: GuideWorld) -> None:
    """The example's own two calls: the second takes the place of the first."""
    found = _recorded(world, "plain", block("python", "def record_usage(").text)
    assert found == {Decimal(MS): ("storage_gb", 100)}


def test_conditional_puts_stand_beside_each_other(world: GuideWorld) -> None:
    more = "record_usage_safely('123456789012', 'abc123xyz456', 'users', 2)\n" * 2
    found = _recorded(world, "safe", block("python", "record_usage_safely").text + more)
    assert sorted(found.values()) == [("transactions", 1), ("users", 2), ("users", 2)]
    assert {int(ms) // 1_000 for ms in found} == {MS // 1_000}


def test_a_conditional_put_with_an_id_goes_where_every_other_way_puts_it(world: GuideWorld) -> None:
    more = "record_usage_safely('123456789012', 'abc123xyz456', 'users', 2, 'order-4711')\n" * 2
    found = _recorded(world, "event", block("python", "record_usage_safely").text + more)
    place = Decimal(place_of("order-4711", MS * 1_000_000)) / 1_000_000
    assert len(found) == 2
    assert found[place] == ("users", 2)


def test_a_put_whose_answer_was_lost_counts_once(world: GuideWorld) -> None:
    """As the SDK repeats it then: the same item is put again, and found to be there."""
    source = block("python", "record_usage_safely").text
    twice = """
put_item = table.put_item
def put_and_lose_the_answer(**put):
    put_item(**put)
    put_item(**put)
table.put_item = put_and_lose_the_answer
record_usage_safely('123456789012', 'abc123xyz456', 'users', 7)
"""
    found = _recorded(world, "lost", source + twice)
    assert sorted(found.values()) == [("transactions", 1), ("users", 7)]
