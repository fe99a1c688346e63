"""A function that is killed between two steps: the next one finds its work, and totals are exact.

The handlers run in processes that get no chance to clean up (SIGKILL), as a lost Lambda host does.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import pytest

from marketplace_metering.core.ledger import State
from marketplace_metering.simulator.faults import Scheduled, Slow
from tests.deploy.emulator import Emulator
from tests.pipeline.pipeline import RING, Pipeline, begin, usage

pytestmark = pytest.mark.xdist_group("pipeline")

WINDOWS = 40  # two batches
LONG_S = 60
PATIENCE_S = 30
MESSAGE = {"Records": [{"messageId": "1", "body": RING}]}


def until(look: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE_S
    while not look():
        assert time.monotonic() < end, f"not within {PATIENCE_S} s"
        time.sleep(0.02)


@pytest.fixture(params=["success", "duplicate"])
def identical_retry(request: pytest.FixtureRequest, aws: Emulator) -> Iterator[str]:
    """AWS's own sources disagree about what the identical record gets as its second answer."""
    simulator = aws.simulator.simulator
    simulator.readings = simulator.readings.changed({"identicalRetry": request.param})
    yield request.param
    simulator.readings = simulator.readings.changed({"identicalRetry": "success"})
    aws.simulator.faults.plan()


def test_a_processor_killed_between_the_api_call_and_settling(
    pipeline: Pipeline, identical_retry: str
) -> None:
    """AWS has billed the batch; the ledger knows only that it was tried."""
    pipeline.connect_queue(is_connected=False)
    pipeline.record(usage(range(WINDOWS), per_window=3))
    pipeline.invoke("MeteringJob")
    pipeline.aws.simulator.faults.plan([Scheduled(Slow(LONG_S))])
    with pipeline.process("processor", MESSAGE) as processor:
        begin(processor)
        until(lambda: len(pipeline.accepted()) == 25)
        assert processor.poll() is None, "it waits for the answer"
    assert processor.returncode == -9
    entries = pipeline.entries()
    assert {entry.state for entry in entries} == {State.SEALED}
    assert sorted(entry.begun for entry in entries) == [0] * 15 + [1] * 25

    pipeline.connect_queue(is_connected=True)  # the message comes again
    pipeline.wait_until_nothing_is_pending()

    pipeline.assert_billed_exactly()
    second = State.BILLED if identical_retry == "success" else State.PRESUMED
    states = {entry.key: entry.state for entry in pipeline.entries()}
    assert [states[entry.key] for entry in entries if entry.begun] == [second] * 25
    assert sorted(pipeline.times_sent().values()) == [1] * 15 + [2] * 25


@contextmanager
def deaf_queue() -> Iterator[tuple[str, Callable[[], bool]]]:
    """A queue that takes a request and never answers; and whether one has come."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.setblocking(False)
        taken: list[socket.socket] = []

        def is_rung() -> bool:
            with suppress(BlockingIOError):
                taken.append(listener.accept()[0])
            return bool(taken)

        yield f"http://127.0.0.1:{listener.getsockname()[1]}", is_rung
        for connection in taken:
            connection.close()


def test_a_job_killed_between_sealing_and_sending(pipeline: Pipeline) -> None:
    """Everything is in the ledger, and nobody was told: the next job's doorbell is for all."""
    pipeline.record(usage(range(WINDOWS), per_window=3))
    with (
        deaf_queue() as (url, is_rung),
        pipeline.process("job", {}, AWS_ENDPOINT_URL_SQS=url) as job,
    ):
        begin(job)
        until(is_rung)
        assert job.poll() is None, "it rings"
    assert job.returncode == -9
    assert [entry.begun for entry in pipeline.entries()] == [0] * WINDOWS
    assert not pipeline.accepted()

    pipeline.record(usage(range(WINDOWS, WINDOWS + 5), per_window=3))
    said = pipeline.invoke("MeteringJob")

    assert said["entries"] == 5, "what was sealed is not sealed again"
    pipeline.wait_until_nothing_is_pending()
    pipeline.assert_billed_exactly()
    assert set(pipeline.times_sent().values()) == {1}
