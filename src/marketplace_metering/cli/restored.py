"""`metering restored`: a person says what a store is that may be a copy."""

from __future__ import annotations

from datetime import UTC, datetime

import click

from marketplace_metering.cli.options import Failure
from marketplace_metering.cli.render import say
from marketplace_metering.cli.session import Session, with_session
from marketplace_metering.core.copies import Standing
from marketplace_metering.jobs import restored as restoring
from marketplace_metering.jobs.restored import NotRestorableError, RestoreReport

GONE_SHOWN = 50


def _time(_context: click.Context, _option: click.Parameter, text: str | None) -> datetime | None:
    if text is None:
        return None
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise click.UsageError(f"--at {text}: write it like 2026-11-30T02:00Z") from None
    return at if at.tzinfo else at.replace(tzinfo=UTC)


@click.command()
@click.option(
    "--at",
    "copied_at",
    metavar="TIME",
    callback=_time,
    help="Of when the copy is (UTC), such as 2026-11-30T02:00Z; of two tables, the earlier one.",
)
@click.option(
    "--even-if-level",
    is_flag=True,
    help="Hold it although the mark shows no restore: the mark was restored with the store.",
)
@click.option(
    "--not-a-copy",
    is_flag=True,
    help="The store was only moved, or has lost its mark, and nothing was sent from elsewhere.",
)
@with_session
def restored(
    session: Session, copied_at: datetime | None, even_if_level: bool, not_a_copy: bool
) -> None:
    """Say of when a restored store is: what may be billed since is held.

    All that was pending, unsettled or listed in the copy is unresolved afterwards: nothing of it is
    sent until you settle it by name (metering resolve, metering write-off). Usage recorded after
    the last sending of the lost store is metered as usual. Stop all that meters from the store
    first.
    """
    if not_a_copy == (copied_at is not None):
        raise click.UsageError("say either --at TIME or --not-a-copy")
    try:
        if copied_at is None:
            _say_moved(restoring.not_a_copy(session.opened, session.clock))
            return
        if copied_at > session.clock.now():
            raise click.UsageError(f"--at {copied_at:%Y-%m-%dT%H:%M:%SZ} lies in the future")
        policy = session.settings.policy
        report = restoring.restored(session.opened, session.clock, policy, copied_at, even_if_level)
    except NotRestorableError as error:
        raise Failure(str(error)) from error
    _say_restored(report)


def _say_moved(stood: Standing) -> None:
    if stood in (Standing.LEVEL, Standing.NEW):
        say("nothing to do: the store is level with its mark")
    else:
        say("the store has a mark of its own again: metering run")


def _say_restored(report: RestoreReport) -> None:
    windows = ", ".join(f"{count:,} {what}" for what, count in sorted(report.windows.items()))
    if windows:
        say(
            f"held as unresolved: quantity {report.quantity} of {report.records:,} usage records, "
            f"in {report.windows.total():,} windows ({windows} in the copy)"
        )
        say(
            f"usage was sent until {report.until:%Y-%m-%d %H:%M:%S}Z: look for these windows in "
            "CloudTrail (metering windows --state unresolved), then metering resolve"
        )
        say(
            "usage that was recorded after the copy was made is not in it. Record again only what "
            "CloudTrail does not show, and look there before you correct malformed input"
        )
    elif report.stood is Standing.LEVEL:
        say(
            "nothing had to be held: the ledger is level with its mark, so it knows all that was "
            "sent. If ledger and mark were restored together, say --even-if-level"
        )
    else:
        say("nothing had to be held: nothing was pending, unsettled or listed")
    for gone in report.gone[:GONE_SHOWN]:
        entry = gone.entry.entry
        meter = entry.window.meter
        say(
            f"recorded no more: quantity {gone.quantity} in {gone.records:,} usage records of "
            f"{meter.product} {meter.account} {meter.dimension} {entry.window.hour}, {entry.state}"
        )
    if report.gone:
        say(
            f"recorded no more in all: quantity {report.gone_quantity}, in {len(report.gone):,} "
            "windows. The ledger has it, and nothing of it is sent again"
        )
