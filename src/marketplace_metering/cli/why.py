"""`metering why`: what became of usage, in words and as JSON."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import click

from marketplace_metering.cli.options import Failure, json_option
from marketplace_metering.cli.render import iso, out, print_json, say, when
from marketplace_metering.cli.selecting import find_records, hour_option
from marketplace_metering.cli.session import Session, with_session
from marketplace_metering.core.exact_json import exact_json
from marketplace_metering.core.hours import UsageHour
from marketplace_metering.core.identity import Meter
from marketplace_metering.core.ledger import Entry, State
from marketplace_metering.core.record_item import timestamp_text
from marketplace_metering.core.views import EntryFilter, EntryView, RecordView
from marketplace_metering.ports import Reports

MEANING = {
    State.SEALED: "promised to AWS, not answered yet",
    State.PARKED: "refused by AWS for now; tried again every hour until its deadline",
    State.BILLED: "AWS accepted it",
    State.PRESUMED: "AWS accepted an earlier attempt of ours, whose answer was lost",
    State.RELEASED: "given back: AWS certainly does not have it",
    State.UNRESOLVED: "AWS may have billed it; a person must find out",
    State.WRITTEN_OFF: "given up by a person, by name",
}


@click.command()
@click.argument("account")
@click.argument("create_timestamp", required=False)
@click.option("--product", metavar="CODE", help="With --dimension and --hour: one window.")
@click.option("--dimension", metavar="NAME")
@click.option("--license-arn", metavar="ARN")
@hour_option
@json_option
@with_session
def why(
    session: Session,
    account: str,
    create_timestamp: str | None,
    product: str | None,
    dimension: str | None,
    license_arn: str | None,
    hour: UsageHour | None,
    as_json: bool,
) -> None:
    """Explain what became of usage: its window, what was sent, and AWS's answer.

    Name a usage record by ACCOUNT and CREATE_TIMESTAMP (Unix milliseconds), or a window by ACCOUNT
    with --product, --dimension and --hour.
    """
    if create_timestamp is not None:
        views = find_records(session.reports, account, create_timestamp, product, dimension)
        if not views:
            raise Failure(
                f"no usage record of {account} at {create_timestamp}: metering windows "
                f"--account {account} lists what is sealed, metering status what is refused, or "
                "was sealed and is not there any more"
            )
        _show_records(session.reports, views, as_json)
    elif product and dimension and hour is not None:
        meter = Meter(product, account, dimension, license_arn)
        if not _show_window(session.reports, meter, hour, as_json):
            raise Failure(f"no usage of {product} {account} {dimension} in that hour")
    else:
        raise click.UsageError(
            "name a usage record by CREATE_TIMESTAMP, or a window by --product, --dimension "
            "and --hour"
        )


def _show_records(reports: Reports, views: Sequence[RecordView], as_json: bool) -> None:
    if as_json:
        print_json({"usage_records": [_record_json(reports, view) for view in views]})
        return
    for view in views:
        record = view.record
        say(f"usage record {timestamp_text(record.created_ns)}", style="bold")
        _field("product", record.product)
        _field("licence", record.license_arn)
        _field("account", record.account)
        _field("dimension", record.dimension)
        _field("quantity", str(record.quantity))
        _field("used", f"in the hour {record.hour}")
        _field("tags", ", ".join(f"{key}={value}" for key, value in record.tags) or None)
        _field("event id", record.event_id)
        _field("recorded", f"from {view.source}")
        _field("your own", exact_json(record.extras) if record.extras else None)
        if view.failure is not None:
            _field("listed", f"not billed: {view.failure}")
        elif view.entry is None:
            _field("pending", "no entry covers it yet: metering seal")
        for entry_view in (view.entry, view.released_from):
            if entry_view is not None:
                _show_entry(reports, entry_view)
        out.print()


def _show_window(reports: Reports, meter: Meter, hour: UsageHour, as_json: bool) -> bool:
    """Show a window, its entries and what waits for it; False if there is nothing."""
    which = EntryFilter(
        product=meter.product,
        account=meter.account,
        dimension=meter.dimension,
        license_arn=meter.license_arn or "",
        hour=hour,
    )
    views = list(reports.entries(which))
    waiting = reports.waiting(meter, hour)
    if as_json:
        print_json(
            {
                "entries": [entry_json(view, reports) for view in views],
                "not_covered": [_record_json(reports, view) for view in waiting],
            }
        )
    else:
        for view in views:
            _show_entry(reports, view)
        if waiting:
            say(f"{len(waiting):,} usage records of this hour are in no entry:")
            _show_records(reports, waiting, as_json=False)
    return bool(views or waiting)


def _field(what: str, text: str | None) -> None:
    if text is not None:
        say(f"  {what:<10} {text}")


def _show_entry(reports: Reports, view: EntryView) -> None:
    entry = view.entry
    meter = entry.window.meter
    name = f"{meter.product} {meter.account} {meter.dimension} {entry.window.hour}"
    say(f"window {name}", style="bold")
    _field("state", f"{entry.state}: {MEANING[entry.state]}")
    _field("reason", entry.reason)
    _field("licence", meter.license_arn)
    _field("quantity", f"{entry.quantity} from {entry.record_count:,} usage records")
    for line in entry.lines:
        carried = "" if line.hour == entry.window.hour else ", carried"
        _field("", f"{line.quantity} of the hour {line.hour}{carried}")
    for tags, quantity in entry.allocations:
        words = ", ".join(f"{key}={value}" for key, value in tags) or "untagged"
        _field("", f"{quantity} for {words}")
    _field("time stamp", when(entry.stamp))
    _field("sealed", when(view.sealed_at))
    _field("deadline", when(entry.deadline))
    _field("AWS id", entry.metering_record_id)
    attempts = reports.attempts(entry.key)
    for attempt in attempts:
        words = f" ({attempt.words})" if attempt.words else ""
        _field(
            "attempt",
            f"{attempt.number} at {when(attempt.begun_at)}: "
            f"{attempt.answer or 'no answer was stored'}{words}",
        )
    if not attempts:
        _field("attempt", "none yet: metering submit")
    if not entry.state.is_settled and attempts:
        _field("next try", when(entry.retry_at))


def _record_json(reports: Reports, view: RecordView) -> dict[str, Any]:
    record = view.record
    return {
        "customerAWSAccountId": record.account,
        "productCode": record.product,
        "licenseArn": record.license_arn,
        "dimension": record.dimension,
        "create_timestamp": timestamp_text(record.created_ns),
        "quantity": str(record.quantity),
        "tags": dict(record.tags),
        "event_id": record.event_id,
        "source": view.source,
        "metering_pending": view.metering_pending,
        "metering_failed": view.metering_failed,
        "not_billed_because": view.failure,
        "entry": None if view.entry is None else entry_json(view.entry, reports),
        "released_from": (
            None if view.released_from is None else entry_json(view.released_from, reports)
        ),
    }


def entry_json(view: EntryView, reports: Reports | None = None) -> dict[str, Any]:
    """An entry, with its attempts if there are reports to read them from."""
    entry = view.entry
    meter = entry.window.meter
    value: dict[str, Any] = {
        "product": meter.product,
        "licenseArn": meter.license_arn,
        "account": meter.account,
        "dimension": meter.dimension,
        "hour": str(entry.window.hour),
        "state": str(entry.state),
        "reason": entry.reason,
        "quantity": str(entry.quantity),
        "usage_records": entry.record_count,
        "timestamp": iso(entry.stamp),
        "deadline": iso(entry.deadline),
        "sealed_at": iso(view.sealed_at),
        "lines": _lines_json(entry),
        "allocations": [
            {"tags": dict(tags), "quantity": str(quantity)} for tags, quantity in entry.allocations
        ],
        "attempts_begun": entry.begun,
        "attempts_refused": entry.refused,
        "metering_record_id": entry.metering_record_id,
    }
    if reports is not None:
        value["attempts"] = [
            {
                "number": attempt.number,
                "begun_at": iso(attempt.begun_at),
                "answered_at": iso(attempt.answered_at),
                "answer": attempt.answer,
                "words": attempt.words,
            }
            for attempt in reports.attempts(entry.key)
        ]
    return value


def _lines_json(entry: Entry) -> list[dict[str, Any]]:
    return [
        {
            "hour": str(line.hour),
            "quantity": str(line.quantity),
            "usage_records": line.record_count,
            "carried": line.hour != entry.window.hour,
        }
        for line in entry.lines
    ]
