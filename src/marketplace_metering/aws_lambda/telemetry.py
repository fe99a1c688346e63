"""Structured logs and metrics.

The only dimension is the stack: every account, licence or dimension of a buyer would be a metric of
its own, paid for each month (CloudWatch, "embedded metric format").
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from datetime import timedelta
from enum import StrEnum

from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.logging.utils import copy_config_to_registered_loggers
from aws_lambda_powertools.metrics import MetricUnit

from marketplace_metering.core.ledger import Alarm, State
from marketplace_metering.core.limits import WINDOW_LENGTH
from marketplace_metering.jobs.seal import SealReport
from marketplace_metering.jobs.submit import Stop, SubmitReport

NAMESPACE = "MarketplaceMetering"

log = Logger()
metrics = Metrics(namespace=NAMESPACE)


class Name(StrEnum):
    """The metrics; the alarms of the template watch some of them."""

    JOB_RUNS = "JobRuns"
    SEALED_ENTRIES = "SealedEntries"
    SEALED_RECORDS = "SealedRecords"
    WAITING_RECORDS = "WaitingRecords"
    PROCESSOR_RUNS = "ProcessorRuns"
    REQUESTS = "Requests"
    BILLED_ENTRIES = "BilledEntries"
    FAILED_USAGE = "FailedUsage"
    BLOCKED_RUNS = "BlockedRuns"
    FAILED_RUNS = "FailedRuns"
    OLDEST_PENDING_AGE = "OldestPendingAge"
    TIME_TO_DEADLINE = "TimeToDeadline"


def take_over_logs() -> None:
    """Write what the use cases and adapters log in the same structured form."""
    logging.getLogger("marketplace_metering")
    copy_config_to_registered_loggers(log, include={"marketplace_metering"})


def count(name: Name, number: int) -> None:
    """Add to a counter."""
    metrics.add_metric(name, MetricUnit.Count, number)


def flush() -> None:
    """Write what was measured; a run that ended before it measured anything writes nothing."""
    if metrics.provider.metric_set:
        metrics.flush_metrics()


def report_job(report: SealReport, place: Mapping[str, str | None]) -> None:
    """A finished run of the job: one line of the log, and what is counted."""
    log.info("sealed", extra={**place, **report.figures(), "is_cut_short": report.is_cut_short})
    count(Name.JOB_RUNS, 1)
    count(Name.SEALED_ENTRIES, report.entries)
    count(Name.SEALED_RECORDS, report.records)
    count(Name.WAITING_RECORDS, sum(report.waiting_records.values()))


def report_processor(report: SubmitReport, place: Mapping[str, str | None]) -> None:
    """A finished run of the processor; a line of its own for what only a person can fix."""
    log.info(
        "submitted",
        extra={
            **place,
            "requests": report.requests,
            "entries": {str(state): report.entries[state] for state in State},
            "marked_usage_records": report.written_back,
            "ended_because": str(report.stop),
        },
    )
    if report.words:
        log.error("AWS stopped the run", extra={"why": str(report.stop), "words": report.words})
    for product, words in report.blocked_products.items():
        log.error("AWS refuses the product", extra={"product": product, "words": words})
    is_blocked = report.stop in (Stop.ACCOUNT, Stop.NO_ANSWER) or report.blocked_products
    count(Name.PROCESSOR_RUNS, 1)
    count(Name.REQUESTS, report.requests)
    count(Name.BILLED_ENTRIES, report.billed)
    count(Name.BLOCKED_RUNS, 1 if is_blocked else 0)


def measure_age(age: timedelta, to_deadline: timedelta | None) -> None:
    """How old the oldest usage without an outcome is, and how close the nearest deadline."""
    left = WINDOW_LENGTH if to_deadline is None else to_deadline
    metrics.add_metric(Name.OLDEST_PENDING_AGE, MetricUnit.Seconds, age.total_seconds())
    metrics.add_metric(Name.TIME_TO_DEADLINE, MetricUnit.Seconds, left.total_seconds())


class MetricNotifier:
    """Counts what people are told about."""

    def notify(self, alarms: Sequence[Alarm]) -> None:
        """All of it but what is billed in full."""
        failed = [each for each in alarms if each.kind.is_unbilled]
        count(Name.FAILED_USAGE, len(failed))
