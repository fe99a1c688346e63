"""`metering record`: usage from options, files or standard input."""

from __future__ import annotations

import json
import os
import socket
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any, BinaryIO

import click
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from marketplace_metering.cli.options import ATTENTION, Failure, json_option
from marketplace_metering.cli.render import errors, note, print_json, refused_json, say
from marketplace_metering.cli.session import Session, with_session
from marketplace_metering.core.hours import epoch_ns
from marketplace_metering.core.inputs import STANDARD_INPUT, Doubt, Word
from marketplace_metering.core.plain_text import one_line
from marketplace_metering.core.record import Problem
from marketplace_metering.core.rounded import number_as_written
from marketplace_metering.files.content import FileContent, rereadable
from marketplace_metering.files.csv_rows import read_csv
from marketplace_metering.files.json_lines import Piece, read_json
from marketplace_metering.jobs import record as recording
from marketplace_metering.jobs.inputs import recognise
from marketplace_metering.jobs.record import RecordReport, writable
from marketplace_metering.recorder.by_hand import may_be_elsewhere
from marketplace_metering.recorder.errors import RecorderSettingError
from marketplace_metering.recorder.sinks import open_sink

REFUSALS_SHOWN_MAX = 20
# The option of each attribute that is taken as it is given.
ATTRIBUTES = {
    "account": "customerAWSAccountId",
    "product": "productCode",
    "dimension": "dimension",
    "license_arn": "licenseArn",
    "event_id": "event_id",
}


@click.command()
@click.argument("files", nargs=-1, metavar="[FILE]...")
@click.option(
    "--format",
    "form",
    type=click.Choice(["json", "csv"]),
    help="Format of the files; by the ending .csv if not given.",
)
@click.option("--account", metavar="ID", help="The buyer's AWS account, 12 digits.")
@click.option("--product", metavar="CODE", help="The product code.")
@click.option("--dimension", metavar="NAME", help="The pricing dimension, as in the listing.")
@click.option("--quantity", metavar="NUMBER", help="How much was used.")
@click.option(
    "--at", metavar="TIME", help="When, as ISO 8601 or Unix milliseconds; now if not given."
)
@click.option(
    "--license-arn", metavar="ARN", help="The licence, if the product is metered by licence."
)
@click.option("--tag", "tags", metavar="KEY=VALUE", multiple=True, help="A tag; may be repeated.")
@click.option(
    "--event-id", metavar="ID", help="Counts once, however often it is recorded; needs --at."
)
@click.option(
    "--input",
    "input_name",
    metavar="NAME",
    help="The name by which the one FILE, or standard input, is known again; a file's path if not "
    "given.",
)
@click.option(
    "--count",
    "word",
    flag_value=Word.COUNT.value,
    help="Content that is known is other usage all the same: count it.",
)
@click.option(
    "--same",
    "word",
    flag_value=Word.SAME.value,
    help="It is the same input as before: add only what is missing.",
)
@json_option
@with_session
def record(
    session: Session,
    files: tuple[str, ...],
    form: str | None,
    input_name: str | None,
    word: str | None,
    as_json: bool,
    **options: Any,  # noqa: ANN401 - click's values
) -> None:
    """Record usage: one record from options, or JSON Lines, JSON or CSV files.

    The files are in the guide's format; `-` or no FILE at all reads standard input.

    A line that is not a usage record is reported, kept, and never metered. Recording the same file
    again, by the same path or --input NAME, adds only what is not there yet; equal usage of two
    files is counted twice. Where a copy cannot be told from other usage, or a file does not begin
    any more with what was recorded from it, nothing of it is recorded (exit code 3) until you say
    --count or --same. Each command with options is a use of its own, unless it has an --event-id.
    """
    single = {name: value for name, value in options.items() if value not in (None, ())}
    if single and files:
        raise click.UsageError("give either FILEs or the options of one usage record, not both")
    if not single and not files and sys.stdin.isatty():
        raise click.UsageError(
            "nothing to record: give a FILE, pipe usage records in, or name one with "
            "--account, --product, --dimension and --quantity"
        )
    if input_name is not None and (single or len(files) > 1):
        raise click.UsageError("--input names one FILE or standard input")
    for name in files:
        _check_spool(session, name)
    report = RecordReport()
    doubts: list[Doubt] = []
    if single:
        report = _record_options(session, single)
    for name in () if single else files or ("-",):
        with _open(name) as opened, rereadable(opened) as file:
            content = FileContent(file)
            is_csv = form == "csv" or (form is None and name.lower().endswith(".csv"))
            given = _Given(name, content, is_csv, as_json)
            place = input_name or _place(session, name, opened)
            found = recognise(
                session.opened.store, place, content, Word(word) if word else None, given.has_events
            )
            if isinstance(found, Doubt):
                doubts.append(found)
            else:
                report = report.plus(_record_file(session, given, found))
    _show(report, doubts, session.settings.store, as_json)
    if report.refused or doubts:
        sys.exit(ATTENTION)


