"""`metering record`: usage from options, files or standard input."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, BinaryIO

import click

from marketplace_metering.cli.options import ATTENTION, Failure, json_option, store_options

if TYPE_CHECKING:
    from marketplace_metering.cli.session import Session
    from marketplace_metering.files.json_lines import Piece
    from marketplace_metering.jobs.record import RecordReport

REFUSALS_SHOWN_MAX = 20


@click.command()
@click.argument("files", nargs=-1, metavar="[FILE]...")
@click.option(
    "--format",
    "form",
    type=click.Choice(["json", "csv"]),
    help="Of the files; told by the ending .csv if not given.",
)
@click.option("--account", metavar="ID", help="The buyer's AWS account, 12 digits.")
@click.option("--product", metavar="CODE", help="The product code.")
@click.option("--dimension", metavar="NAME", help="The pricing dimension, as in the listing.")
@click.option("--quantity", metavar="NUMBER", help="How much was used.")
@click.option(
    "--at", metavar="TIME", help="When, as ISO 8601 or Unix milliseconds; now if not given."
)
@click.option("--license-arn", metavar="ARN", help="The licence, if the product is metered so.")
@click.option("--tag", "tags", metavar="KEY=VALUE", multiple=True, help="A tag; may be repeated.")
@click.option("--event-id", metavar="ID", help="Counts once, however often it is recorded.")
@json_option
@store_options
def record(
    files: tuple[str, ...],
    form: str | None,
    as_json: bool,
    store: str | None,
    config: str | None,
    **options: Any,  # noqa: ANN401 - click's values
) -> None:
    """Record usage: one record from options, or JSON Lines, JSON or CSV files in the guide's
    format. `-` or no FILE at all reads standard input.

    What is no usage record is reported by line, kept, and never metered. Recording the same file
    again adds only what is not there yet.
    """
    from marketplace_metering.cli.session import session
    from marketplace_metering.jobs.record import RecordReport
    from marketplace_metering.jobs.record import record as record_input

    single = {name: value for name, value in options.items() if value not in (None, ())}
    if single and files:
        raise click.UsageError("give either FILEs or the options of one usage record, not both")
    if not single and not files and sys.stdin.isatty():
        raise click.UsageError(
            "nothing to record: give a FILE, pipe usage records in, or name one with "
            "--account, --product, --dimension and --quantity"
        )
    report = RecordReport()
    with session(config, store) as here:
        if single:
            report = record_input(here.store, here.clock, "command line", [_piece(single)])
        else:
            for name in files or ("-",):
                with _open(name) as file:
                    report = report.plus(_record_file(here, name, file, form, quiet=as_json))
        _show(report, here.settings.store, as_json)
    if report.refused:
        sys.exit(ATTENTION)


def _record_file(
    here: Session,
    name: str,
    file: BinaryIO,
    form: str | None,
    quiet: bool,
) -> RecordReport:
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    from marketplace_metering.cli.render import errors
    from marketplace_metering.jobs.record import record as record_input

    source = "standard input" if name == "-" else name
    is_shown = errors.is_terminal and not quiet
    bar = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.fields[records]:,} records"),
        TimeElapsedColumn(),
        console=errors,
        disable=not is_shown,
        transient=True,
    )
    with bar:
        size = None if name == "-" else os.fstat(file.fileno()).st_size
        task = bar.add_task(source, total=size, records=0)

        def on_progress(so_far: RecordReport) -> None:
            position = None if name == "-" else min(counted.count, size or 0)
            bar.update(task, completed=position, records=so_far.read)

        counted = _Counted(file)
        pieces = _pieces(counted.lines(), form or ("csv" if name.lower().endswith(".csv") else ""))
        return record_input(here.store, here.clock, source, pieces, on_progress)


class _Counted:
    """Lines of a file as text, and how many bytes they were."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.count = 0

    def lines(self) -> Iterator[str]:
        for line in self._file:
            self.count += len(line)
            # What is not UTF-8 comes out as lone surrogates, which the readers refuse by line.
            yield line.decode("utf-8", "surrogateescape")


def _pieces(lines: Iterator[str], form: str) -> Iterator[Piece]:
    from marketplace_metering.files.csv_rows import read_csv
    from marketplace_metering.files.json_lines import read_json

    return read_csv(lines) if form == "csv" else read_json(lines)


def _open(name: str) -> BinaryIO:
    if name == "-":
        return sys.stdin.buffer
    try:
        return open(name, "rb")
    except OSError as error:
        raise Failure(f"cannot read {name}: {error.strerror}") from error


def _piece(options: dict[str, Any]) -> Piece:
    import json
    import time
    from decimal import Decimal, InvalidOperation

    from marketplace_metering.files.json_lines import Piece

    item: dict[str, object] = {"metering_pending": "true"}
    for name, attribute in (
        ("account", "customerAWSAccountId"),
        ("product", "productCode"),
        ("dimension", "dimension"),
        ("license_arn", "licenseArn"),
        ("event_id", "event_id"),
    ):
        if name in options:
            item[attribute] = options[name]
    if "quantity" in options:
        try:
            item["quantity"] = Decimal(options["quantity"])
        except InvalidOperation:
            item["quantity"] = options["quantity"]
    if "tags" in options:
        item["tags"] = dict(_tag(text) for text in options["tags"])
    # Nanoseconds, so that two commands in the same millisecond are two uses.
    item["create_timestamp"] = (
        _milliseconds(options["at"]) if "at" in options else Decimal(time.time_ns()).scaleb(-6)
    )
    text = json.dumps({name: str(value) for name, value in item.items()})
    return Piece("options", text, item)


def _tag(text: str) -> tuple[str, str]:
    key, equals, value = text.partition("=")
    if not equals:
        raise click.UsageError(f"--tag {text}: write it as KEY=VALUE")
    return key, value


def _milliseconds(text: str) -> object:
    from datetime import UTC, datetime
    from decimal import Decimal, InvalidOperation

    from marketplace_metering.core.hours import epoch_ns

    try:
        return Decimal(text)
    except InvalidOperation:
        pass
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise click.UsageError(
            f"--at {text}: write it like 2026-11-30T13:05:00Z, or as Unix milliseconds"
        ) from None
    return Decimal(epoch_ns(at if at.tzinfo else at.replace(tzinfo=UTC))).scaleb(-6)


def _show(report: RecordReport, store: str, as_json: bool) -> None:
    from marketplace_metering.cli.render import errors, out, print_json

    if as_json:
        print_json(
            {
                "read": report.read,
                "recorded": report.added,
                "quantity": str(report.added_quantity),
                "already_there": report.already_there,
                "refused": report.refused,
                "refusals": [
                    {
                        "place": refused.source,
                        "input": refused.text,
                        "problems": [str(problem) for problem in refused.problems],
                    }
                    for refused in report.refusals
                ],
                "store": store,
            }
        )
        return
    for refused in report.refusals[:REFUSALS_SHOWN_MAX]:
        for problem in refused.problems:
            errors.print(f"[yellow]{refused.source}[/]:", end=" ", highlight=False)
            errors.print(str(problem), markup=False, highlight=False, soft_wrap=True)
    more = report.refused - min(len(report.refusals), REFUSALS_SHOWN_MAX)
    if more:
        errors.print(f"... and {more:,} more; metering status --refused lists them")
    parts = [f"recorded {report.added:,} (quantity {report.added_quantity})"]
    if report.already_there:
        parts.append(f"already there {report.already_there:,}")
    if report.refused:
        parts.append(f"refused and kept {report.refused:,}")
    out.print(f"{', '.join(parts)} in {store}", highlight=False, soft_wrap=True)
