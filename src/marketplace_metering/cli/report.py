"""`metering status`, `windows` and `why`: what the books say."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import click

from marketplace_metering.cli.options import ATTENTION, FAILED, Failure, json_option, store_options

if TYPE_CHECKING:
    from collections.abc import Sequence

    from marketplace_metering.cli.session import Session
    from marketplace_metering.core.balance import Balance
    from marketplace_metering.ports import EntryView

PARTS = (
    "recorded",
    "billed",
    "presumed",
    "sealed",
    "parked",
    "unresolved",
    "listed",
    "pending",
)
WINDOWS_SHOWN = 50
NOT_READABLE = "(not readable)"  # refused input that names no product


@click.command()
@click.option("--refused", is_flag=True, help="List the input that is kept as refused, too.")
@click.option("--check", is_flag=True, help="Exit with 3 if anything needs a person.")
@json_option
@store_options
def status(
    refused: bool, check: bool, as_json: bool, store: str | None, config: str | None
) -> None:
    """Show the books of each product: recorded = billed + presumed + sealed + parked + unresolved
    + listed + pending. Exits with 1 if that does not hold."""
    from marketplace_metering.cli.render import print_json
    from marketplace_metering.cli.session import session

    with session(config, store) as here:
        balances = here.reports.balances()
        if as_json:
            print_json(_status_json(here, balances, refused))
        else:
            _show_status(here, balances, refused)
    if not all(balance.is_balanced for balance in balances):
        sys.exit(FAILED)
    if check and any(_needs_attention(balance) for balance in balances):
        sys.exit(ATTENTION)


def _needs_attention(balance: Balance) -> bool:
    parts = (balance.parked, balance.unresolved, balance.listed)
    return any(part.records for part in parts) or bool(balance.unreadable_inputs)


def _status_json(here: Session, balances: Sequence[Balance], refused: bool) -> dict[str, Any]:
    from marketplace_metering.cli.render import iso

    value: dict[str, Any] = {
        "store": here.settings.store,
        "balanced": all(balance.is_balanced for balance in balances),
        "oldest_pending_at": iso(here.reports.oldest_pending_at()),
        "products": [_balance_json(balance) for balance in balances],
    }
    if refused:
        value["refused_input"] = [
            {
                "place": kept.source,
                "input": kept.text,
                "problems": [str(problem) for problem in kept.problems],
            }
            for kept in here.reports.refused_inputs()
        ]
    return value


def _balance_json(balance: Balance) -> dict[str, Any]:
    value: dict[str, Any] = {"product": balance.product, "balanced": balance.is_balanced}
    for part in (*PARTS, "refused", "written_off", "refused_input"):
        quantity, records = getattr(balance, part)
        value[part] = {"quantity": str(quantity), "usage_records": records}
    value["carried"] = str(balance.carried)
    value["unreadable_inputs"] = balance.unreadable_inputs
    return value


def _show_status(here: Session, balances: Sequence[Balance], refused: bool) -> None:
    from marketplace_metering.cli.render import out, table, when

    shown = [
        part
        for part in PARTS
        if part in ("recorded", "billed", "pending")
        or any(getattr(balance, part).records for balance in balances)
    ]
    drawn = table(f"Books of {here.settings.store}", "product", *shown, numbers=len(shown))
    for balance in balances:
        cells = [str(getattr(balance, part).quantity) for part in shown]
        drawn.add_row(balance.product or NOT_READABLE, *cells)
    out.print(drawn)
    if not balances:
        out.print("nothing is recorded yet: metering record --help")
        return
    unbalanced = [balance for balance in balances if not balance.is_balanced]
    if unbalanced:
        for balance in unbalanced:
            out.print(
                f"[red]{balance.product}: recorded {balance.recorded.quantity} but accounted for "
                f"{balance.accounted}[/]; please report this",
                soft_wrap=True,
            )
    else:
        out.print(
            "balanced: recorded = " + " + ".join(part for part in shown if part != "recorded")
        )
    out.print(f"oldest pending usage: {when(here.reports.oldest_pending_at())}")
    for balance in balances:
        _show_listed(balance)
    if refused:
        for kept in here.reports.refused_inputs():
            for problem in kept.problems:
                out.print(f"[yellow]{kept.source}[/]:", end=" ")
                out.print(str(problem), markup=False, soft_wrap=True)


def _show_listed(balance: Balance) -> None:
    from marketplace_metering.cli.render import out

    reasons = (
        (balance.parked, "parked: refused by AWS, tried again until the deadline"),
        (balance.unresolved, "unresolved: AWS may have billed it"),
        (balance.refused, "not billed: AWS refused it, or it came too late"),
        (balance.written_off, "written off"),
        (balance.refused_input, "refused input"),
    )
    name = balance.product or NOT_READABLE
    for (quantity, records), why in reasons:
        if records:
            text = f"{name}: quantity {quantity} in {records:,} usage records {why}"
            out.print(text, markup=False, soft_wrap=True)
    if balance.unreadable_inputs:
        text = f"{name}: {balance.unreadable_inputs:,} refused inputs without a readable quantity"
        out.print(f"{text}: metering status --refused", markup=False, soft_wrap=True)


@click.command()
@click.option("--product", metavar="CODE")
@click.option("--account", metavar="ID")
@click.option("--dimension", metavar="NAME")
@click.option("--license-arn", metavar="ARN")
@click.option("--hour", metavar="TIME", help="The UTC hour, such as 2026-11-30T13.")
@click.option(
    "--state", help="sealed, parked, billed, presumed, released, unresolved, written off."
)
@click.option("--limit", type=int, default=WINDOWS_SHOWN, show_default=True, help="0 shows all.")
@json_option
@store_options
def windows(
    hour: str | None,
    state: str | None,
    limit: int,
    as_json: bool,
    store: str | None,
    config: str | None,
    **names: str | None,
) -> None:
    """List ledger entries: each is one meter during one hour, as promised to AWS."""
    from marketplace_metering.cli.render import out, print_json, table
    from marketplace_metering.cli.selecting import parse_hour
    from marketplace_metering.cli.session import session
    from marketplace_metering.core.ledger import State
    from marketplace_metering.ports import EntryFilter

    try:
        wanted = None if state is None else State(state)
    except ValueError:
        raise click.UsageError(f"--state {state}: use one of {', '.join(State)}") from None
    which = EntryFilter(
        hour=None if hour is None else parse_hour(hour),
        state=wanted,
        limit=limit or None,
        **names,
    )
    with session(config, store) as here:
        views = list(here.reports.entries(which))
        if as_json:
            print_json({"windows": [_entry_json(view) for view in views]})
            return
        columns = ("hour, account", "product, dimension", "state", "deadline", "quantity")
        drawn = table("Windows", *columns, numbers=1)
        for view in views:
            entry = view.entry
            meter = entry.window.meter
            parts = [meter.product, meter.license_arn, meter.dimension]
            drawn.add_row(
                f"{entry.window.hour.start:%Y-%m-%d %H:00}\n{meter.account}",
                "\n".join(part for part in parts if part),
                str(entry.state),
                f"{entry.deadline:%m-%d %H:%M}",
                str(entry.quantity),
            )
        out.print(drawn)
        if limit and len(views) == limit:
            out.print(f"the first {limit}; --limit 0 shows all")


@click.command()
@click.argument("account")
@click.argument("create_timestamp", required=False)
@click.option("--product", metavar="CODE", help="With --dimension and --hour: one window.")
@click.option("--dimension", metavar="NAME")
@click.option("--license-arn", metavar="ARN")
@click.option("--hour", metavar="TIME", help="The UTC hour, such as 2026-11-30T13.")
@json_option
@store_options
def why(
    account: str,
    create_timestamp: str | None,
    product: str | None,
    dimension: str | None,
    license_arn: str | None,
    hour: str | None,
    as_json: bool,
    store: str | None,
    config: str | None,
) -> None:
    """Explain what became of usage: the window it went into, what was sent, and AWS's answer.

    Name a usage record by ACCOUNT and CREATE_TIMESTAMP (Unix milliseconds), or a window by ACCOUNT
    with --product, --dimension and --hour.
    """
    from marketplace_metering.cli.selecting import find_records, parse_hour
    from marketplace_metering.cli.session import session
    from marketplace_metering.cli.why import show_records, show_window
    from marketplace_metering.core.identity import Meter

    with session(config, store) as here:
        if create_timestamp is not None:
            views = find_records(here, account, create_timestamp, product, dimension)
            if not views:
                raise Failure(
                    f"no usage record of {account} at {create_timestamp}: metering windows "
                    f"--account {account} lists what is sealed, metering status what is refused"
                )
            show_records(here.reports, views, as_json)
        elif product and dimension and hour:
            meter = Meter(product, account, dimension, license_arn)
            if not show_window(here.reports, meter, parse_hour(hour), as_json):
                raise Failure(f"no usage of {product} {account} {dimension} in that hour")
        else:
            raise click.UsageError(
                "name a usage record by CREATE_TIMESTAMP, or a window by --product, --dimension "
                "and --hour"
            )


def _entry_json(view: EntryView) -> dict[str, Any]:
    from marketplace_metering.cli.why import entry_json

    return entry_json(view)
