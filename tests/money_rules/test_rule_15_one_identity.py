"""Rule 15: an event counts once whatever way it comes in; equal usage of two inputs counts twice;
and only what was recorded late is late.
"""

from __future__ import annotations

import json

from marketplace_metering.core.policy import LateUsage, Policy
from tests.support.build import BUYER, DIMENSION, PRODUCT, usage
from tests.support.clock import utc
from tests.support.world import MeteringWorld, OpenWorld

MS = int(utc("11:10").timestamp() * 1_000)


def line(**said: object) -> str:
    """A line of a file."""
    return json.dumps(
        {
            "customerAWSAccountId": BUYER,
            "productCode": PRODUCT,
            "dimension": DIMENSION,
            "create_timestamp": MS,
            "quantity": 5,
            "metering_pending": "true",
            **said,
        }
    )


def test_an_event_counts_once_whatever_way_it_comes_in(world: MeteringWorld) -> None:
    event = usage("11:10", 5, event_id="order-1")
    world.record(event)
    world.record_file("host-a", [line(event_id="order-1")])
    world.record_file("host-b", [line(event_id="order-1")])
    world.record(event)
    world.run()
    assert str(world.billed()) == "5"
    world.assert_law()


def test_equal_usage_of_two_inputs_is_two_uses(world: MeteringWorld) -> None:
    world.record_file("host-a", [line()])
    world.record_file("host-b", [line()])
    world.run()
    assert str(world.billed()) == "10"
    world.assert_law()


def test_the_same_input_once_more_is_no_use(world: MeteringWorld) -> None:
    for _time in range(2):
        world.record_file("host-a", [line(), line(quantity=2, create_timestamp=MS + 1)])
    world.run()
    assert str(world.billed()) == "7"


def test_what_metering_itself_delayed_is_not_late(open_world: OpenWorld) -> None:
    """Nothing ran for two days."""
    with open_world(policy=Policy(late=LateUsage.REJECT)) as world:
        world.record(usage("10:10", 5))
        world.at("2026-11-22 10:30")
        world.record(usage("2026-11-22 09:10", 7))
        world.run()
        world.at("2026-11-22 11:30")
        world.run()
        assert str(world.billed()) == "12"
        world.assert_law()


def test_what_came_after_its_hour_was_looked_through_is_late(open_world: OpenWorld) -> None:
    with open_world(policy=Policy(late=LateUsage.REJECT)) as world:
        world.record(usage("11:10", 5))
        world.run()
        world.record(usage("11:20", 7))
        world.at("13:30")
        world.run()
        assert str(world.billed()) == "5"
        assert [str(each.refused.quantity) for each in world.balances()] == ["7"]
        world.assert_law()
