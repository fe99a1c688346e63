"""The metering job: seals pending usage and rings the doorbell."""

from __future__ import annotations

from typing import Any

from marketplace_metering.aws_lambda import app
from marketplace_metering.aws_lambda.events import job_answer, read_job_event
from marketplace_metering.aws_lambda.runs import Context, run_job
from marketplace_metering.aws_lambda.telemetry import flush


def handler(event: object, context: Context) -> dict[str, Any]:
    """Seal what the event asks for and say what was sealed.

    An error ends the invocation as failed: Lambda repeats it and counts it for the alarm.
    """
    request = read_job_event(event)
    try:
        report, continues = run_job(app.job_app(), request, context)
    finally:
        flush()
    return job_answer(request, report, continues)
