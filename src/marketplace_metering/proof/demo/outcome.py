"""One run of the demo from the first hour to the audited books."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from decimal import Decimal

from marketplace_metering.proof.demo.audit import (
    MICROS,
    Amounts,
    NotBilled,
    Statement,
    read_line,
    unlicensed,
)
from marketplace_metering.proof.demo.aws_over_http import over_http
from marketplace_metering.proof.demo.day import Day, Progress, open_records
from marketplace_metering.proof.demo.usage_file import read_lines
from marketplace_metering.proof.worlds.snapshot import MeterName, Snapshot
from marketplace_metering.proof.worlds.timeline import month_of
from marketplace_metering.simulator import MarketplaceSimulator

ACCEPTED = ("billed", "presumed")
MONTHS = ("2026-11", "2026-12")
REFUSED_INPUT = "malformed usage record"
REASONS = {
    "CustomerNotSubscribed": "buyer has no agreement",
    "InvalidLicenseException": "licence had ended",
    "InvalidUsageDimensionException": "dimension unknown to AWS",
}


@dataclass(frozen=True, slots=True)
class Outcome:
    """Everything that there is to show; quantities are in millionths."""

    day: Day
    statement: Statement
    dollars: Mapping[tuple[str, str], Decimal]  # by product and month

    @property
    def alarms(self) -> Mapping[str, Sequence[int]]:
        """The quantities of all alarms, by kind."""
        sums: defaultdict[str, list[int]] = defaultdict(list)
        for alarm in self.day.books.alarms:
            sums[alarm.kind].append(alarm.micros or 0)
        return sums

    @property
    def requests_on_a_calm_day(self) -> int:
        """If every window were sent once, in its hour, 25 of a product in a request."""
        windows = Counter((meter.product, hour) for meter, hour in self.day.auditor.accepted)
        return sum(-(-count // 25) for count in windows.values())


def play(seed: int, store_path: str, on_hour: Callable[[Progress], None]) -> Outcome:
    """Live through the day, then audit it."""
    day = Day(seed, store_path, read_lines())
    with closing(day.shop):
        with over_http(day) as line:
            day.live(line, on_hour)
        invoiced, dollars = _invoices(day.aws.simulator)
        return Outcome(day, _statement(day, invoiced), dollars)


def _statement(day: Day, invoiced: Amounts) -> Statement:
    aws, books = day.aws.simulator, day.books
    billed: Counter[tuple[MeterName, str]] = Counter()
    for each in aws.accepted:
        meter = unlicensed(day.aws.product_of(each))
        billed[meter, month_of(each.window.hour)] += each.content.quantity
    carried: Counter[tuple[MeterName, str]] = Counter()
    into_next_month: Counter[tuple[MeterName, str]] = Counter()
    for entry in books.entries:
        for hour, micros, _records in entry.lines if entry.state in ACCEPTED else ():
            key = unlicensed(entry.meter), month_of(hour)
            carried[key] += micros * (hour != entry.hour)
            into_next_month[key] += micros * (key[1] != month_of(entry.hour))
    return Statement(
        input=day.input,
        billed=billed,
        invoiced=invoiced,
        not_billed=(*_refused_inputs(day), *_listed_records(books)),
        carried=carried,
        carried_into_next_month=into_next_month,
        windows_with_two_contents=len(aws.audit.windows_with_two_contents()),
        billed_twice=len(aws.audit.billed_twice),
        still_open=open_records(books, "sealed", "parked", "unresolved"),
        violations=sorted(day.violations),
    )


def _invoices(aws: MarketplaceSimulator) -> tuple[Amounts, Mapping[tuple[str, str], Decimal]]:
    """What AWS charges: quantities by meter and month, dollars by product and month."""
    invoiced: Counter[tuple[MeterName, str]] = Counter()
    dollars: defaultdict[tuple[str, str], Decimal] = defaultdict(Decimal)
    for month in MONTHS:
        for line in aws.bill(int(month[:4]), int(month[5:])).lines:
            assert line.product_code and line.amount is not None, "every product has its prices"
            meter = MeterName(line.product_code, line.buyer, line.dimension, None)
            invoiced[meter, month] += int(line.quantity * MICROS)
            dollars[line.product_code, month] += line.amount
    return invoiced, dollars


def _refused_inputs(day: Day) -> Iterator[NotBilled]:
    for refused in day.shop.open(day.process.clock).reports.refused_inputs():
        line = read_line(refused.text)
        micros = None if refused.quantity is None else refused.quantity.micros
        yield NotBilled(unlicensed(line.meter), micros, line.month, REFUSED_INPUT, refused.text)


def _listed_records(books: Snapshot) -> Iterator[NotBilled]:
    written_off = {each.name: each.reason for each in books.entries if each.state == "written off"}
    for row in books.usage:
        reason = row.failure if row.entry is None else written_off.get(row.entry)
        if reason is not None:
            why = next((short for code, short in REASONS.items() if code in reason), reason)
            yield NotBilled(unlicensed(row.meter), row.micros, month_of(row.hour), why)
