"""The law of the books, for one product: what was recorded is all accounted for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from marketplace_metering.core.quantity import ZERO, Quantity, total


class Sum(NamedTuple):
    """An amount of usage and how many usage records (or inputs) it comes from."""

    quantity: Quantity = ZERO
    records: int = 0

    def plus(self, other: Sum) -> Sum:
        """Both together."""
        return Sum(self.quantity + other.quantity, self.records + other.records)


NOTHING = Sum()


@dataclass(frozen=True, slots=True, kw_only=True)
class Balance:
    """Recorded usage of a product, and where each part of it stands."""

    product: str | None  # None: refused input that names no product that can be read
    recorded: Sum = NOTHING
    pending: Sum = NOTHING
    sealed: Sum = NOTHING
    parked: Sum = NOTHING
    billed: Sum = NOTHING
    presumed: Sum = NOTHING
    unresolved: Sum = NOTHING
    refused: Sum = NOTHING  # released or rejected, listed until a person retries it
    written_off: Sum = NOTHING
    refused_input: Sum = NOTHING  # where the quantity can be read
    carried: Quantity = ZERO  # of sealed to written off: used in another hour than billed
    unreadable_inputs: int = 0  # refused input without a quantity that can be read

    @property
    def listed(self) -> Sum:
        """Usage that is not billed, each with its reason."""
        return self.refused.plus(self.written_off).plus(self.refused_input)

    @property
    def accounted(self) -> Quantity:
        """Everything on the right-hand side of the law (docs/architecture.md)."""
        parts = (
            self.billed,
            self.presumed,
            self.sealed,
            self.parked,
            self.unresolved,
            self.listed,
            self.pending,
        )
        return total(part.quantity for part in parts)

    @property
    def is_balanced(self) -> bool:
        """Whether recorded = billed + presumed + sealed + unresolved + listed + pending."""
        return self.recorded.quantity == self.accounted
