"""`metering seal`, `submit`, `run` and `serve`: the metering itself."""

from __future__ import annotations

import logging
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import click
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from marketplace_metering.cli.charter_shown import place_json
from marketplace_metering.cli.options import ATTENTION, OK, UNFINISHED, json_option
from marketplace_metering.cli.render import errors, note, print_json, say
from marketplace_metering.cli.session import Session, with_session
from marketplace_metering.core.charter import where
from marketplace_metering.core.ledger import State
from marketplace_metering.core.policy import Scope
from marketplace_metering.jobs import seal as sealing
from marketplace_metering.jobs import serve as serving
from marketplace_metering.jobs import submit as submitting
from marketplace_metering.jobs.admit import chartered
from marketplace_metering.jobs.deliver_alarms import deliver_alarms
from marketplace_metering.jobs.seal import SealReport
from marketplace_metering.jobs.submit import Stop, SubmitReport

log = logging.getLogger("marketplace_metering.jobs.serve")

all_option = click.option(
    "--all",
    "everything",
    is_flag=True,
    help="Seal the current hour, too. Usage later in that hour is billed with the next hour.",
)


@click.command()
@all_option
@json_option
@with_session
def seal(session: Session, everything: bool, as_json: bool) -> None:
    """Freeze pending usage of closed hours into ledger entries; nothing is sent yet."""
    _say_place(session, as_json)
    report = _seal(session, everything, as_json)
    if as_json:
        print_json({**place_json(session.charter), "sealed": report.figures()})
    sys.exit(ATTENTION if report.needs_person else OK)


@click.command()
@json_option
@with_session
def submit(session: Session, as_json: bool) -> None:
    """Send due ledger entries to AWS and settle them by its answers."""
    _say_place(session, as_json)
    report = _submit(session, as_json)
    if as_json:
        print_json({**place_json(session.charter), "submitted": _submit_json(report)})
    sys.exit(_exit_code(report))


@click.command()
@all_option
@json_option
@with_session
def run(session: Session, everything: bool, as_json: bool) -> None:
    """Seal and submit, once: what the hourly job does."""
    _say_place(session, as_json)
    sealed = _seal(session, everything, as_json)
    submitted = _submit(session, as_json)
    if as_json:
        done = {"sealed": sealed.figures(), "submitted": _submit_json(submitted)}
        print_json({**place_json(session.charter), **done})
    sys.exit(_exit_code(submitted) or (ATTENTION if sealed.needs_person else OK))


@click.command()
@with_session
def serve(session: Session) -> None:
    """Meter every hour until stopped (SIGTERM or Ctrl-C); restart it whenever you like."""
    logging.getLogger("marketplace_metering").setLevel(logging.INFO)
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda _number, _frame: stop.set())
    ports = session.ports
    log.info("metering %s every hour; SIGTERM stops it", session.settings.store)
    serving.serve(ports, session.settings.policy, stop, lambda tick: log.info("%s", tick))
    log.info("stopped; nothing is lost, start it again at any time")


def _say_place(session: Session, quiet: bool) -> None:
    """Where this run meters: people see it before anything is sent."""
    chartered(session.ports, session.settings.policy)
    if not quiet:
        say(where(session.charter))


def _seal(session: Session, everything: bool, quiet: bool) -> SealReport:
    scope = Scope.EVERYTHING if everything else Scope.CLOSED_HOURS
    with _counting("sealing", "entries", quiet) as count:
        report = sealing.seal(
            session.ports,
            session.settings.policy,
            scope,
            on_progress=lambda so_far: count(so_far.entries),
        )
    if not quiet:
        _say_sealed(report)
    return report


def _submit(session: Session, quiet: bool) -> SubmitReport:
    with _counting("sending", "entries settled", quiet) as count:
        report = submitting.submit(
            session.ports,
            session.settings.policy,
            on_progress=lambda so_far: count(so_far.entries.total()),
        )
    deliver_alarms(session.ports)
    if not quiet:
        _say_submitted(report)
    return report


@contextmanager
def _counting(verb: str, what: str, quiet: bool) -> Iterator[Callable[[int], None]]:
    """A line that counts while the work goes on, on a terminal."""
    line = Progress(
        SpinnerColumn(),
        TextColumn("{task.description}"),
        TextColumn(f"{{task.completed:,}} {what}"),
        TimeElapsedColumn(),
        console=errors,
        disable=quiet or not errors.is_terminal,
        transient=True,
    )
    with line:
        task = line.add_task(verb, total=None)
        yield lambda count: line.update(task, completed=count)


def _say_sealed(report: SealReport) -> None:
    text = (
        f"sealed {report.entries:,} entries: {report.records:,} usage records, "
        f"quantity {report.quantity}"
    )
    if report.carried.micros:
        text += f", of which {report.carried} carried from earlier hours"
    say(text)
    for why, records in report.waiting_records.items():
        say(f"left pending {records:,} usage records: {why}")
    if report.rejected_records:
        what = "late by your setting, or of a licence that is metered under another product"
        say(f"rejected {report.rejected_records:,} usage records: {what}")
    for each in report.unstorable:
        note(f"{each}. Please report this", style="red")
    if report.contended_books:
        say(f"{report.contended_books:,} meters kept changing: the next run seals them")


def _say_submitted(report: SubmitReport) -> None:
    states = ", ".join(f"{count:,} {state}" for state, count in sorted(report.entries.items()))
    say(f"sent {report.requests:,} requests: {states or 'nothing was due'}")
    say(f"ended because {report.stop}")
    if report.words:
        note(f"AWS: {report.words}", style="red")
    for product, words in report.blocked_products.items():
        note(f"product {product} is left alone, its usage stays sealed: {words}", style="red")


def _submit_json(report: SubmitReport) -> dict[str, Any]:
    return {
        "requests": report.requests,
        "entries": {str(state): count for state, count in report.entries.items()},
        "ended_because": str(report.stop),
        "aws_said": report.words,
        "blocked_products": report.blocked_products,
    }


def _exit_code(report: SubmitReport) -> int:
    if report.stop in (Stop.NO_ANSWER, Stop.ACCOUNT) or report.blocked_products:
        return UNFINISHED
    if any(report.entries[state] for state in (State.PARKED, State.UNRESOLVED, State.RELEASED)):
        return ATTENTION
    return OK
