"""An auditor's books: input against AWS's count and the list of what is not billed.

Shares no code with the product, because shared code would share the bug: it reads the usage file
with its own parser and counts in Decimal. It believes the ledger nothing but the list itself.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, NamedTuple

NOTHING = Decimal(0)
LARGEST = Decimal("9999999999.999999")
SMALLEST = Decimal("0.000001")
UNREADABLE = ""


class MeterName(NamedTuple):
    """One (product, account, dimension); a part that cannot be read is empty."""

    product: str
    account: str
    dimension: str


class InputLine(NamedTuple):
    """One line of the usage file: whose it is, how much, of which month, and its exact text."""

    meter: MeterName
    quantity: Decimal | None
    month: str | None
    text: str


class Billed(NamedTuple):
    """One usage record that AWS accepted, by AWS's own account."""

    meter: MeterName
    quantity: Decimal
    month: str


class NotBilled(NamedTuple):
    """Usage that the product lists as not billed; refused input comes with its exact text."""

    meter: MeterName
    quantity: Decimal | None
    month: str | None
    reason: str
    text: str | None = None


@dataclass(frozen=True, slots=True)
class Evidence:
    """All that the auditor is given."""

    recorded: Sequence[InputLine]
    billed: Sequence[Billed]
    invoiced: Mapping[tuple[MeterName, str], Decimal]  # quantity by meter and month
    not_billed: Sequence[NotBilled]
    carried_into_next_month: Mapping[MeterName, Decimal]  # as the ledger says
    windows_with_two_contents: int
    billed_twice: int
    still_open: int  # usage records without a final outcome, as the ledger says


@dataclass(slots=True)
class Account:
    """The sums of one meter, dimension or product."""

    recorded: Decimal = NOTHING
    billed: Decimal = NOTHING
    listed: Decimal = NOTHING

    @property
    def is_balanced(self) -> bool:
        """The equation: everything recorded is billed, or listed."""
        return self.recorded == self.billed + self.listed

    def add(self, other: Account) -> None:
        """Add the sums of another."""
        self.recorded += other.recorded
        self.billed += other.billed
        self.listed += other.listed


class Check(NamedTuple):
    """One thing that must hold, and every place where it does not."""

    what: str
    complaints: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Findings:
    """What the audit found; without complaints the books balance."""

    meters: Mapping[MeterName, Account]
    products: Mapping[str, Account]
    checks: tuple[Check, ...]

    @property
    def complaints(self) -> list[str]:
        """Everything that is wrong."""
        return [complaint for check in self.checks for complaint in check.complaints]

    @property
    def balance(self) -> bool:
        """Whether every unit is billed once or listed."""
        return not self.complaints


def read_input(lines: Iterable[str]) -> list[InputLine]:
    """The usage file; a repeated event counts once."""
    found: list[InputLine] = []
    events: set[str] = set()
    for text in lines:
        attributes = _attributes(text)
        if "event_id" in attributes:
            # An application that repeats a write does so later, and changes nothing else.
            event = repr(sorted(item for item in attributes.items() if item[0] != "recorded_at"))
            if event in events:
                continue
            events.add(event)
        found.append(_read(attributes, text))
    return found


def read_line(text: str) -> InputLine:
    """One line of the usage file."""
    return _read(_attributes(text), text)


def _read(attributes: Mapping[str, Any], text: str) -> InputLine:
    product, account, dimension = (
        value if isinstance(value := attributes.get(name), str) else UNREADABLE
        for name in ("productCode", "customerAWSAccountId", "dimension")
    )
    meter = MeterName(product, account, dimension)
    return InputLine(meter, _quantity(attributes), _month(attributes), text)


def _attributes(text: str) -> dict[str, Any]:
    try:
        pairs = json.loads(text, parse_float=Decimal, object_pairs_hook=list)
    except ValueError:
        return {}
    assert isinstance(pairs, list), f"JSON, but no object: {text}"
    names = Counter(name for name, _value in pairs)
    # An attribute that stands twice says nothing for certain; nor does the line then.
    return {} if max(names.values()) > 1 else {name: _value(value) for name, value in pairs}


def _value(value: object) -> object:
    return dict(value) if isinstance(value, list) else value


def _quantity(attributes: Mapping[str, Any]) -> Decimal | None:
    """The quantity, if it is an amount that could be billed at all."""
    value = attributes.get("quantity")
    if isinstance(value, bool) or not isinstance(value, int | Decimal):
        return None
    quantity = Decimal(value)
    if not 0 <= quantity <= LARGEST:
        return None
    return quantity if quantity == quantity.quantize(SMALLEST) else None


def _month(attributes: Mapping[str, Any]) -> str | None:
    value = attributes.get("create_timestamp")
    if not isinstance(value, int) or not 0 < value < 1 << 41:
        return None
    return f"{datetime.fromtimestamp(value // 1_000, UTC):%Y-%m}"


