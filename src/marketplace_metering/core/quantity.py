"""Exact amounts of usage, counted in millionths because AWS accepts six decimals."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Context, Decimal

from marketplace_metering.core.limits import (
    MICROS_PER_UNIT,
    QUANTITY_INTEGER_MAX,
    QUANTITY_MICROS_MAX,
)

# Not the context of the thread: an application may have set it to round.
_EXACT = Context(prec=100, traps=[])


@dataclass(frozen=True, slots=True, order=True)
class Quantity:
    """An exact, never negative amount of usage; a total may exceed what one window can bill."""

    micros: int

    def __post_init__(self) -> None:
        assert self.micros >= 0, f"a quantity is never negative, got {self.micros} millionths"

    def __add__(self, other: Quantity) -> Quantity:
        return Quantity(self.micros + other.micros)

    def __sub__(self, other: Quantity) -> Quantity:
        return Quantity(self.micros - other.micros)

    def __str__(self) -> str:
        whole, rest = divmod(self.micros, MICROS_PER_UNIT)
        return f"{whole}.{rest:06d}".rstrip("0") if rest else str(whole)

    @property
    def is_whole(self) -> bool:
        """Whether the amount has no fraction."""
        return self.micros % MICROS_PER_UNIT == 0

    @property
    def goes_as_integer(self) -> bool:
        """Whether the wire carries it as `Quantity`; otherwise as `QuantityAsDecimal` [Q20]."""
        return self.is_whole and self.micros <= QUANTITY_INTEGER_MAX * MICROS_PER_UNIT

    @property
    def units(self) -> int:
        """The whole units of an amount without a fraction."""
        assert self.is_whole, f"{self} is not whole"
        return self.micros // MICROS_PER_UNIT


ZERO = Quantity(0)
QUANTITY_MAX = Quantity(QUANTITY_MICROS_MAX)


def total(quantities: Iterable[Quantity]) -> Quantity:
    """The exact sum, of any number of quantities and of any size."""
    return Quantity(sum([quantity.micros for quantity in quantities]))


def micros_of(number: int | Decimal) -> int | None:
    """The millionths of a finite number, or None if it has more than six decimals."""
    if isinstance(number, int):
        return number * MICROS_PER_UNIT
    if not number:
        return 0
    _sign, digits, exponent = number.as_tuple()
    assert isinstance(exponent, int), f"{number} is not finite"
    if exponent + 6 >= 0:
        # Above any accepted amount the exact value does not matter: it is refused for its size,
        # and 1E+999999 must not become a million-digit integer on the way.
        if len(digits) + exponent > 40:
            return -(10**40) if number.is_signed() else 10**40
        return int(number.scaleb(6, _EXACT))
    if any(digits[exponent + 6 :]):
        return None
    return int(number.scaleb(6, _EXACT))


def parse_quantity(text: str) -> Quantity:
    """The quantity that `str(quantity)` printed; asserts if it has more than six decimals."""
    micros = micros_of(Decimal(text))
    assert micros is not None, f"{text} has more than six decimals"
    return Quantity(micros)
