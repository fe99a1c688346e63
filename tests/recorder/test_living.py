"""Threads, forks, the end of the process, and the thread that flushes when it is time."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import threading
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from marketplace_metering import UsageRecorder
from marketplace_metering.recorder import recorder as module
from tests.recorder.build import BUYER, DIMENSION, PRODUCT, ListSink, recorder, stored

ROOT = Path(__file__).parents[2]
MICROS = 1_000_000


def run(tmp_path: Path, body: str, *, status: int = 0) -> int:
    """Run a program with a recorder; answers the sum in its store."""
    program = f"""
import os, signal, sys
from marketplace_metering import UsageRecorder
usage = UsageRecorder("sqlite:///{tmp_path}/metering.db", spool="{tmp_path}/spool",
                      product="{PRODUCT}")
def record(times=1):
    for _ in range(times):
        usage.record("{BUYER}", "{DIMENSION}", 1)
{body}
"""
    done = subprocess.run(
        [sys.executable, "-W", "ignore::DeprecationWarning", "-c", program],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == status, done.stderr
    return total(tmp_path)


def total(tmp_path: Path) -> int:
    try:
        return sum(row[1] for row in stored(tmp_path / "metering.db")) // MICROS
    except sqlite3.OperationalError:  # nobody has made it yet
        return 0


def test_many_threads_lose_nothing(tmp_path: Path) -> None:
    sink = ListSink()
    with recorder(sink, tmp_path, background=True, flush_interval=0.01) as usage:

        def work(number: int) -> None:
            for each in range(2_000):
                usage.record(f"{number % 3:012d}", DIMENSION, 1)
                if each % 50 == 0:
                    usage.flush()

        threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert sink.micros == 16_000 * MICROS
    assert usage.stats().recorded == 16_000


def test_usage_is_delivered_when_the_process_ends(tmp_path: Path) -> None:
    assert run(tmp_path, "record(5)") == 5


def test_usage_survives_a_kill_and_is_delivered_by_the_next_start(tmp_path: Path) -> None:
    assert run(tmp_path, "record(5)\nos.kill(os.getpid(), signal.SIGKILL)", status=-9) == 0
    assert run(tmp_path, "") == 5
    assert list((tmp_path / "spool").iterdir()) == []


def test_the_next_start_delivers_even_if_it_records_nothing_and_only_waits(tmp_path: Path) -> None:
    run(tmp_path, "record(5)\nos.kill(os.getpid(), signal.SIGKILL)", status=-9)
    with UsageRecorder(f"sqlite:///{tmp_path}/metering.db", spool=tmp_path / "spool"):
        give_up_s = time.monotonic() + 20
        while total(tmp_path) != 5:
            assert time.monotonic() < give_up_s
            time.sleep(0.01)


def test_parent_and_child_each_deliver_their_own(tmp_path: Path) -> None:
    body = """
record(5)
pid = os.fork()
record(2 if pid else 3)
if pid:
    assert os.waitpid(pid, 0)[1] == 0
    record(1)
"""
    assert run(tmp_path, body) == 5 + 2 + 3 + 1


def test_a_child_of_a_busy_parent_starts_with_free_locks(tmp_path: Path) -> None:
    body = """
import threading
stop = False
def busy():
    while not stop:
        record(); usage.flush()
thread = threading.Thread(target=busy); thread.start()
for _ in range(20):
    pid = os.fork()
    if not pid:
        record(1)
        os._exit(0 if usage.close() else 1)
    assert os.waitpid(pid, 0)[1] == 0
stop = True
thread.join()
usage.close()
print(usage.stats().recorded, file=open("%s", "w"))
"""
    out = tmp_path / "recorded"
    found = run(tmp_path, body % out)
    assert found == int(out.read_text()) + 20


def test_children_of_multiprocessing_deliver_at_their_end(tmp_path: Path) -> None:
    body = """
