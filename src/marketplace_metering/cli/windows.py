"""`metering windows`: the ledger entries."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import click

from marketplace_metering.cli.options import json_option
from marketplace_metering.cli.render import PlainTable, out, print_json, say, table
from marketplace_metering.cli.selecting import filter_options
from marketplace_metering.cli.session import Session, with_session
from marketplace_metering.cli.why import entry_json
from marketplace_metering.core.ledger import State
from marketplace_metering.core.views import EntryFilter, EntryView

WINDOWS_SHOWN = 50


@click.command()
@filter_options
@click.option(
    "--state", help="sealed, parked, billed, presumed, released, unresolved, written off."
)
@click.option("--limit", type=int, default=WINDOWS_SHOWN, show_default=True, help="0 shows all.")
@json_option
@with_session
def windows(
    session: Session, which: EntryFilter, state: str | None, limit: int, as_json: bool
) -> None:
    """List ledger entries: each is one meter during one hour, as promised to AWS."""
    try:
        wanted = None if state is None else State(state)
    except ValueError:
        raise click.UsageError(f"--state {state}: use one of {', '.join(State)}") from None
    views = list(session.reports.entries(replace(which, state=wanted, limit=limit or None)))
    if as_json:
        print_json({"windows": [entry_json(view) for view in views]})
        return
    out.print(_table(views))
    if limit and len(views) == limit:
        say(f"the first {limit}; --limit 0 shows all")


def _table(views: Sequence[EntryView]) -> PlainTable:
    columns = ("hour, account", "product, dimension", "state", "deadline", "quantity")
    drawn = table("Windows", *columns, numbers=1)
    for view in views:
        entry = view.entry
        meter = entry.window.meter
        parts = [meter.product, meter.license_arn, meter.dimension]
        drawn.row(
            [f"{entry.window.hour.start:%Y-%m-%d %H:00}", meter.account],
            [part for part in parts if part],
            str(entry.state),
            f"{entry.deadline:%m-%d %H:%M}",
            str(entry.quantity),
        )
    return drawn
