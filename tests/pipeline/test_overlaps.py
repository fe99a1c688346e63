"""Jobs at the same time, and messages that come twice or in another order: totals stay exact."""

from __future__ import annotations

import json
from typing import Any

import pytest

from marketplace_metering.core.ledger import State
from tests.pipeline.pipeline import Pipeline, begin, usage

pytestmark = pytest.mark.xdist_group("pipeline")

EVERYTHING = {"scope": "everything"}


def test_two_jobs_at_the_same_time_seal_each_window_once(pipeline: Pipeline) -> None:
    """Both are processes of their own with the real handler, and begin at one word."""
    uses = usage(range(60), per_window=10, hours=3)
    pipeline.record(uses)
    with pipeline.process("job", EVERYTHING) as one, pipeline.process("job", EVERYTHING) as other:
        begin(one, other)
        said = [_answer(job.communicate()[0]) for job in (one, other)]

    # A book that both wanted at once may have been left to a next run by the one that lost it.
    assert sum(each["entries"] for each in said) == 180
    assert sum(each["usage_records"] for each in said) == len(uses)
    pipeline.wait_until_nothing_is_pending()
    pipeline.assert_billed_exactly()
    assert len(pipeline.entries()) == 180
    assert set(pipeline.times_sent().values()) == {1}


def _answer(written: str) -> Any:
    return json.loads(written.splitlines()[-1])["answer"]


def test_messages_that_come_again_and_in_another_order_send_nothing_twice(
    pipeline: Pipeline,
) -> None:
    """SQS delivers at least once; the test takes its part, and lets messages come as it likes."""
    pipeline.connect_queue(is_connected=False)
    pipeline.record(usage(range(30), per_window=2))
    pipeline.invoke("MeteringJob")
    pipeline.record(usage(range(30, 60), per_window=2))
    pipeline.invoke("MeteringJob")
    earlier, later = _receive(pipeline)

    pipeline.deliver(later)
    pipeline.deliver(earlier)
    pipeline.deliver(later, earlier, earlier)

    pipeline.assert_billed_exactly()
    assert {entry.state for entry in pipeline.entries()} == {State.BILLED}
    assert set(pipeline.times_sent().values()) == {1}
    # The messages were never deleted: SQS makes them visible again, and they come once more.
    pipeline.connect_queue(is_connected=True)
    pipeline.record(usage(range(60, 70), per_window=2))
    pipeline.invoke("MeteringJob")
    pipeline.wait_until_nothing_is_pending()
    pipeline.assert_billed_exactly()
    assert set(pipeline.times_sent().values()) == {1}


def _receive(pipeline: Pipeline) -> list[str]:
    """The doorbells in the queue, given back at once."""
    found = pipeline.sqs.receive_message(
        QueueUrl=pipeline.queue, MaxNumberOfMessages=10, VisibilityTimeout=0
    )
    return [message["Body"] for message in found["Messages"]]


def test_two_processors_at_the_same_time_bill_each_window_once(pipeline: Pipeline) -> None:
    """The doorbell's one message group makes one of them; even two would do no harm."""
    pipeline.connect_queue(is_connected=False)
    pipeline.record(usage(range(60), per_window=2, hours=3))
    pipeline.invoke("MeteringJob")
    ring = {"Records": [{"messageId": "1", "body": _receive(pipeline)[0]}]}
    with pipeline.process("processor", ring) as one, pipeline.process("processor", ring) as other:
        begin(one, other)
        for processor in (one, other):
            assert _answer(processor.communicate()[0]) == {"batchItemFailures": []}

    pipeline.assert_billed_exactly()
    assert len(pipeline.entries()) == 180
