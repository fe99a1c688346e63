"""Which entries, usage records and hours a command line names."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from functools import wraps
from typing import Any

import click

from marketplace_metering.core.event import second_of
from marketplace_metering.core.hours import NS_PER_MS, NS_PER_S, UsageHour
from marketplace_metering.core.views import EntryFilter, RecordView
from marketplace_metering.files.csv_rows import NUMBER
from marketplace_metering.ports import Reports

CHOOSING = ("product", "account", "dimension", "license_arn", "hour")


def _hour(_context: click.Context, _option: click.Parameter, text: str | None) -> UsageHour | None:
    if text is None:
        return None
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise click.UsageError(f"--hour {text}: write it like 2026-11-30T13") from None
    return UsageHour.of(at if at.tzinfo else at.replace(tzinfo=UTC))


hour_option = click.option(
    "--hour", metavar="TIME", callback=_hour, help="The UTC hour, such as 2026-11-30T13."
)


def filter_options(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the options that choose entries, and hand it the filter they make."""

    @click.option("--product", metavar="CODE")
    @click.option("--account", metavar="ID")
    @click.option("--dimension", metavar="NAME")
    @click.option("--license-arn", metavar="ARN")
    @hour_option
    @wraps(command)
    def run(
        **options: Any,  # noqa: ANN401 - click's values
    ) -> None:
        which = EntryFilter(**{name: options.pop(name) for name in CHOOSING})
        command(which=which, **options)

    return run


def find_records(
    reports: Reports, account: str, text: str, product: str | None, dimension: str | None
) -> Sequence[RecordView]:
    """The usage records of a buyer in a millisecond, or at an exact fraction of one.

    Where nothing is, the events of its second: their ids may have moved them within it.
    """
    if not NUMBER.fullmatch(text):
        raise click.UsageError(f"{text}: give create_timestamp in Unix milliseconds")
    from_ns = int(Decimal(text).scaleb(6))
    # A whole millisecond stands for everything recorded in it.
    length_ns = 1 if "." in text else NS_PER_MS
    views = reports.records_at(account, from_ns, from_ns + length_ns)
    if not views:
        second_ns = second_of(from_ns)
        views = [
            view
            for view in reports.records_at(account, second_ns, second_ns + NS_PER_S)
            if view.record.event_id is not None
        ]
    return [
        view
        for view in views
        if product in (None, view.record.product) and dimension in (None, view.record.dimension)
    ]
