"""The process dies before or after any step on the way to the store: every sum stays exact.

`Crash` is no Exception, so that no handler can swallow it, and what the recorder would do next it
does not do. Its successor finds the files and nothing else.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from marketplace_metering import UsageRecorder
from tests.recorder.build import BUYER, DIMENSION, OTHER, ListSink, an_hour_ago, kill, recorder

STEPS = ("open", "write", "rename", "unlink", "fsync", "close")
MICROS = 1_000_000


class Crash(BaseException):
    """The process is gone."""


class CrashingRecorder:
    """Counts the steps that a process takes in the world, and ends it at one of them."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.countdown = -1
        self.is_after = False
        self._descriptors: set[int] = set()
        self._close = os.close
        for name in STEPS:
            monkeypatch.setattr(os, name, self._step(getattr(os, name)))

    def _step(self, real: Callable[..., Any]) -> Callable[..., Any]:
        def take(*args: Any, **options: Any) -> Any:
            answer = real(*args, **options)
            if real.__name__ == "open":
                self._descriptors.add(answer)
            elif real.__name__ == "close":
                self._descriptors.discard(args[0])
            return answer

        def step(*args: Any, **options: Any) -> Any:
            if self.countdown < 0:
                return take(*args, **options)
            self.countdown -= 1
            if self.countdown >= 0:
                return take(*args, **options)
            if self.is_after:
                take(*args, **options)
            raise Crash

        return step

    def put(self, sink: ListSink) -> None:
        sink.put = self._step(sink.put)  # type: ignore[method-assign]

    def until_crash(self, after_steps: int, is_after: bool, do: Callable[[], object]) -> bool:
        """Whether it crashed, rather than coming to its end."""
        self.countdown, self.is_after = after_steps, is_after
        try:
            do()
        except Crash:
            # The kernel closes what a dead process had open; locks go with it.
            for descriptor in self._descriptors:
                self._close(descriptor)
            self._descriptors.clear()
            return True
        finally:
            self.countdown = -1
        return False


def record_some(usage: UsageRecorder) -> None:
    at = an_hour_ago()
    usage.record(BUYER, DIMENSION, 1)
    usage.record(OTHER, DIMENSION, 2)
    usage.record(BUYER, DIMENSION, 3)
    usage.record(BUYER, DIMENSION, 4, at=at, event_id="e-1")
    usage.record(BUYER, DIMENSION, 4, at=at, event_id="e-1")


ALL = (1 + 2 + 3 + 4) * MICROS


def finish(sink: ListSink, spool: Path) -> None:
    with recorder(sink, spool) as successor:
        assert successor.flush()
    assert list(spool.iterdir()) == []


@pytest.mark.parametrize("is_after", [False, True], ids=["before", "after"])
def test_a_crash_at_any_step_of_a_flush(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_after: bool
) -> None:
    world = CrashingRecorder(monkeypatch)
    for step in range(200):
        spool = tmp_path / str(step)
        sink = ListSink()
        world.put(sink)
        usage = recorder(sink, spool)
        record_some(usage)
        crashed = world.until_crash(step, is_after, usage.flush)
        kill(usage)
        finish(sink, spool)
        assert sink.micros == ALL, f"after a crash at step {step}"
        if not crashed:
            assert step >= 6, "a flush has more steps than that: this test has lost its grip"
            return
    raise AssertionError("the flush never came to its end")


@pytest.mark.parametrize("is_after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("first", [0, 1, 2, 3, 4, 5])
def test_a_crash_at_any_step_of_the_recovery(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, first: int, is_after: bool
) -> None:
    world = CrashingRecorder(monkeypatch)
    for step in range(200):
        spool = tmp_path / str(step)
        sink = ListSink()
        world.put(sink)
        usage = recorder(sink, spool)
        record_some(usage)
        world.until_crash(first, is_after, usage.flush)
        kill(usage)
        successor = recorder(sink, spool)
        crashed = world.until_crash(step, is_after, successor.flush)
        kill(successor)
        finish(sink, spool)
        assert sink.micros == ALL, f"after crashes at steps {first} and {step}"
        if not crashed:
            return
    raise AssertionError("the recovery never came to its end")


@pytest.mark.parametrize("is_after", [False, True], ids=["before", "after"])
def test_a_crash_while_recording_loses_nothing_acknowledged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_after: bool
) -> None:
    world = CrashingRecorder(monkeypatch)
    for step in range(30):
        spool = tmp_path / str(step)
        sink = ListSink()
        usage = recorder(sink, spool)
        acknowledged = 0

        def work(usage: UsageRecorder = usage) -> None:
            nonlocal acknowledged
            for _ in range(4):
                usage.record(BUYER, DIMENSION, 1)
                acknowledged += 1

        world.until_crash(step, is_after, work)
        kill(usage)
        finish(sink, spool)
        assert sink.micros in (acknowledged * MICROS, (acknowledged + 1) * MICROS)
