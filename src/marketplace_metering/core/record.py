"""A usage record, and what is told of input that is none."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal

from marketplace_metering.core.hours import NS_PER_HOUR, UsageHour
from marketplace_metering.core.identity import Meter
from marketplace_metering.core.quantity import Quantity

Tags = tuple[tuple[str, str], ...]  # sorted pairs; the empty tuple is "untagged"


@dataclass(frozen=True, slots=True)
class UsageRecord:
    """What the application wrote, validated: it can be metered as it stands."""

    account: str
    product: str
    dimension: str
    created_ns: int
    micros: int
    license_arn: str | None = None
    tags: Tags = ()
    event_id: str | None = None
    extras: Mapping[str, object] = field(default_factory=dict)

    @property
    def meter(self) -> Meter:
        """The meter that this usage counts on."""
        return Meter(self.product, self.account, self.dimension, self.license_arn)

    @property
    def hour(self) -> UsageHour:
        """The UTC hour of the usage."""
        return UsageHour(self.created_ns // NS_PER_HOUR)

    @property
    def quantity(self) -> Quantity:
        """How much was used, exactly."""
        return Quantity(self.micros)


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong with a usage record, in words that a person can act on."""

    field: str
    shown: str | None  # the value as it was written; None where there is none
    rule: str
    fix: str

    @classmethod
    def of(cls, field: str, value: object, rule: str, fix: str) -> Problem:
        """The problem that a value has."""
        return cls(field, None if value is None else _shown(value), rule, fix)

    def __str__(self) -> str:
        shown = "" if self.shown is None else f" {self.shown}"
        return f"{self.field}{shown} refused: {self.rule}; {self.fix}"


def _shown(value: object) -> str:
    text = str(value) if isinstance(value, Decimal) else repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."


@dataclass(frozen=True, slots=True)
class RefusedInput:
    """Input that is no usage record: kept with what is wrong with it, never metered (rule 11)."""

    source: str  # where it came from, such as "usage.jsonl, line 17"
    text: str  # exactly as it came
    problems: tuple[Problem, ...]
    product: str | None = None  # these two where they can be read at all
    quantity: Quantity | None = None
