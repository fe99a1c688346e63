"""Which usage records and hours a command line names."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal

import click

from marketplace_metering.cli.session import Session
from marketplace_metering.core.hours import NS_PER_MS, UsageHour
from marketplace_metering.files.csv_rows import NUMBER
from marketplace_metering.ports import RecordView


def parse_hour(text: str) -> UsageHour:
    """The UTC hour that an option names."""
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise click.UsageError(f"--hour {text}: write it like 2026-11-30T13") from None
    return UsageHour.of(at if at.tzinfo else at.replace(tzinfo=UTC))


def find_records(
    here: Session, account: str, text: str, product: str | None, dimension: str | None
) -> Sequence[RecordView]:
    """The usage records of a buyer in a millisecond, or at an exact fraction of one."""
    if not NUMBER.fullmatch(text):
        raise click.UsageError(f"{text}: give create_timestamp in Unix milliseconds")
    from_ns = int(Decimal(text).scaleb(6))
    # A whole millisecond stands for everything recorded in it.
    length_ns = 1 if "." in text else NS_PER_MS
    views = here.reports.records_at(account, from_ns, from_ns + length_ns)
    return [
        view
        for view in views
        if product in (None, view.record.product) and dimension in (None, view.record.dimension)
    ]