@dataclass(frozen=True)
class _Given:
    """A file that was named, or standard input."""

    name: str
    content: FileContent
    is_csv: bool
    is_quiet: bool

    def pieces(self) -> Iterator[Piece]:
        """What it holds."""
        lines = _lines(self.content)
        return read_csv(lines) if self.is_csv else read_json(lines)

    def has_events(self) -> bool | None:
        """Whether each of its usage records counts by its event id, wherever it stands; None if
        there is no line at all."""
        found = [
            None if isinstance(piece.item, Problem) else bool(piece.item.get("event_id"))
            for piece in self.pieces()
        ]
        return None if not found else True in found and False not in found


def _place(session: Session, name: str, file: BinaryIO) -> str | None:
    """What tells a file from every other: its path, and the machine if others record there too."""
    if name == "-" or not file.seekable():
        return None
    path = writable(os.path.realpath(name))
    is_embedded = session.settings.store.startswith("sqlite:")
    return path if is_embedded else f"{socket.gethostname()}:{path}"


def _check_spool(session: Session, name: str) -> None:
    """Refuse a recorder's batch that may be in another store, before anything is recorded."""
    try:
        store = open_sink(session.settings.store)
    except RecorderSettingError as error:
        raise Failure(f"setting store = {session.settings.store} refused: {error}") from error
    where = may_be_elsewhere(Path(name), store)
    if where is not None:
        raise Failure(
            f"{name} waits in a recorder's spool, and its usage may be in {where} already; nothing "
            f"was recorded. Recorded into {session.settings.store} here, it would be billed from "
            "both. Start a recorder with those settings, and it delivers the file. If you have "
            "looked, and it is not there, copy the file out of the spool and record the copy"
        )


def _record_options(session: Session, single: dict[str, Any]) -> RecordReport:
    """One usage record: a use of its own each time, but for an event."""
    report = recording.record(
        session.opened.store,
        session.clock,
        "command line",
        [_piece(single)],
        recorded_as=f"command line {os.urandom(8).hex()}",
    )
    if report.added and "event_id" not in single:
        errors.print(
            "this command is one use: the same command again is another one; with --event-id and "
            "--at it would count once"
        )
    return report


def _record_file(session: Session, given: _Given, recorded_as: str) -> RecordReport:
    source = STANDARD_INPUT if given.name == "-" else given.name
    is_shown = errors.is_terminal and not given.is_quiet
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
        task = bar.add_task(source, total=given.content.size or None, records=0)

        def on_progress(so_far: RecordReport) -> None:
            bar.update(task, completed=given.content.position, records=so_far.read)

        return recording.record(
            session.opened.store,
            session.clock,
            source,
            given.pieces(),
            on_progress,
            recorded_as=recorded_as,
        )


def _lines(content: FileContent) -> Iterator[str]:
    for line in content.lines():
        # What is not UTF-8 comes out as lone surrogates, which the readers refuse by line.
        yield line.decode("utf-8", "surrogateescape")


def _open(name: str) -> BinaryIO:
    if name == "-":
        return sys.stdin.buffer
    try:
        return open(name, "rb")
    except OSError as error:
        raise Failure(f"cannot read {name}: {error.strerror}") from error


def _piece(options: dict[str, Any]) -> Piece:
    item: dict[str, object] = {"metering_pending": "true"}
    for name, attribute in ATTRIBUTES.items():
        if name in options:
            item[attribute] = options[name]
    if "event_id" in options and "at" not in options:
        raise click.UsageError(
            "--event-id needs --at: the time of the event, the same whenever it is recorded again"
        )
    if "quantity" in options:
        try:
            item["quantity"] = number_as_written(options["quantity"])
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
    try:
        return number_as_written(text)
    except InvalidOperation:
        pass
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise click.UsageError(
            f"--at {text}: write it like 2026-11-30T13:05:00Z, or as Unix milliseconds"
        ) from None
    return Decimal(epoch_ns(at if at.tzinfo else at.replace(tzinfo=UTC))).scaleb(-6)


def _show(report: RecordReport, doubts: list[Doubt], store: str, as_json: bool) -> None:
    if as_json:
        print_json(
            {
                "read": report.read,
                "recorded": report.added,
                "quantity": str(report.added_quantity),
                "already_there": report.already_there,
                "refused": report.refused,
                "refusals": refused_json(report.refusals),
                "in_doubt": [
                    {"input": each.name, "why": each.what, "fix": each.fix} for each in doubts
                ],
                "store": store,
            }
        )
        return
    for refused in report.refusals[:REFUSALS_SHOWN_MAX]:
        for problem in refused.problems:
            errors.print(one_line(f"{refused.source}:"), style="yellow", end=" ")
            note(str(problem))
    for doubt in doubts:
        note(str(doubt))
    more = report.refused - min(len(report.refusals), REFUSALS_SHOWN_MAX)
    if more:
        note(f"... and {more:,} more; metering status --refused lists them")
    parts = [f"recorded {report.added:,} (quantity {report.added_quantity})"]
    if report.already_there:
        parts.append(f"already there {report.already_there:,}")
    if report.refused:
        parts.append(f"refused and kept {report.refused:,}")
    say(f"{', '.join(parts)} in {store}")
