"""The same recorder for coroutines."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from marketplace_metering import AsyncUsageRecorder, InvalidUsageError, SpoolFullError
from tests.recorder.build import BUYER, DIMENSION, PRODUCT, ListSink, an_hour_ago

MICROS = 1_000_000


def test_usage_of_coroutines_arrives(tmp_path: Path) -> None:
    sink = ListSink()

    async def work() -> None:
        async with AsyncUsageRecorder(sink, spool=tmp_path, product=PRODUCT) as usage:
            await asyncio.gather(*(usage.record(BUYER, DIMENSION, 1) for _ in range(100)))
            assert await usage.flush()
            assert usage.stats().added == 1
            with pytest.raises(InvalidUsageError):
                await usage.record("1", DIMENSION, 1)
            await usage.record(BUYER, DIMENSION, 1, at=an_hour_ago(), event_id="e")

    asyncio.run(work())
    assert sink.micros == 101 * MICROS


def test_with_fsync_the_loop_goes_on(tmp_path: Path) -> None:
    sink = ListSink()

    async def work() -> None:
        async with AsyncUsageRecorder(sink, spool=tmp_path, product=PRODUCT, fsync=True) as usage:
            await asyncio.gather(*(usage.record(BUYER, DIMENSION, 1) for _ in range(10)))

    asyncio.run(work())
    assert sink.micros == 10 * MICROS


EVENTS = 3_000


async def fill(usage: AsyncUsageRecorder) -> None:
    for number in range(EVENTS):
        await usage.record(BUYER, DIMENSION, 1, at=an_hour_ago(), event_id=f"e-{number}")


def test_a_full_spool_raises(tmp_path: Path) -> None:
    sink = ListSink()
    sink.is_down = True

    async def work() -> None:
        usage = AsyncUsageRecorder(sink, spool=tmp_path, product=PRODUCT, spool_bytes_max=65_536)
        with pytest.raises(SpoolFullError):
            await fill(usage)
        assert not await usage.close(timeout=0.0)

    asyncio.run(work())


def test_a_full_spool_lets_other_coroutines_go_on(tmp_path: Path) -> None:
    sink = ListSink()

    async def work() -> None:
        usage = AsyncUsageRecorder(
            sink, spool=tmp_path, product=PRODUCT, spool_bytes_max=65_536, when_full="block"
        )
        async with usage:
            await fill(usage)

    asyncio.run(work())
    assert sink.micros == EVENTS * MICROS
