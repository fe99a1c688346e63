"""Quantities as whole millionths, because AWS accepts six decimals and compares by value."""

import re
from decimal import Context, Decimal
from typing import Final

from marketplace_metering.simulator.json_types import Problems

ONE: Final = 1_000_000
WHOLE_MAX: Final = 2_147_483_647  # [M4] UsageQuantity
DECIMAL_LENGTH_MAX: Final = 17  # [M4] UsageQuantityAsDecimalString
EXACT: Final = Context(prec=100)  # sums of quantities times prices fit without rounding
_DECIMAL: Final = re.compile(r"(0|[1-9][0-9]{0,9})(\.[0-9]{1,6})?")


def whole_quantity(value: int) -> int:
    """The millionths of a whole `Quantity`."""
    return value * ONE


def decimal_quantity(value: str, path: str, problems: Problems) -> int:
    """A decimal string in millionths; 0 with a problem noted if it breaks the model's rule."""
    problems.length(value, path, 1, DECIMAL_LENGTH_MAX)
    problems.pattern(value, path, _DECIMAL)
    if _DECIMAL.fullmatch(value) is None:
        return 0
    whole, _, fraction = value.partition(".")
    return int(whole) * ONE + int(fraction.ljust(6, "0"))


def as_decimal(quantity: int) -> Decimal:
    """The exact decimal of a number of millionths, without trailing zeros."""
    return EXACT.divide(Decimal(quantity), Decimal(ONE))


def as_text(quantity: int) -> str:
    """A quantity as the admin API and a normalising echo show it: 17, 0.5."""
    return format(as_decimal(quantity), "f")
