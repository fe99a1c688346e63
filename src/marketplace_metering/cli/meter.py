"""`metering seal`, `submit`, `run` and `serve`: the metering itself."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click

from marketplace_metering.cli.options import ATTENTION, OK, UNFINISHED, json_option, store_options

if TYPE_CHECKING:
    from marketplace_metering.cli.session import Session
    from marketplace_metering.jobs.seal import SealReport
    from marketplace_metering.jobs.submit import SubmitReport

all_option = click.option(
    "--all",
    "everything",
    is_flag=True,
    help="Seal the current hour too. What is used later in it is billed with the next hour.",
)


@click.command()
@all_option
@json_option
@store_options
def seal(everything: bool, as_json: bool, store: str | None, config: str | None) -> None:
    """Freeze pending usage of closed hours into ledger entries; nothing is sent yet."""
    from marketplace_metering.cli.render import print_json
    from marketplace_metering.cli.session import session

    with session(config, store) as here:
        report = _seal(here, everything, as_json)
        if as_json:
            print_json({"sealed": _seal_json(report)})
        else:
            _say_sealed(report)


@click.command()
@json_option
@store_options
def submit(as_json: bool, store: str | None, config: str | None) -> None:
    """Send due ledger entries to AWS and settle them by its answers."""
    from marketplace_metering.cli.render import print_json
    from marketplace_metering.cli.session import session

    with session(config, store) as here:
        report = _submit(here, as_json)
        if as_json:
            print_json({"submitted": _submit_json(report)})
        else:
            _say_submitted(report)
    sys.exit(_exit_code(report))


@click.command()
@all_option
@json_option
@store_options
def run(everything: bool, as_json: bool, store: str | None, config: str | None) -> None:
    """Seal and submit, once: what the hourly job does."""
    from marketplace_metering.cli.render import print_json
    from marketplace_metering.cli.session import session

    with session(config, store) as here:
        sealed = _seal(here, everything, as_json)
        if not as_json:
            _say_sealed(sealed)
        submitted = _submit(here, as_json)
        if as_json:
            print_json({"sealed": _seal_json(sealed), "submitted": _submit_json(submitted)})
        else:
            _say_submitted(submitted)
    sys.exit(_exit_code(submitted))


@click.command()
@store_options
def serve(store: str | None, config: str | None) -> None:
    """Meter every hour until stopped (SIGTERM or Ctrl-C); restart it whenever you like."""
    import logging
    import signal
    import threading

    from marketplace_metering.cli.session import session
    from marketplace_metering.jobs.serve import serve as serve_until

    logging.getLogger("marketplace_metering").setLevel(logging.INFO)
    log = logging.getLogger("marketplace_metering.jobs.serve")
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda _number, _frame: stop.set())
    with session(config, store) as here:
        log.info("metering %s every hour; SIGTERM stops it", here.settings.store)
        serve_until(here.ports, here.settings.policy, stop, lambda tick: log.info("%s", tick))
        log.info("stopped; nothing is lost, start it again at any time")


def _seal(here: Session, everything: bool, quiet: bool) -> SealReport:
    from marketplace_metering.core.policy import Scope
    from marketplace_metering.jobs.seal import seal as seal_pending

    scope = Scope.EVERYTHING if everything else Scope.CLOSED_HOURS
    with _counting("sealing", "entries", quiet) as count:
        return seal_pending(
            here.ports,
            here.settings.policy,
            scope,
            on_progress=lambda report: count(report.entries),
        )


def _submit(here: Session, quiet: bool) -> SubmitReport:
    from marketplace_metering.jobs.deliver_alarms import deliver_alarms
    from marketplace_metering.jobs.submit import submit as submit_due

    with _counting("sending", "entries settled", quiet) as count:
        report = submit_due(
            here.ports,
            here.settings.policy,
            on_progress=lambda so_far: count(sum(so_far.entries.values())),
        )
    deliver_alarms(here.ports)
    return report


@contextmanager
def _counting(verb: str, what: str, quiet: bool) -> Iterator[Any]:
    """A line that counts while the work goes on, on a terminal."""
    from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    from marketplace_metering.cli.render import errors

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
    from marketplace_metering.cli.render import out

    text = (
        f"sealed {report.entries:,} entries: {report.records:,} usage records, "
        f"quantity {report.quantity}"
    )
    if report.carried.micros:
        text += f", of which {report.carried} carried from earlier hours"
    out.print(text, soft_wrap=True)
    for why, records in report.waiting_records.items():
        out.print(f"left pending {records:,} usage records: {why}", soft_wrap=True)
    if report.rejected_records:
        out.print(f"rejected {report.rejected_records:,} late usage records, by your setting")
    if report.contended_books:
        out.print(f"{report.contended_books:,} meters kept changing: the next run seals them")


def _say_submitted(report: SubmitReport) -> None:
    from marketplace_metering.cli.render import errors, out

    states = ", ".join(f"{count:,} {state}" for state, count in sorted(report.entries.items()))
    out.print(f"sent {report.requests:,} requests: {states or 'nothing was due'}", soft_wrap=True)
    out.print(f"ended because {report.stop}", soft_wrap=True)
    if report.words:
        errors.print(f"AWS: {report.words}", markup=False, soft_wrap=True, style="red")
    for product, words in report.blocked_products.items():
        text = f"product {product} is left alone, its usage stays sealed: {words}"
        errors.print(text, markup=False, soft_wrap=True, style="red")


def _seal_json(report: SealReport) -> dict[str, Any]:
    return {
        "entries": report.entries,
        "usage_records": report.records,
        "quantity": str(report.quantity),
        "carried": str(report.carried),
        "rejected_usage_records": report.rejected_records,
        "left_pending": {str(why): count for why, count in report.waiting_records.items()},
        "contended_meters": report.contended_books,
    }


def _submit_json(report: SubmitReport) -> dict[str, Any]:
    return {
        "requests": report.requests,
        "entries": {str(state): count for state, count in report.entries.items()},
        "ended_because": str(report.stop),
        "aws_said": report.words,
        "blocked_products": report.blocked_products,
    }


def _exit_code(report: SubmitReport) -> int:
    from marketplace_metering.core.ledger import State
    from marketplace_metering.jobs.submit import Stop

    if report.stop in (Stop.NO_ANSWER, Stop.ACCOUNT) or report.blocked_products:
        return UNFINISHED
    if any(report.entries[state] for state in (State.PARKED, State.UNRESOLVED, State.RELEASED)):
        return ATTENTION
    return OK
