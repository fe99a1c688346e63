"""Gathers what the auditor is given: AWS's books over HTTP, the product's list from the file."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from marketplace_metering.core.ledger import State
from marketplace_metering.core.quantity import Quantity
from marketplace_metering.ports import EntryFilter, Reports
from marketplace_metering.proof.demo.audit import (
    NOTHING,
    Billed,
    Evidence,
    MeterName,
    NotBilled,
    read_input,
    read_line,
)
from marketplace_metering.proof.demo.world import DemoWorld

MONTHS = ("2026-11", "2026-12")
REFUSED_INPUT = "malformed usage record"
REASONS = {
    "CustomerNotSubscribed": "buyer has no agreement",
    "InvalidLicenseException": "licence had ended",
    "InvalidUsageDimensionException": "dimension unknown to AWS",
}
ACCEPTED = (State.BILLED, State.PRESUMED)
LAST_NS = 1 << 62


@dataclass(frozen=True, slots=True)
class AwsBooks:
    """What AWS has: accepted usage, invoices, requests, and findings no seller ever sees."""

    billed: tuple[Billed, ...]
    invoiced: dict[tuple[MeterName, str], Decimal]
    dollars: dict[tuple[str, str], Decimal]  # by product and month
    requests: int
    requests_on_a_calm_day: int
    windows_with_two_contents: int
    billed_twice: int


def read_aws(world: DemoWorld) -> AwsBooks:
    """AWS's books, as AWS shows them."""
    usage = world.ask_aws("usage")["usage"]
    findings = world.ask_aws("audit")
    invoiced: dict[tuple[MeterName, str], Decimal] = {}
    dollars: defaultdict[tuple[str, str], Decimal] = defaultdict(Decimal)
    for month in MONTHS:
        for line in world.ask_aws(f"bill?month={month}")["lines"]:
            key = (_meter(line), month)
            invoiced[key] = invoiced.get(key, NOTHING) + Decimal(line["quantity"])
            dollars[line["productCode"], month] += Decimal(line["amount"])
    return AwsBooks(
        billed=tuple(
            Billed(_meter(each), Decimal(each["quantity"]), each["timestamp"][:7]) for each in usage
        ),
        invoiced=invoiced,
        dollars=dict(dollars),
        requests=sum(world.ask_aws("requests?limit=0")["requestCounts"].values()),
        requests_on_a_calm_day=_fewest_requests(usage),
        windows_with_two_contents=len(findings["windowsSentWithTwoContents"]),
        billed_twice=len(findings["billedTwice"]),
    )


def _meter(wire: Any) -> MeterName:  # noqa: ANN401 - JSON
    return MeterName(wire["productCode"], wire["customerAWSAccountId"], wire["dimension"])


def _fewest_requests(usage: Iterable[Any]) -> int:
    """If every window were sent once, in its hour, 25 of a product in a request."""
    windows: defaultdict[tuple[str, str], int] = defaultdict(int)
    for each in usage:
        windows[each["productCode"], each["hour"]] += 1
    return sum(-(-count // 25) for count in windows.values())


@dataclass(frozen=True, slots=True)
class SellerBooks:
    """What the product says: what it lists as not billed, and what it carried."""

    not_billed: tuple[NotBilled, ...]
    carried: dict[MeterName, Decimal]
    carried_into_next_month: dict[MeterName, Decimal]
    still_open: int


def read_seller(reports: Reports, accounts: Iterable[str]) -> SellerBooks:
    """The product's list and ledger, through its own reports."""
    carried: defaultdict[MeterName, Decimal] = defaultdict(Decimal)
    into_next_month: defaultdict[MeterName, Decimal] = defaultdict(Decimal)
    for state in ACCEPTED:
        for view in reports.entries(EntryFilter(state=state)):
            window = view.entry.window
            meter = MeterName(window.meter.product, window.meter.account, window.meter.dimension)
            for line in view.entry.lines:
                if line.hour != window.hour:
                    carried[meter] += _decimal(line.quantity)
                if line.hour.month != window.hour.month:
                    into_next_month[meter] += _decimal(line.quantity)
    return SellerBooks(
        not_billed=(*_refused_inputs(reports), *_listed_records(reports, accounts)),
        carried=dict(carried),
        carried_into_next_month=dict(into_next_month),
        still_open=sum(
            part.records
            for balance in reports.balances()
            for part in (balance.pending, balance.sealed, balance.parked, balance.unresolved)
        ),
    )


def _refused_inputs(reports: Reports) -> Iterator[NotBilled]:
    for refused in reports.refused_inputs():
        line = read_line(refused.text)
        quantity = None if refused.quantity is None else _decimal(refused.quantity)
        yield NotBilled(line.meter, quantity, line.month, REFUSED_INPUT, refused.text)


def _listed_records(reports: Reports, accounts: Iterable[str]) -> Iterator[NotBilled]:
    for account in accounts:
        for view in reports.records_at(account, 0, LAST_NS):
            written_off = view.entry is not None and view.entry.entry.state is State.WRITTEN_OFF
            reason = view.failure
            if written_off and view.entry is not None:
                reason = view.entry.entry.reason
            if reason is not None:
                used = view.record
                yield NotBilled(
                    MeterName(used.product, used.account, used.dimension),
                    _decimal(used.quantity),
                    f"{datetime.fromtimestamp(used.created_ns // 10**9, UTC):%Y-%m}",
                    _short(reason),
                )


def _short(reason: str) -> str:
    return next((short for code, short in REASONS.items() if code in reason), reason)


def _decimal(quantity: Quantity) -> Decimal:
    return Decimal(str(quantity))


def gather(lines: Sequence[str], aws: AwsBooks, seller: SellerBooks) -> Evidence:
    """Input, AWS and list, side by side."""
    return Evidence(
        recorded=read_input(lines),
        billed=aws.billed,
        invoiced=aws.invoiced,
        not_billed=seller.not_billed,
        carried_into_next_month=seller.carried_into_next_month,
        windows_with_two_contents=aws.windows_with_two_contents,
        billed_twice=aws.billed_twice,
        still_open=seller.still_open,
    )


def accounts_of(lines: Iterable[str]) -> list[str]:
    """Every account that the input names."""
    return sorted({line.meter.account for line in read_input(lines)})
