"""`metering retry`, `resolve` and `write-off`: what a person does about listed windows."""

from __future__ import annotations

from collections.abc import Sequence

import click

from marketplace_metering.cli.options import Failure, json_option
from marketplace_metering.cli.render import print_json, say
from marketplace_metering.cli.selecting import filter_options
from marketplace_metering.cli.session import Session, with_session
from marketplace_metering.core.ledger import Entry
from marketplace_metering.core.views import EntryFilter
from marketplace_metering.jobs import correct


@click.command()
@filter_options
@json_option
@with_session
def retry(session: Session, which: EntryFilter, as_json: bool) -> None:
    """Try refused usage again, after its cause was fixed: the listing, the subscription.

    Parked windows are due at once; usage that was released or rejected becomes pending again.
    """
    _check_chosen(which)
    done = correct.retry(session.opened, which, session.clock.now())
    if as_json:
        print_json({"entries": done.entries, "usage_records": done.usage_records})
    else:
        say(
            f"{done.entries:,} parked windows are due at once, {done.usage_records:,} listed "
            "usage records are pending again: metering run"
        )


@click.command()
@filter_options
@click.option("--billed/--not-billed", required=True, help="What CloudTrail, or AWS, says.")
@click.option("--author", required=True, help="Who found it out.")
@click.option("--evidence", required=True, help="How, such as the CloudTrail event id.")
@with_session
def resolve(session: Session, which: EntryFilter, billed: bool, author: str, evidence: str) -> None:
    """Settle unresolved windows by what you found out; unbilled usage is pending again."""
    _check_chosen(which)
    finding = correct.Finding(billed, author, evidence)
    entries = correct.resolve(session.opened, which, finding, session.clock.now())
    _say_settled(entries, "no unresolved window matches: metering windows --state unresolved")


@click.command("write-off")
@filter_options
@click.option("--author", required=True, help="Who gives it up.")
@click.option("--why", required=True, help="The reason, for the books.")
@with_session
def write_off(session: Session, which: EntryFilter, author: str, why: str) -> None:
    """Give up parked or unresolved windows under your name: they are not sent again."""
    _check_chosen(which)
    entries = correct.write_off(session.opened, which, author, why, session.clock.now())
    _say_settled(entries, "no window matches that is parked and certainly unbilled, or unresolved")


def _check_chosen(which: EntryFilter) -> None:
    if which == EntryFilter():
        raise click.UsageError("choose with --product, --account, --dimension or --hour")


def _say_settled(entries: Sequence[Entry], nothing: str) -> None:
    if not entries:
        raise Failure(nothing)
    for entry in entries:
        meter = entry.window.meter
        say(
            f"{meter.product} {meter.account} {meter.dimension} {entry.window.hour}: quantity "
            f"{entry.quantity} is {entry.state}"
        )
