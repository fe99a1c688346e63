"""The metering processor: sends due ledger entries when the doorbell rings."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from marketplace_metering.aws_lambda import app
from marketplace_metering.aws_lambda.events import batch_answer, read_messages
from marketplace_metering.aws_lambda.runs import Context, run_processor
from marketplace_metering.aws_lambda.telemetry import Name, count, flush, log
from marketplace_metering.jobs.admit import CharterError
from marketplace_metering.jobs.copies import RestoredStoreError


def handler(event: object, context: Context) -> dict[str, Any]:
    """Send what is due; a batch is answered as a whole, since every message asks for the same."""
    messages = read_messages(event)
    if messages is None:
        return _ring()
    _drop(messages.unknown)
    failed: Sequence[str] = ()
    try:
        if messages.ring:
            run_processor(app.processor_app(), context)
    except (RestoredStoreError, CharterError) as error:
        # A person has to speak first; the message need not come again, the clock rings then.
        log.error("%s", error)
        count(Name.FAILED_RUNS, 1)
    except Exception:  # noqa: BLE001 - the edge: it is logged and counted, and SQS rings again
        log.exception("this run failed; its entries are due again, and SQS rings again")
        count(Name.FAILED_RUNS, 1)
        failed = messages.ids
    flush()
    return batch_answer(failed)


def _ring() -> dict[str, Any]:
    log.info("invoked by hand: ringing the doorbell, so that there is still one processor")
    app.processor_app().doorbell.ring()
    return batch_answer()


def _drop(bodies: Sequence[str]) -> None:
    for body in bodies:
        log.warning("dropped a message that is not a doorbell", extra={"body": body[:1_000]})
