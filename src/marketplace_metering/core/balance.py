"""The law of the books, for one product: what was recorded is all accounted for."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from marketplace_metering.core.hours import UsageHour
from marketplace_metering.core.identity import Meter
from marketplace_metering.core.ledger import State
from marketplace_metering.core.quantity import ZERO, Quantity, total


class Sum(NamedTuple):
    """An amount of usage and how many usage records (or inputs) it comes from."""

    quantity: Quantity = ZERO
    records: int = 0

    def plus(self, other: Sum) -> Sum:
        """The sum of both, in quantity and in usage records."""
        return Sum(self.quantity + other.quantity, self.records + other.records)


NOTHING = Sum()


class Missing(NamedTuple):
    """A usage record that an entry holds, and that is not there any more as it was sealed.

    What the entry bills of it does not change.
    """

    meter: Meter
    created_ns: int
    quantity: Quantity
    hour: UsageHour  # the entry's
    state: State
    there: str | None  # what stands in its place; None: nothing


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
    missing: tuple[Missing, ...] = ()  # counted as recorded, because the ledger has it

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


FIELD_OF_STATE = {
    State.SEALED: "sealed",
    State.PARKED: "parked",
    State.BILLED: "billed",
    State.PRESUMED: "presumed",
    State.UNRESOLVED: "unresolved",
    State.WRITTEN_OFF: "written_off",
}


@dataclass(slots=True)
class _Sums:
    """Of one product, so far."""

    fields: defaultdict[str, list[int]] = field(default_factory=lambda: defaultdict(lambda: [0, 0]))
    carried: int = 0
    unreadable_inputs: int = 0
    missing: list[Missing] = field(default_factory=list)


class Balances:
    """The books of all products while a store counts them, in millionths."""

    def __init__(self) -> None:
        self._of: defaultdict[str | None, _Sums] = defaultdict(_Sums)

    def add(self, product: str | None, name: str, micros: int, records: int = 1) -> None:
        """Usage that is `name`, a field of `Balance`."""
        total_so_far = self._of[product].fields[name]
        total_so_far[0] += micros
        total_so_far[1] += records

    def add_entry(
        self, product: str, state: State, micros: int, records: int, carried_micros: int
    ) -> None:
        """A ledger entry that holds its members."""
        self.add(product, FIELD_OF_STATE[state], micros, records)
        self._of[product].carried += carried_micros

    def add_refused_input(self, product: str | None, micros: int | None) -> None:
        """Input that is no usage record; None where no quantity can be read."""
        if micros is None:
            self._of[product].unreadable_inputs += 1
        else:
            self.add(product, "refused_input", micros)
            self.add(product, "recorded", micros)

    def add_missing(self, missing: Missing) -> None:
        """A usage record that an entry holds, and that was overwritten or is gone."""
        self._of[missing.meter.product].missing.append(missing)

    def by_product(self) -> list[Balance]:
        """In the order of the product codes; what names none comes last."""
        found = sorted(self._of.items(), key=lambda each: (each[0] is None, each[0] or ""))
        return [_balance(product, sums) for product, sums in found]


def _balance(product: str | None, sums: _Sums) -> Balance:
    fields: dict[str, Any] = {n: Sum(Quantity(m), count) for n, (m, count) in sums.fields.items()}
    return Balance(
        product=product,
        carried=Quantity(sums.carried),
        unreadable_inputs=sums.unreadable_inputs,
        missing=tuple(sorted(sums.missing, key=lambda each: (each.meter.account, each.created_ns))),
        **fields,
    )
