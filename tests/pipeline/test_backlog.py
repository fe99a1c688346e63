"""A backlog of more than one index page and far more than one batch: all of it, exactly.

Issue 3 asks for 60,000 usage records. The emulator reads an index in time that grows with the whole
index, so an ordinary run takes just over one page; `METERING_TEST_BACKLOG=60000` takes all.
"""

from __future__ import annotations

import os

import pytest

from tests.pipeline.pipeline import Pipeline, usage

pytestmark = pytest.mark.xdist_group("pipeline")

BACKLOG = int(os.environ.get("METERING_TEST_BACKLOG", "9500"))
OF_ONE_BUYER = 5_000  # in one hour
PER_WINDOW = 50


def test_a_backlog_is_billed_by_one_job_and_the_runs_that_go_on(pipeline: Pipeline) -> None:
    buyers = (BACKLOG - OF_ONE_BUYER) // PER_WINDOW // 2
    uses = [*usage([0], OF_ONE_BUYER), *usage(range(1, buyers + 1), PER_WINDOW, hours=2)]
    assert len(uses) == BACKLOG
    pipeline.record(uses)

    said = pipeline.invoke("MeteringJob")

    assert (said["usage_records"], said["entries"]) == (BACKLOG, 2 * buyers + 1)
    pipeline.wait_until_nothing_is_pending()
    pipeline.assert_billed_exactly()
    assert set(pipeline.times_sent().values()) == {1}
