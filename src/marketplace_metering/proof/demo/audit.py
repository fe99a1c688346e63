"""The statement of a day: input against AWS's count and the list of what is not billed.

Shares no code with the product, because shared code would share the bug: it reads the usage file
with its own parser and counts in whole millionths. It believes the ledger nothing but the list
itself. What must hold of each single entry, the proof's auditor has checked after every hour.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import cached_property
from typing import Any, NamedTuple

from marketplace_metering.proof.worlds.expected_items import Written
from marketplace_metering.proof.worlds.snapshot import MeterName, Tags
from marketplace_metering.proof.worlds.timeline import month_of

LARGEST = Decimal("9999999999.999999")
SMALLEST = Decimal("0.000001")
MICROS = 1_000_000
HOUR_MS = 3_600_000
UNREADABLE = ""


class InputLine(NamedTuple):
    """One line of the usage file; a part that cannot be read is empty, or nothing."""

    number: int
    text: str
    meter: MeterName
    micros: int | None
    created_ms: int | None
    tags: Tags

    @property
    def month(self) -> str:
        """The month of use."""
        return "" if self.created_ms is None else month_of(self.created_ms // HOUR_MS)

    @property
    def written(self) -> Written | None:
        """What a store must hold of it, if it can be read."""
        if self.micros is None or self.created_ms is None:
            return None
        return Written(self.meter, self.created_ms // HOUR_MS, self.tags, self.micros)


class NotBilled(NamedTuple):
    """Usage that the product lists as not billed; refused input comes with its exact text."""

    meter: MeterName
    micros: int | None
    month: str
    reason: str
    text: str | None = None


Amounts = Mapping[tuple[MeterName, str], int]  # millionths by meter and month of use


class Account(Counter[str]):
    """The sums of one meter, dimension or product: recorded, billed, listed and carried usage."""

    @property
    def is_balanced(self) -> bool:
        """The equation: everything recorded is billed, or listed."""
        return self["recorded"] == self["billed"] + self["listed"]


class Check(NamedTuple):
    """One thing that must hold, and every place where it does not."""

    what: str
    complaints: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Statement:
    """The books of the day; but for the input, meters are without their licence."""

    input: Sequence[InputLine]
    billed: Amounts  # what AWS accepted
    invoiced: Amounts
    not_billed: Sequence[NotBilled]
    carried: Amounts  # as the ledger says
    carried_into_next_month: Amounts
    windows_with_two_contents: int = 0
    billed_twice: int = 0
    still_open: int = 0  # usage records without a final outcome, as the ledger says
    violations: Sequence[str] = ()  # what the proof's auditor found

    @cached_property
    def recorded(self) -> Amounts:
        """The sums of the input."""
        return _sums((unlicensed(each.meter), each.month, each.micros) for each in self.input)

    @cached_property
    def listed(self) -> Amounts:
        """The sums of what is not billed."""
        return _sums((each.meter, each.month, each.micros) for each in self.not_billed)

    @cached_property
    def meters(self) -> Mapping[MeterName, Account]:
        """The account of each meter."""
        meters: defaultdict[MeterName, Account] = defaultdict(Account)
        for kind in ("recorded", "billed", "listed", "carried", "carried_into_next_month"):
            for (meter, _month), micros in getattr(self, kind).items():
                meters[meter][kind] += micros
        return dict(sorted(meters.items()))

    def by(self, *parts: str) -> Mapping[tuple[str, ...], Account]:
        """The accounts of all meters that agree in these parts: product, account, dimension."""
        sums: defaultdict[tuple[str, ...], Account] = defaultdict(Account)
        for meter, account in self.meters.items():
            sums[tuple(getattr(meter, part) for part in parts)].update(account)
        return dict(sorted(sums.items()))

    @cached_property
    def checks(self) -> tuple[Check, ...]:
        """Every equation, to the last decimal; without complaints the books balance."""
        return (
            _unbalanced("product", self.by("product")),
            _unbalanced("meter", self.meters),
            Check("input without a quantity is listed", self._unlisted_lines()),
            Check("AWS's invoices = usage that AWS accepted", self._wrong_invoices()),
            Check("used in November = invoiced + carried into December", self._wrong_months()),
            _none("windows sent with two contents", self.windows_with_two_contents),
            _none("windows billed twice", self.billed_twice),
            _none("usage records without a final outcome", self.still_open),
            Check("all else that metering prove audits, hour by hour", tuple(self.violations)),
        )

    @property
    def complaints(self) -> list[str]:
        """Everything that is wrong."""
        return [complaint for check in self.checks for complaint in check.complaints]

    def _unlisted_lines(self) -> tuple[str, ...]:
        """A line whose quantity cannot be read escapes the sums: it must be listed by its text."""
        unlisted = Counter(line.text for line in self.input if line.micros is None)
        unlisted.subtract(each.text for each in self.not_billed if each.text)
        return tuple(f"refused input is not listed: {text}" for text in unlisted.elements())

    def _wrong_invoices(self) -> tuple[str, ...]:
        """AWS's invoices against AWS's log of what it accepted."""
        return tuple(
            f"{_shown(meter)}: {month} invoices {units(invoiced):f}, accepted were "
            f"{units(accepted):f}"
            for (meter, month), invoiced, accepted in _differing(self.invoiced, self.billed)
        )

    def _wrong_months(self) -> tuple[str, ...]:
        """Billable usage of a month, less what was carried out of it, is the bill of that month."""
        first = min((month for _meter, month in self.billed), default="")
        left = Counter(self.recorded)
        left.subtract(self.listed)
        left.subtract(self.billed)
        return tuple(
            f"{_shown(meter)}: {units(later):f} of {first} was billed later, the ledger says "
            f"{units(carried):f}"
            for (meter, month), later, carried in _differing(left, self.carried_into_next_month)
            if month == first
        )


def _sums(amounts: Iterable[tuple[MeterName, str, int | None]]) -> Amounts:
    sums: Counter[tuple[MeterName, str]] = Counter()
    for meter, month, micros in amounts:
        sums[meter, month] += micros or 0
    return sums


def _differing(one: Amounts, other: Amounts) -> Iterator[tuple[tuple[MeterName, str], int, int]]:
    for key in sorted(one.keys() | other.keys()):
        if one.get(key, 0) != other.get(key, 0):
            yield key, one.get(key, 0), other.get(key, 0)


def _unbalanced(what: str, accounts: Mapping[Any, Account]) -> Check:
    return Check(
        f"recorded = billed + not billed, per {what}",
        tuple(
            f"{_shown(key, what)}: recorded {units(each['recorded']):f}, billed "
            f"{units(each['billed']):f} and listed {units(each['listed']):f}: "
            f"{units(abs(off)):f} too {'little' if off > 0 else 'much'}"
            for key, each in accounts.items()
            if (off := each["recorded"] - each["billed"] - each["listed"])
        ),
    )


def _none(what: str, count: int) -> Check:
    return Check(f"{what}: {count}", (f"{what}: {count}",) if count else ())


def _shown(key: Sequence[str | None], what: str = "meter") -> str:
    return " ".join((what, *(part or "(unreadable)" for part in key[:3])))


def read_input(lines: Iterable[str]) -> list[InputLine]:
    """The usage file; a repeated event counts once."""
    found: list[InputLine] = []
    events: set[str] = set()
    for number, text in enumerate(lines):
        attributes = _attributes(text)
        if "event_id" in attributes:
            # An application that repeats a write does so later, and changes nothing else.
            event = repr(sorted(item for item in attributes.items() if item[0] != "recorded_at"))
            if event in events:
                continue
            events.add(event)
        found.append(read_line(text, number))
    return found


def read_line(text: str, number: int = 0) -> InputLine:
    """One line of the usage file."""
    attributes = _attributes(text)
    product, account, dimension = (
        value if isinstance(value := attributes.get(name), str) else UNREADABLE
        for name in ("productCode", "customerAWSAccountId", "dimension")
    )
    meter = MeterName(product, account, dimension, attributes.get("licenseArn"))
    created_ms = attributes.get("create_timestamp")
    tags = attributes.get("tags")
    return InputLine(
        number,
        text,
        meter,
        _micros(attributes),
        created_ms if isinstance(created_ms, int) and 0 < created_ms < 1 << 41 else None,
        tuple(sorted(tags.items())) if isinstance(tags, dict) else (),
    )


def _attributes(text: str) -> dict[str, Any]:
    try:
        found = json.loads(text, parse_float=Decimal, object_pairs_hook=_each_once)
    except ValueError:
        return {}
    assert isinstance(found, dict), f"JSON, but not an object: {text}"
    return found


def _each_once(pairs: list[tuple[str, object]]) -> dict[str, object]:
    # An attribute that stands twice says nothing for certain; nor does the line then.
    if len(dict(pairs)) < len(pairs):
        raise ValueError("an attribute stands twice")
    return dict(pairs)


def _micros(attributes: Mapping[str, Any]) -> int | None:
    """The quantity, if it is an amount that could be billed at all."""
    value = attributes.get("quantity")
    if isinstance(value, bool) or not isinstance(value, int | Decimal):
        return None
    quantity = Decimal(value)
    is_billable = 0 <= quantity <= LARGEST and quantity == quantity.quantize(SMALLEST)
    return int(quantity * MICROS) if is_billable else None


def unlicensed(meter: MeterName) -> MeterName:
    """The meter as a statement shows it."""
    return meter._replace(license_arn=None)


def units(micros: int) -> Decimal:
    """An exact amount, without trailing zeros."""
    return Decimal(micros).scaleb(-6).normalize()
