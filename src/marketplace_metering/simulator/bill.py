"""A month's invoice: what AWS would charge for the accepted usage."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal

from marketplace_metering.simulator.audit import Accepted
from marketplace_metering.simulator.buyers import Listings
from marketplace_metering.simulator.quantities import EXACT, as_decimal
from marketplace_metering.simulator.times import micros


@dataclass(frozen=True, slots=True)
class BillLine:
    """One product (or undeclared licence), buyer and dimension; the amount is not rounded."""

    product_code: str | None
    license_arn: str | None
    buyer: str
    dimension: str
    quantity: Decimal
    record_count: int
    unit_price: Decimal | None
    amount: Decimal | None


@dataclass(frozen=True, slots=True)
class Bill:
    """All lines of a month; the amount covers the dimensions whose price is known."""

    year: int
    month: int
    lines: tuple[BillLine, ...]
    amount: Decimal


def make_bill(accepted: Iterable[Accepted], listings: Listings, year: int, month: int) -> Bill:
    """The invoice of the month in which the usage happened, whenever it was reported."""
    first = micros(datetime(year, month, 1, tzinfo=UTC))
    following = (year + 1, 1) if month == 12 else (year, month + 1)
    end = micros(datetime(*following, 1, tzinfo=UTC))
    totals: dict[tuple[str, str, str, str], list[int]] = {}
    for record in accepted:
        if not first <= record.content.stamp < end:
            continue
        window = record.window
        code = listings.product_of(window.product_code, window.license_arn) or ""
        name = (code, window.license_arn or "", window.buyer, window.dimension)
        total = totals.setdefault(name, [0, 0])
        total[0] += record.content.quantity
        total[1] += 1
    lines = tuple(
        _line(key, quantity, count, listings) for key, (quantity, count) in sorted(totals.items())
    )
    amount = sum((line.amount for line in lines if line.amount is not None), Decimal(0))
    return Bill(year, month, lines, amount)


def _line(
    key: tuple[str, str, str, str], quantity: int, count: int, listings: Listings
) -> BillLine:
    code, arn, buyer, dimension = key
    product = listings.products.get(code)
    prices: Mapping[str, Decimal | None] = product.dimensions if product is not None else {}
    price = prices.get(dimension)
    used = as_decimal(quantity)
    amount = EXACT.multiply(used, price) if price is not None else None
    return BillLine(code or None, arn or None, buyer, dimension, used, count, price, amount)
