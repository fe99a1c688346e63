"""`metering repair`: a refused usage record, corrected in place."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal

import click

from marketplace_metering.cli.options import Failure
from marketplace_metering.cli.render import say
from marketplace_metering.cli.selecting import find_records
from marketplace_metering.cli.session import Session, with_session
from marketplace_metering.core.record import UsageRecord
from marketplace_metering.core.record_item import item_of
from marketplace_metering.core.record_rules import read_record
from marketplace_metering.files.csv_rows import NUMBER
from marketplace_metering.jobs import correct

REPAIRABLE = ("productCode", "dimension", "quantity", "licenseArn", "customerAWSAccountId")


@click.command()
@click.argument("account")
@click.argument("create_timestamp")
@click.option("--product", metavar="CODE", help="Which one, if several have that millisecond.")
@click.option("--dimension", metavar="NAME", help="Which one, if several have that millisecond.")
@click.option(
    "--set",
    "changes",
    metavar="ATTRIBUTE=VALUE",
    multiple=True,
    required=True,
    help=f"What to correct: {', '.join(REPAIRABLE)}. May be repeated.",
)
@with_session
def repair(
    session: Session,
    account: str,
    create_timestamp: str,
    product: str | None,
    dimension: str | None,
    changes: tuple[str, ...],
) -> None:
    """Correct a refused usage record in place, such as a misspelt dimension.

    Only what AWS has certainly not billed can be corrected.
    """
    views = find_records(session.reports, account, create_timestamp, product, dimension)
    if len(views) != 1:
        raise Failure(
            f"{len(views)} usage records of {account} at {create_timestamp}: choose one with "
            "its exact create_timestamp, --product or --dimension (metering why shows them)"
        )
    now = session.clock.now()
    corrected = _corrected(views[0].record, changes, now)
    outcome = correct.repair(session.opened, views[0], corrected, now)
    if isinstance(outcome, correct.NotRepairable):
        raise Failure(outcome.reason)
    say("corrected and pending again: metering run")


def _corrected(record: UsageRecord, changes: Sequence[str], now: datetime) -> UsageRecord:
    item: dict[str, object] = {**record.extras, **item_of(record)}
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