import multiprocessing
children = [multiprocessing.get_context("fork").Process(target=record, args=(7,)) for _ in "ab"]
for child in children: child.start()
for child in children: child.join()
"""
    assert run(tmp_path, body) == 14


def test_the_thread_flushes_by_itself(tmp_path: Path) -> None:
    sink = ListSink()
    usage = recorder(sink, tmp_path, background=True, flush_interval=0.01)
    usage.record(BUYER, DIMENSION, 1)
    give_up_s = time.monotonic() + 20
    while not sink.records:
        assert time.monotonic() < give_up_s
        time.sleep(0.005)
    usage.close()


def test_the_thread_tries_again_until_the_store_is_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("marketplace_metering.recorder.delivery.RETRY_FIRST_S", 0.001)
    monkeypatch.setattr("marketplace_metering.recorder.delivery.RETRY_LONGEST_S", 0.01)
    sink = ListSink()
    sink.is_down = True
    usage = recorder(sink, tmp_path, background=True, flush_interval=0.01)
    usage.record(BUYER, DIMENSION, 1)
    give_up_s = time.monotonic() + 20
    while len(sink.puts) < 4:
        assert time.monotonic() < give_up_s
        time.sleep(0.005)
    sink.is_down = False
    while not sink.records:
        assert time.monotonic() < give_up_s
        time.sleep(0.005)
    usage.close()
    assert usage.stats().failed_rounds >= 4


def test_an_hour_is_flushed_at_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its usage is in the store long before the grace is over, whatever the interval."""
    sink = ListSink()
    now = [datetime(2026, 11, 20, 9, 59, 55, tzinfo=UTC).timestamp()]
    usage = recorder(sink, None, flush_interval=120)
    monkeypatch.setattr(time, "time_ns", lambda: int(now[0]) * 10**9)
    begun_s = time.monotonic()
    usage.record(BUYER, DIMENSION, 1)
    assert usage._active.due_at_s is not None
    assert 4.9 < usage._active.due_at_s - begun_s < 6
    now[0] += 6
    usage.record(BUYER, DIMENSION, 1)
    usage.close()
    assert sorted(record.hour.start.hour for record in sink.records.values()) == [9, 10]


def test_an_error_of_our_own_does_not_end_the_thread(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("marketplace_metering.recorder.background.PAUSE_AFTER_BUG_S", 0.001)
    sink = ListSink()
    usage = recorder(sink, tmp_path, background=True, flush_interval=0.01)
    cycle = usage._run_cycle
    failures = iter([True])

    def fail_once(**options: Any) -> bool:
        if next(failures, False):
            raise ValueError("a bug")
        return cycle(**options)

    monkeypatch.setattr(usage, "_run_cycle", fail_once)
    usage.record(BUYER, DIMENSION, 1)
    give_up_s = time.monotonic() + 20
    while not sink.records:
        assert time.monotonic() < give_up_s
        time.sleep(0.005)
    usage.close()
    assert "flushing failed and is tried again" in caplog.text


def test_at_exit_without_threads_puts_are_made_one_after_the_other(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """From Python 3.12 on, no thread can be begun while the interpreter goes down."""
    from marketplace_metering.recorder.sinks.dynamodb import in_threads

    def refuse(_self: threading.Thread) -> None:
        raise RuntimeError("can't create new thread at interpreter shutdown")

    monkeypatch.setattr(threading.Thread, "start", refuse)
    done: list[int] = []
    in_threads([lambda: done.append(1), lambda: done.append(2)])
    assert done == [1, 2]


def test_constants_keep_an_hour_in_time() -> None:
    from marketplace_metering.core.policy import Policy
    from marketplace_metering.recorder.settings import FLUSH_INTERVAL_LONGEST_S

    assert Policy().grace.total_seconds() >= 2 * FLUSH_INTERVAL_LONGEST_S
    assert module.ADOPT_EVERY_S <= FLUSH_INTERVAL_LONGEST_S
    assert os.name == "posix"
