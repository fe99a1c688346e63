"""Rule 9: exact arithmetic; whole sums go as Quantity, fractions as QuantityAsDecimal."""

from __future__ import annotations

from marketplace_metering.core.wire import usage_record
from tests.support.build import tags, usage
from tests.support.world import MeteringWorld


def test_a_million_tenths_are_a_hundred_thousand(world: MeteringWorld) -> None:
    """Floats would be off by 1.3e-6."""
    world.record(*(usage("11:10", "0.1") for _ in range(10_000)))
    world.run()
    assert str(world.billed()) == "1000"


def test_whole_sums_are_integers_and_fractions_are_decimals(world: MeteringWorld) -> None:
    world.record(usage("10:10", "2.5"), usage("10:20", "2.5"), usage("11:10", "0.000001"))
    world.seal()
    first, second = (usage_record(entry) for entry in world.entries())
    assert first["Quantity"] == 5
    assert "QuantityAsDecimal" not in first
    assert second["QuantityAsDecimal"] == "0.000001"
    assert "Quantity" not in second


def test_allocations_sum_exactly_and_have_the_kind_of_their_record(world: MeteringWorld) -> None:
    world.record(
        usage("11:10", "0.1", tagged=tags(team="a")),
        usage("11:10", "0.2", tagged=tags(team="b")),
        usage("11:10", "0.3"),
    )
    world.run()
    record = usage_record(world.entry())
    assert record["QuantityAsDecimal"] == "0.6"
    assert record["UsageAllocations"] == [
        {"AllocatedUsageQuantityAsDecimal": "0.3"},
        {
            "AllocatedUsageQuantityAsDecimal": "0.1",
            "Tags": [{"Key": "team", "Value": "a"}],
        },
        {
            "AllocatedUsageQuantityAsDecimal": "0.2",
            "Tags": [{"Key": "team", "Value": "b"}],
        },
    ]
    assert str(world.billed()) == "0.6"


def test_a_whole_sum_above_the_integer_cap_goes_as_a_decimal(world: MeteringWorld) -> None:
    world.record(usage("11:10", 2_147_483_647), usage("11:20", 1))
    world.run()
    assert usage_record(world.entry())["QuantityAsDecimal"] == "2147483648"
    assert str(world.billed()) == "2147483648"


def test_totals_above_what_64_bits_hold_are_counted_right(world: MeteringWorld) -> None:
    """A thousand full windows overflow SQLite's sum(): the books add them up all the same."""
    most = "9999999999.999999"
    world.record(*(usage("11:10", most) for _ in range(1000)))
    (balance,) = world.balances()
    assert str(balance.pending.quantity) == "9999999999999.999"
    assert balance.is_balanced
