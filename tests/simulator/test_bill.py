"""The invoice of a month: exact totals, and amounts where a price is known."""

from datetime import UTC, datetime
from decimal import Decimal

from tests.simulator.world import (
    BUYER,
    LICENSE,
    OTHER_BUYER,
    OTHER_LICENSE,
    OTHER_PRODUCT,
    PRODUCT,
    TWO_PM,
    SimulatorWorld,
    decimal,
    legacy,
    record,
)


def test_the_bill_totals_each_buyer_and_dimension_exactly(near: SimulatorWorld) -> None:
    near.declare(dimensions={"api-calls": Decimal("0.0015"), "seats": None})
    near.subscribe()
    near.subscribe(account=OTHER_BUYER, license_arn=OTHER_LICENSE)
    for minute in range(3):
        hour = TWO_PM.replace(hour=minute)
        near.send(decimal("0.1", Timestamp=hour), record(Dimension="seats", Timestamp=hour))
    near.send(record(CustomerAWSAccountId=OTHER_BUYER, LicenseArn=OTHER_LICENSE))
    bill = near.simulator.bill(2026, 11)
    assert [
        (line.product_code, line.license_arn, line.buyer, line.dimension) for line in bill.lines
    ] == [
        (PRODUCT, LICENSE, BUYER, "api-calls"),
        (PRODUCT, LICENSE, BUYER, "seats"),
        (PRODUCT, OTHER_LICENSE, OTHER_BUYER, "api-calls"),
    ]
    assert [line.quantity for line in bill.lines] == [Decimal("0.3"), Decimal(51), Decimal(17)]
    assert [line.record_count for line in bill.lines] == [3, 3, 1]
    assert [line.amount for line in bill.lines] == [Decimal("0.00045"), None, Decimal("0.0255")]
    assert bill.amount == Decimal("0.02595")


def test_usage_belongs_to_the_month_of_its_stamp(near: SimulatorWorld) -> None:
    near.clock.set(datetime(2026, 12, 1, 5, tzinfo=UTC), frozen=True)
    near.send(record(Timestamp=datetime(2026, 11, 30, 23, 59, 59, tzinfo=UTC)))
    near.send(record(Timestamp=datetime(2026, 12, 1, tzinfo=UTC), Quantity=4))
    november, december = near.simulator.bill(2026, 11), near.simulator.bill(2026, 12)
    assert [line.quantity for line in november.lines] == [17]
    assert [line.quantity for line in december.lines] == [4]
    assert near.simulator.bill(2027, 1).lines == ()


def test_the_largest_quantities_are_multiplied_without_rounding(near: SimulatorWorld) -> None:
    price = Decimal("0.123456789012345678901")
    near.simulator.declare(OTHER_PRODUCT, {"api-calls": price})
    near.subscribe(product_code=OTHER_PRODUCT)
    near.send(decimal("9999999999.999999"))
    (line,) = near.simulator.bill(2026, 11).lines
    assert str(line.amount) == "1234567890.123456665553210987654321099"


def test_both_identities_show_as_two_lines(near: SimulatorWorld) -> None:
    near.send(record())
    near.send(legacy(), product=PRODUCT)
    assert [line.quantity for line in near.simulator.bill(2026, 11).lines] == [17, 17]
