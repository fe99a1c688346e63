"""One run of each function: a use case within its time, then alarms, log and metrics."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Protocol

from marketplace_metering.aws_lambda.app import App
from marketplace_metering.aws_lambda.events import JobRequest
from marketplace_metering.aws_lambda.telemetry import (
    log,
    measure_age,
    report_job,
    report_processor,
)
from marketplace_metering.jobs.seal import SealReport, seal
from marketplace_metering.jobs.submit import submit

# Between `until` and the end of the function. A job finishes the 500 books in hand. A processor
# may have just begun a request, which takes up to 35 s (connect and read timeout); then it settles
# and marks for some seconds (`jobs.submit`). Both tell people.
JOB_RESERVE = timedelta(seconds=60)
PROCESSOR_RESERVE = timedelta(seconds=75)
TELLING_TIME = timedelta(seconds=10)


class Context(Protocol):
    """What the functions use of Lambda's context."""

    def get_remaining_time_in_millis(self) -> int:
        """Until Lambda ends this invocation by force."""


def end_of_work(now: datetime, context: Context, reserve: timedelta) -> datetime:
    """When a run has to come to its end; at least a fifth of the time left is for work."""
    left = timedelta(milliseconds=context.get_remaining_time_in_millis())
    return now + max(left - reserve, left / 5)


def run_job(app: App, request: JobRequest, context: Context) -> tuple[SealReport, bool]:
    """Seal, ring, and go on in a further invocation if time ran out; answers whether one does.

    The doorbell is rung whether anything was sealed or not: entries of earlier runs may be due.
    """
    until = end_of_work(app.ports.clock.now(), context, JOB_RESERVE)
    report = seal(app.ports, app.policy, request.scope, until)
    app.doorbell.ring()
    # A round that did nothing would start another one for ever; the next hour's run goes on then.
    continues = report.is_cut_short and (report.entries > 0 or report.rejected_records > 0)
    if continues:
        app.successor.start(request.next_round())
    app.deliver_alarms(app.ports.clock.now() + TELLING_TIME)
    report_job(report, app.place())
    _measure_age(app)
    return report, continues


def run_processor(app: App, context: Context) -> None:
    """Submit, and ring again if time ran out with work left."""
    until = end_of_work(app.ports.clock.now(), context, PROCESSOR_RESERVE)
    report = submit(app.ports, app.policy, until)
    # Only after a run that got something done: an error cannot ring for ever, the clock rings then.
    is_worth_more = bool(report.requests or report.entries or report.written_back)
    if app.ports.clock.now() >= until and is_worth_more:
        log.info("out of time with work left; ringing again")
        app.doorbell.ring()
    app.deliver_alarms(app.ports.clock.now() + TELLING_TIME)
    report_processor(report, app.place())
    _measure_age(app)


def _measure_age(app: App) -> None:
    now = app.ports.clock.now()
    oldest = app.gauges.oldest_pending_at()
    deadline = app.gauges.earliest_deadline()
    measure_age(
        timedelta(0) if oldest is None else max(now - oldest, timedelta(0)),
        None if deadline is None else deadline - now,
    )
