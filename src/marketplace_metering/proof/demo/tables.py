"""The books of the day as tables that a finance person can read."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping
from decimal import Decimal

from rich.box import Box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from marketplace_metering.proof.demo.audit import NOTHING, Account, MeterName
from marketplace_metering.proof.demo.aws_faults import OUTAGE
from marketplace_metering.proof.demo.evidence import MONTHS
from marketplace_metering.proof.demo.listings import PRODUCTS
from marketplace_metering.proof.demo.outcome import Outcome
from marketplace_metering.proof.demo.restarts import Restarts

UNREADABLE = "(unreadable)"
NAMES = {product.code: product.name for product in PRODUCTS} | {"": UNREADABLE}
COMPLAINTS_SHOWN = 20
# A rule under the headings, and nothing else: six columns of exact amounts need the room.
RULE = Box(
    "    \n    \n -- \n    \n    \n    \n    \n    \n",
    ascii=True,
)


def introduce(console: Console, seed: int, lines: int) -> None:
    """What is about to be seen."""
    console.print()
    console.print(
        Text("metering demo", style="bold"),
        f"- one day of usage across a month's end (seed {seed})",
        highlight=False,
    )
    console.print(
        f"{lines:,} usage records of three products, metered hour by hour against a simulated "
        "AWS Marketplace over HTTP. Answers get lost, AWS is down for three hours, and the "
        "metering process keeps crashing.",
        highlight=False,
    )
    console.print()


def show_books(console: Console, outcome: Outcome) -> None:
    """All tables."""
    for table in (
        _recorded_and_billed(outcome),
        _not_billed(outcome),
        _invoices(outcome),
        _on_the_way(outcome),
        _checks(outcome),
    ):
        console.print()
        console.print(table)
    console.print()


def number(value: Decimal) -> str:
    """An exact amount, without trailing zeros."""
    text = f"{value:,.6f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def _table(title: str) -> Table:
    return Table(
        title=title,
        title_justify="left",
        title_style="bold",
        box=RULE,
        show_edge=False,
        pad_edge=False,
        padding=(0, 1, 0, 0),
    )


def _recorded_and_billed(outcome: Outcome) -> Table:
    table = _table("Recorded and billed (carried: late usage, billed with a later hour)")
    table.add_column("", no_wrap=True)
    for heading in ("recorded", "billed by AWS", "not billed", "carried", "to Dec"):
        table.add_column(heading, justify="right", no_wrap=True)
    carried = _by_dimension(outcome.seller.carried)
    into_next_month = _by_dimension(outcome.seller.carried_into_next_month)
    accounts = by_dimension(outcome.findings.meters)
    for product in sorted({key[0] for key in accounts}, key=lambda code: NAMES[code]):
        is_ok = outcome.findings.products[product].is_balanced
        table.add_row(Text(NAMES[product], style="bold" if is_ok else "bold red"))
        for key, account in accounts.items():
            if key[0] == product and account != Account():
                table.add_row(
                    f" {key[1] or UNREADABLE}",
                    number(account.recorded),
                    number(account.billed),
                    _or_dash(account.listed),
                    _or_dash(carried[key]),
                    _or_dash(into_next_month[key]),
                    style=None if account.is_balanced else "red",
                )
    return table


def _or_dash(value: Decimal) -> str:
    return number(value) if value else "-"


def by_dimension(meters: Mapping[MeterName, Account]) -> dict[tuple[str, str], Account]:
    """The sums over the buyers; dimensions of one product are different units."""
    sums: defaultdict[tuple[str, str], Account] = defaultdict(Account)
    for meter, account in meters.items():
        sums[meter.product, meter.dimension].add(account)
    return dict(sorted(sums.items()))


def _by_dimension(amounts: Mapping[MeterName, Decimal]) -> defaultdict[tuple[str, str], Decimal]:
    sums: defaultdict[tuple[str, str], Decimal] = defaultdict(Decimal)
    for meter, amount in amounts.items():
        sums[meter.product, meter.dimension] += amount
    return sums


def _not_billed(outcome: Outcome) -> Table:
    table = _table("Not billed, and why")
    for heading in ("reason", "product", "dimension"):
        table.add_column(heading, no_wrap=True)
    for heading in ("records", "quantity"):
        table.add_column(heading, justify="right", no_wrap=True)
    for (reason, product, dimension), (records, quantity) in listed_sums(outcome).items():
        table.add_row(
            reason,
            NAMES.get(product, product),
            dimension or UNREADABLE,
            f"{records:,}",
            number(quantity) if quantity is not None else UNREADABLE,
        )
    return table


def listed_sums(
    outcome: Outcome,
) -> dict[tuple[str, str, str], tuple[int, Decimal | None]]:
    """How much is listed for each reason, product and dimension."""
    records: Counter[tuple[str, str, str]] = Counter()
    quantities: dict[tuple[str, str, str], Decimal] = {}
    for each in outcome.seller.not_billed:
        key = (each.reason, each.meter.product, each.meter.dimension)
        records[key] += 1
        if each.quantity is not None:
            quantities[key] = quantities.get(key, NOTHING) + each.quantity
    return {key: (records[key], quantities.get(key)) for key in sorted(records)}


def _invoices(outcome: Outcome) -> Table:
    table = _table("What AWS invoices")
    table.add_column("product", no_wrap=True)
    table.add_column("product code", no_wrap=True)
    for month in ("November", "December"):
        table.add_column(month, justify="right", no_wrap=True)
    for product in sorted(PRODUCTS, key=lambda each: each.name):
        amounts = (outcome.aws.dollars.get((product.code, month), NOTHING) for month in MONTHS)
        table.add_row(product.name, product.code, *(f"${amount:,.2f}" for amount in amounts))
    return table


def _on_the_way(outcome: Outcome) -> Table:
    table = _table("On the way")
    table.add_column("what", no_wrap=True)
    table.add_column("times", justify="right", no_wrap=True)
    table.add_column("of it", overflow="fold")
    for what, counts in (("faults of AWS", outcome.faults), ("crashes", outcome.crashes)):
        table.add_row(what, f"{counts.total():,}", _parts(counts))
    aws = outcome.aws
    table.add_row(
        "requests",
        f"{aws.requests:,}",
        f"{aws.requests_on_a_calm_day:,} at least on a calm day; {outcome.retries_of_refused:,} "
        f"hourly retries of refused usage, {outcome.faults[OUTAGE]:,} while AWS was down; the rest "
        "repeats lost requests and halves refused ones until the culprit stands alone",
    )
    alarms = (
        f"{kind} {each.count} ({number(each.quantity)})" for kind, each in outcome.alarms.items()
    )
    count = sum(each.count for each in outcome.alarms.values())
    table.add_row("alarms", f"{count:,}", f"{', '.join(alarms)}; in brackets their quantity")
    found = outcome.looked_up
    table.add_row(
        "windows unresolved",
        f"{len(found.billed) + len(found.written_off):,}",
        f"an answer was lost; by AWS's log {len(found.billed):,} were billed, "
        f"{len(found.written_off):,} were not and are written off",
    )
    return table


def _parts(counts: Counter[str]) -> str:
    return ", ".join(f"{what} {count}" for what, count in counts.most_common()) or "-"


def _checks(outcome: Outcome) -> Table:
    findings = outcome.findings
    table = _table("The auditor's checks, to the last decimal")
    table.add_column("must hold", overflow="fold")
    table.add_column("over", justify="right", no_wrap=True)
    table.add_column("", no_wrap=True)
    for check in findings.checks:
        over = {"product": len(findings.products), "meter": len(findings.meters)}.get(
            check.what.rpartition("per ")[2]
        )
        table.add_row(
            check.what,
            "" if over is None else f"{over}",
            Text("WRONG", style="bold red") if check.complaints else Text("ok", style="green"),
        )
    return table


def show_restarts(console: Console, restarted: Restarts) -> None:
    """The application that records with the recorder, and is killed."""
    table = _table("Meanwhile, an application that records with UsageRecorder")
    for heading in ("orders", "kill -9", "recorded again", "used", "recorded", "billed"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("", no_wrap=True)
    table.add_row(
        f"{restarted.orders:,}",
        f"{restarted.kills:,}",
        f"{restarted.repeated:,} or more",
        number(restarted.used),
        number(restarted.recorded),
        number(restarted.billed),
        Text("ok", style="green") if restarted.is_exact else Text("WRONG", style="bold red"),
    )
    console.print(table)
    console.print()


def conclude(console: Console, outcome: Outcome, restarted: Restarts, seconds: float) -> None:
    """The verdict, and what differs if it is a bad one."""
    complaints = outcome.findings.complaints
    for complaint in complaints[:COMPLAINTS_SHOWN]:
        console.print(complaint, style="red", markup=False, highlight=False)
    if len(complaints) > COMPLAINTS_SHOWN:
        console.print(f"and {len(complaints) - COMPLAINTS_SHOWN:,} more", style="red")
    if complaints or not restarted.is_exact:
        console.print("The books do not balance.", style="bold red")
    else:
        console.print(
            Text("The books balance: ", style="bold green")
            + Text("every unit recorded is billed exactly once, or listed."),
        )
    console.print(f"Metered and audited in {seconds:.1f} s.", highlight=False)


def suggest(console: Console, kept_at: str | None, listed: tuple[str, int]) -> None:
    """What to try next."""
    account, created_ms = listed
    file = kept_at or "demo.db"
    store = f"--store sqlite:///{file}"
    console.print()
    console.print("Next:" if kept_at else f"Next, after metering demo --store {file}:")
    for command in (
        f"metering status {store}",
        f"metering why {account} {created_ms} {store}",
    ):
        console.print(f"  {command}", markup=False, highlight=False, soft_wrap=True)
    console.print("What you saw is explained in docs/demo.md.", highlight=False)
