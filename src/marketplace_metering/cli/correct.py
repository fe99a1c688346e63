"""`metering retry`, `repair`, `resolve` and `write-off`: what a person does about listed usage."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

import click

from marketplace_metering.cli.options import Failure, json_option, store_options

if TYPE_CHECKING:
    from marketplace_metering.core.ledger import Entry
    from marketplace_metering.core.record import UsageRecord
    from marketplace_metering.ports import EntryFilter, RecordView

Command = TypeVar("Command", bound=Callable[..., Any])

REPAIRABLE = ("productCode", "dimension", "quantity", "licenseArn", "customerAWSAccountId")


def which_options(command: Command) -> Command:
    """Options that choose entries."""
    for option in (
        click.option("--hour", metavar="TIME", help="The UTC hour, such as 2026-11-30T13."),
        click.option("--license-arn", metavar="ARN"),
        click.option("--dimension", metavar="NAME"),
        click.option("--account", metavar="ID"),
        click.option("--product", metavar="CODE"),
    ):
        command = option(command)
    return command


def _which(
    product: str | None,
    account: str | None,
    dimension: str | None,
    license_arn: str | None,
    hour: str | None,
) -> EntryFilter:
    from marketplace_metering.cli.selecting import parse_hour
    from marketplace_metering.ports import EntryFilter

    which = EntryFilter(
        product=product,
        account=account,
        dimension=dimension,
        license_arn=license_arn,
        hour=None if hour is None else parse_hour(hour),
    )
    if which == EntryFilter():
        raise click.UsageError("choose with --product, --account, --dimension or --hour")
    return which


@click.command()
@which_options
@json_option
@store_options
def retry(as_json: bool, store: str | None, config: str | None, **which: str | None) -> None:
    """Try refused usage again, after its cause was mended: the listing, the subscription.

    Parked windows are due at once; usage that was released or rejected becomes pending again.
    """
    from marketplace_metering.cli.render import out, print_json
    from marketplace_metering.cli.session import session
    from marketplace_metering.jobs import correct

    chosen = _which(**which)
    with session(config, store) as here:
        done = correct.retry(here.opened, chosen, here.clock.now())
    if as_json:
        print_json({"entries": done.entries, "usage_records": done.usage_records})
    else:
        out.print(
            f"{done.entries:,} parked windows are due at once, {done.usage_records:,} listed "
            "usage records are pending again: metering run",
            soft_wrap=True,
        )


@click.command()
@click.argument("account")
@click.argument("create_timestamp")
@click.option("--product", metavar="CODE", help="Which, if several lie in that millisecond.")
@click.option("--dimension", metavar="NAME", help="Which, if several lie in that millisecond.")
@click.option(
    "--set",
    "changes",
    metavar="ATTRIBUTE=VALUE",
    multiple=True,
    required=True,
    help=f"What to correct: {', '.join(REPAIRABLE)}. May be repeated.",
)
@store_options
def repair(
    account: str,
    create_timestamp: str,
    product: str | None,
    dimension: str | None,
    changes: tuple[str, ...],
    store: str | None,
    config: str | None,
) -> None:
    """Correct a refused usage record in place, such as a misspelt dimension.

    Only what AWS has certainly not billed can be corrected.
    """
    from marketplace_metering.cli.render import out
    from marketplace_metering.cli.selecting import find_records
    from marketplace_metering.cli.session import session
    from marketplace_metering.jobs import correct

    with session(config, store) as here:
        views = find_records(here, account, create_timestamp, product, dimension)
        if len(views) != 1:
            raise Failure(
                f"{len(views)} usage records of {account} at {create_timestamp}: choose one with "
                "its exact create_timestamp, --product or --dimension (metering why shows them)"
            )
        now = here.clock.now()
        corrected = _corrected(views[0], changes, now)
        outcome = correct.repair(here.opened, views[0], corrected, now)
        if isinstance(outcome, correct.NotRepairable):
            raise Failure(outcome.reason)
    out.print("corrected and pending again: metering run")


def _corrected(view: RecordView, changes: Sequence[str], now: Any) -> UsageRecord:  # noqa: ANN401 - datetime is imported late
    from decimal import Decimal

    from marketplace_metering.core.record import UsageRecord
    from marketplace_metering.core.record_rules import read_record
    from marketplace_metering.files.csv_rows import NUMBER

    record = view.record
    item: dict[str, object] = {
        **record.extras,
        "customerAWSAccountId": record.account,
        "productCode": record.product,
        "create_timestamp": Decimal(record.created_ns).scaleb(-6),
        "dimension": record.dimension,
        "quantity": Decimal(record.micros).scaleb(-6),
        "metering_pending": "true",
        "licenseArn": record.license_arn,
        "tags": dict(record.tags) or None,
        "event_id": record.event_id,
    }
    for change in changes:
        name, equals, value = change.partition("=")
        if not equals or name not in REPAIRABLE:
            raise click.UsageError(f"--set {change}: use one of {', '.join(REPAIRABLE)} = value")
        is_number = name == "quantity" and NUMBER.fullmatch(value)
        item[name] = Decimal(value) if is_number else value or None
    corrected = read_record(item, now)
    if not isinstance(corrected, UsageRecord):
        raise Failure("; ".join(str(problem) for problem in corrected))
    return corrected


@click.command()
@which_options
@click.option("--billed/--not-billed", required=True, help="What CloudTrail, or AWS, says.")
@click.option("--author", required=True, help="Who found it out.")
@click.option("--evidence", required=True, help="How, such as the CloudTrail event id.")
@store_options
def resolve(
    billed: bool,
    author: str,
    evidence: str,
    store: str | None,
    config: str | None,
    **which: str | None,
) -> None:
    """Settle unresolved windows by what you found out; not billed usage is pending again."""
    from marketplace_metering.cli.session import session
    from marketplace_metering.jobs import correct

    chosen = _which(**which)
    with session(config, store) as here:
        finding = correct.Finding(billed, author, evidence)
        entries = correct.resolve(here.opened, chosen, finding, here.clock.now())
    _say(entries, "no unresolved window matches: metering windows --state unresolved")


@click.command("write-off")
@which_options
@click.option("--author", required=True, help="Who gives it up.")
@click.option("--why", required=True, help="The reason, for the books.")
@store_options
def write_off(
    author: str, why: str, store: str | None, config: str | None, **which: str | None
) -> None:
    """Give up parked or unresolved windows, by name: they are never sent again."""
    from marketplace_metering.cli.session import session
    from marketplace_metering.jobs import correct

    chosen = _which(**which)
    with session(config, store) as here:
        now = here.clock.now()
        entries = correct.write_off(here.opened, chosen, author, why, now)
    _say(entries, "no window matches that is parked and certainly unbilled, or unresolved")


def _say(entries: Sequence[Entry], nothing: str) -> None:
    from marketplace_metering.cli.render import out

    if not entries:
        raise Failure(nothing)
    for entry in entries:
        meter = entry.window.meter
        out.print(
            f"{meter.product} {meter.account} {meter.dimension} {entry.window.hour}: quantity "
            f"{entry.quantity} is {entry.state}",
            soft_wrap=True,
        )