def audit(evidence: Evidence) -> Findings:
    """Check every equation to the last decimal."""
    meters = _accounts(evidence)
    products: defaultdict[str, Account] = defaultdict(Account)
    for meter, account in meters.items():
        products[meter.product].add(account)
    checks = (
        Check("recorded = billed + not billed, per product", _unbalanced_products(products)),
        Check("recorded = billed + not billed, per meter", _unbalanced_meters(meters)),
        Check("input without a quantity is listed", _unlisted_lines(evidence)),
        Check("AWS's invoices = usage that AWS accepted", _wrong_invoices(evidence)),
        Check("used in November = invoiced + carried into December", _wrong_months(evidence)),
        _none("windows sent with two contents", evidence.windows_with_two_contents),
        _none("windows billed twice", evidence.billed_twice),
        _none("usage records without a final outcome", evidence.still_open),
    )
    return Findings(meters, products, checks)


def _none(what: str, count: int) -> Check:
    return Check(f"{what}: {count}", (f"{what}: {count}",) if count else ())


def _unbalanced_products(products: Mapping[str, Account]) -> tuple[str, ...]:
    return tuple(
        _unbalanced(f"product {product or '(unreadable)'}", account)
        for product, account in products.items()
        if not account.is_balanced
    )


def _unbalanced_meters(meters: Mapping[MeterName, Account]) -> tuple[str, ...]:
    return tuple(
        _unbalanced(f"meter {_shown(meter)}", account)
        for meter, account in meters.items()
        if not account.is_balanced
    )


def _shown(meter: MeterName) -> str:
    return " ".join(part or "(unreadable)" for part in meter)


def _accounts(evidence: Evidence) -> dict[MeterName, Account]:
    meters: defaultdict[MeterName, Account] = defaultdict(Account)
    for line in evidence.recorded:
        meters[line.meter].recorded += line.quantity or NOTHING
    for usage in evidence.billed:
        meters[usage.meter].billed += usage.quantity
    for listed in evidence.not_billed:
        meters[listed.meter].listed += listed.quantity or NOTHING
    return dict(sorted(meters.items()))


def _unbalanced(what: str, account: Account) -> str:
    found = account.billed + account.listed
    word = "too little" if found < account.recorded else "too much"
    return (
        f"{what}: recorded {account.recorded:f}, billed {account.billed:f} and listed "
        f"{account.listed:f}: {abs(found - account.recorded):f} {word}"
    )


def _unlisted_lines(evidence: Evidence) -> tuple[str, ...]:
    """A line whose quantity cannot be read escapes the sums: it must be listed by its text."""
    listed = Counter(each.text for each in evidence.not_billed if each.text is not None)
    unreadable = Counter(line.text for line in evidence.recorded if line.quantity is None)
    missing = (unreadable - listed).elements()
    return tuple(f"refused input is not listed: {text}" for text in missing)


def _wrong_invoices(evidence: Evidence) -> tuple[str, ...]:
    """AWS's invoices against AWS's log of what it accepted."""
    accepted: defaultdict[tuple[MeterName, str], Decimal] = defaultdict(Decimal)
    for usage in evidence.billed:
        accepted[usage.meter, usage.month] += usage.quantity
    return tuple(
        f"meter {_shown(key[0])}: {key[1]} invoices {evidence.invoiced.get(key, NOTHING):f}, "
        f"accepted were {accepted[key]:f}"
        for key in sorted(accepted.keys() | evidence.invoiced.keys())
        if evidence.invoiced.get(key, NOTHING) != accepted[key]
    )


def _wrong_months(evidence: Evidence) -> tuple[str, ...]:
    """Billable usage of a month, less what was carried out of it, is the bill of that month."""
    refused = Counter(each.text for each in evidence.not_billed if each.text is not None)
    first = min(usage.month for usage in evidence.billed) if evidence.billed else ""
    left: defaultdict[MeterName, Decimal] = defaultdict(Decimal)
    for line in evidence.recorded:
        if refused[line.text]:
            refused[line.text] -= 1
        elif line.month == first:
            left[line.meter] += line.quantity or NOTHING
    for each in evidence.not_billed:
        if each.text is None and each.month == first:
            left[each.meter] -= each.quantity or NOTHING
    for usage in evidence.billed:
        if usage.month == first:
            left[usage.meter] -= usage.quantity
    carried = evidence.carried_into_next_month
    return tuple(
        f"meter {_shown(meter)}: {left[meter]:f} of {first} was billed later, the ledger says "
        f"{carried.get(meter, NOTHING):f}"
        for meter in sorted(left.keys() | carried.keys())
        if left[meter] != carried.get(meter, NOTHING)
    )
