"""The books of the day as tables that a finance person can read."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection

from rich.box import Box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from marketplace_metering.proof.demo.audit import Account, units
from marketplace_metering.proof.demo.listings import AWS_IS_DOWN, PRODUCTS, UNKNOWN_DIMENSION
from marketplace_metering.proof.demo.outcome import MONTHS, Outcome
from marketplace_metering.proof.demo.restarts import Restarts

NOT_ALWAYS = ("listed", "carried", "carried_into_next_month")
UNREADABLE = "(unreadable)"
NAMES = {product.code: product.name for product in PRODUCTS} | {"": UNREADABLE}
COMPLAINTS_SHOWN = 20
# A rule under the headings, and nothing else: six columns of exact amounts need the room.
RULE = Box("    \n    \n -- \n" + "    \n" * 5, ascii=True)


def introduce(console: Console, seed: int, lines: int) -> None:
    """What is about to be seen."""
    console.print()
    title = f"- one day of usage across a month's end (seed {seed})"
    console.print(Text("metering demo", style="bold"), title)
    console.print(
        f"{lines:,} usage records of three products, metered hour by hour against a simulated "
        "AWS Marketplace over HTTP. Answers get lost, AWS is down for three hours, and the "
        "metering process keeps crashing.",
    )
    console.print()


def show(console: Console, outcome: Outcome, restarted: Restarts, seconds: float) -> None:
    """All tables, and the verdict."""
    for table in (
        _recorded_and_billed(outcome),
        _not_billed(outcome),
        _invoices(outcome),
        _on_the_way(outcome),
        _checks(outcome),
        _restarts(restarted),
    ):
        console.print()
        console.print(table)
    console.print()
    _conclude(console, outcome.statement.complaints, restarted)
    console.print(f"Metered and audited in {seconds:.1f} s.")


def number(micros: int) -> str:
    """An exact amount, without trailing zeros."""
    return f"{units(micros):,f}"


def _table(title: str, *columns: str, numbers: Collection[int] = (), prose: int = -1) -> Table:
    """Columns by their headings; numbers stand to the right, and prose may take several lines."""
    table = Table(
        title=title,
        title_justify="left",
        title_style="bold",
        box=RULE,
        show_edge=False,
        pad_edge=False,
        padding=(0, 1, 0, 0),
    )
    for place, heading in enumerate(columns):
        table.add_column(
            heading,
            justify="right" if place in numbers else "left",
            no_wrap=place != prose,
            overflow="fold" if place == prose else "ellipsis",
        )
    return table


def _recorded_and_billed(outcome: Outcome) -> Table:
    table = _table(
        "Recorded and billed (carried: late usage, billed with a later hour)",
        *("", "recorded", "billed by AWS", "not billed", "carried", "to Dec"),
        numbers=range(1, 6),
    )
    products = outcome.statement.by("product")
    for (product,) in sorted(products, key=lambda key: NAMES[key[0]]):
        is_ok = products[product,].is_balanced
        table.add_row(Text(NAMES[product], style="bold" if is_ok else "bold red"))
        for (code, dimension), account in outcome.statement.by("product", "dimension").items():
            if code == product and account != Account():
                table.add_row(
                    f" {dimension or UNREADABLE}",
                    number(account["recorded"]),
                    number(account["billed"]),
                    *(number(n) if (n := account[kind]) else "-" for kind in NOT_ALWAYS),
                    style=None if account.is_balanced else "red",
                )
    return table


def _not_billed(outcome: Outcome) -> Table:
    columns = ("reason", "product", "dimension", "records", "quantity")
    table = _table("Not billed, and why", *columns, numbers=(3, 4))
    for (reason, product, dimension), (records, quantity) in listed_sums(outcome).items():
        table.add_row(
            reason,
            NAMES.get(product, product),
            dimension or UNREADABLE,
            f"{records:,}",
            UNREADABLE if quantity is None else number(quantity),
        )
    return table


def listed_sums(outcome: Outcome) -> dict[tuple[str, str, str], tuple[int, int | None]]:
    """How much is listed for each reason, product and dimension."""
    sums: dict[tuple[str, str, str], tuple[int, int | None]] = {}
    for each in outcome.statement.not_billed:
        key = (each.reason, each.meter.product, each.meter.dimension)
        records, micros = sums.get(key, (0, None))
        sums[key] = records + 1, micros if each.micros is None else (micros or 0) + each.micros
    return {key: sums[key] for key in sorted(sums)}


def _invoices(outcome: Outcome) -> Table:
    columns = ("product", "product code", "November", "December")
    table = _table("What AWS invoices", *columns, numbers=(2, 3))
    for product in sorted(PRODUCTS, key=lambda each: each.name):
        amounts = (f"${outcome.dollars[product.code, month]:,.2f}" for month in MONTHS)
        table.add_row(product.name, product.code, *amounts)
    return table


def _on_the_way(outcome: Outcome) -> Table:
    day, alarms, looked_up = outcome.day, outcome.alarms, outcome.day.auditor.marks
    billed, written_off = looked_up["resolved as billed"], looked_up["written off"]
    kinds = ", ".join(f"{kind} {len(each)} ({number(sum(each))})" for kind, each in alarms.items())
    table = _table("On the way", "what", "times", "of it", numbers=(1,), prose=2)
    for what, times, parts in (
        ("faults of AWS", day.injected.total(), _parts(day.injected)),
        ("crashes", day.crashes.total(), _parts(day.crashes)),
        (
            "requests",
            day.aws.requests,
            f"{outcome.requests_on_a_calm_day:,} at least on a calm day; "
            f"{day.line.retries_of_refused:,} hourly retries of refused usage, "
            f"{day.injected[AWS_IS_DOWN.what]:,} while AWS was down; the rest repeats lost "
            "requests and halves refused ones until the culprit stands alone",
        ),
        ("alarms", sum(map(len, alarms.values())), f"{kinds}; in brackets their quantity"),
        (
            "windows unresolved",
            billed + written_off,
            f"an answer was lost; by AWS's log {billed:,} were billed, {written_off:,} were not "
            "and are written off",
        ),
    ):
        table.add_row(what, f"{times:,}", parts)
    return table


def _parts(counts: Counter[str]) -> str:
    return ", ".join(f"{what} {count}" for what, count in counts.most_common()) or "-"


def _checks(outcome: Outcome) -> Table:
    statement = outcome.statement
    title = "The auditor's checks, to the last decimal"
    table = _table(title, "must hold", "over", "", numbers=(1,), prose=0)
    over = {"product": f"{len(statement.by('product'))}", "meter": f"{len(statement.meters)}"}
    for check in statement.checks:
        table.add_row(
            check.what,
            over.get(check.what.rpartition("per ")[2], ""),
            _verdict(not check.complaints),
        )
    return table


def _verdict(is_ok: bool) -> Text:
    return Text("ok", style="green") if is_ok else Text("WRONG", style="bold red")


def _restarts(restarted: Restarts) -> Table:
    table = _table(
        "Meanwhile, an application that records with UsageRecorder",
        *("orders", "kill -9", "recorded again", "used", "recorded", "billed", ""),
        numbers=range(6),
    )
    table.add_row(
        f"{restarted.orders:,}",
        f"{restarted.kills:,}",
        f"{restarted.repeated:,} or more",
        *map(number, (restarted.used, restarted.recorded, restarted.billed)),
        _verdict(restarted.is_exact),
    )
    return table


def _conclude(console: Console, complaints: list[str], restarted: Restarts) -> None:
    for complaint in complaints[:COMPLAINTS_SHOWN]:
        console.print(complaint, style="red", markup=False)
    if len(complaints) > COMPLAINTS_SHOWN:
        console.print(f"and {len(complaints) - COMPLAINTS_SHOWN:,} more", style="red")
    if complaints or not restarted.is_exact:
        console.print("The books do not balance.", style="bold red")
    else:
        console.print(
            Text("The books balance: ", style="bold green")
            + Text("every unit recorded is billed exactly once, or listed."),
        )


def suggest(console: Console, kept_at: str | None, outcome: Outcome) -> None:
    """What to try next."""
    asked = next(each for each in outcome.day.input if each.meter.dimension == UNKNOWN_DIMENSION)
    file = kept_at or "demo.db"
    store = f"--store sqlite:///{file}"
    console.print()
    console.print("Next:" if kept_at else f"Next, after metering demo --store {file}:")
    for command in ("status", f"why {asked.meter.account} {asked.created_ms}"):
        console.print(f"  metering {command} {store}", markup=False, soft_wrap=True)
    console.print("docs/demo.md explains what you saw.")
