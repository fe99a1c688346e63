"""Real processes of the real command on a machine whose clock is wrong, and jumps while they run.

The whole process sees the false time: Python, SQLite and the signatures of botocore alike. AWS's
clock is right. Whatever a process took the time to be, once the clock is set every unit is billed
once (money rules 1, 2, 3, 5, 6 and 7).
"""

from __future__ import annotations

import importlib.util
import os
import random
import re
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from marketplace_metering.adapters.sqlite import SqliteStore
from marketplace_metering.adapters.sqlite.reports import SqliteReports
from marketplace_metering.simulator import MarketplaceSimulator, Readings
from marketplace_metering.simulator.clock import SimulatorClock
from marketplace_metering.simulator.server import Running, running
from tests.processes.test_kill import Forker, accepted, assert_books_agree, forking, write_usage

LIBRARY = importlib.util.find_spec("libfaketime")

pytestmark = pytest.mark.skipif(LIBRARY is None, reason="libfaketime is built for Linux on x86-64")

BEGIN = datetime(2026, 11, 17, 10, 20, tzinfo=UTC)  # so that no month ends meanwhile
ROUNDS = 20


class MachineClock:
    """The wall clock of all processes that are started with `environment`. Timers run as ever."""

    def __init__(self, file: Path, simulator: SimulatorClock) -> None:
        self._file = file
        self._simulator = simulator
        self.is_off_by(timedelta(0))

    def is_off_by(self, error: timedelta) -> None:
        """Set it: from now on it differs from AWS's clock by this much."""
        offset = self._simulator.now() + error - datetime.now(UTC)
        new = self._file.with_suffix(".new")
        new.write_text(f"{offset.total_seconds():+f}\n")
        new.replace(self._file)

    def environment(self) -> dict[str, str]:
        """For processes that shall see it."""
        assert LIBRARY is not None and LIBRARY.origin is not None
        library = Path(LIBRARY.origin).parent / "vendor/libfaketime/src/libfaketime.so.1"
        return {
            "LD_PRELOAD": str(library),
            "FAKETIME_TIMESTAMP_FILE": str(self._file),
            "FAKETIME_NO_CACHE": "1",
            "DONT_FAKE_MONOTONIC": "1",
        }


@pytest.fixture(params=["success", "duplicate"])
def aws(request: pytest.FixtureRequest) -> Iterator[Running]:
    """Both readings of what AWS answers to an identical resend [Q2]."""
    readings = Readings(identical_retry=request.param)
    rules = MarketplaceSimulator(readings=readings, requests_per_second=None)
    with running(rules, SimulatorClock(BEGIN)) as server:
        yield server


def test_a_clock_that_jumps_while_runs_are_killed(aws: Running, tmp_path: Path) -> None:
    """Record a little, run while the clock is wrong and becomes otherwise wrong; then set it."""
    rng = random.Random(32)
    store = f"sqlite:///{tmp_path}/metering.db"
    clock = MachineClock(tmp_path / "clock", aws.clock)
    recorded: Counter[tuple[str, str, str]] = Counter()
    ends: Counter[int] = Counter()
    with forking(aws.url, clock.environment()) as metering:
        for number in range(ROUNDS):
            clock.is_off_by(timedelta(0))
            usage = tmp_path / f"usage-{number}.jsonl"
            recorded += write_usage(usage, 40, rng, number * 20, aws.clock.now())
            assert metering.run("record", str(usage), "--store", store) == 0
            clock.is_off_by(drawn(rng))
            pid = metering.start("run", "--store", store)
            time.sleep(rng.uniform(0.0, 0.08))
            clock.is_off_by(drawn(rng))
            if rng.random() < 0.3:
                os.kill(pid, signal.SIGKILL)
            ends[metering.wait()] += 1
        assert ends[-signal.SIGKILL] and ends[0], f"this shows nothing: {ends}"
        run_for_eight_days(clock, aws, metering, store)
    assert not accepted(aws.simulator) - recorded, "more is billed than was used"
    assert not aws.simulator.audit.windows_with_two_contents()
    assert not aws.simulator.audit.billed_twice
    books = SqliteStore(str(tmp_path / "metering.db"))
    balances = SqliteReports(books.connection).balances()
    books.close()
    for each in balances:
        # A run that was killed left a window unanswered, and the clock then passed its deadline.
        unresolved = each.unresolved.quantity
        assert each.is_balanced
        assert each.billed.quantity + each.presumed.quantity + unresolved == each.recorded.quantity


def test_a_clock_that_is_days_ahead_is_named_and_costs_nothing(
    aws: Running, tmp_path: Path
) -> None:
    """It carries usage into windows of days to come, and AWS refuses those. None of it is given up,
    even if the clock then passes their deadlines.
    """
    store = f"sqlite:///{tmp_path}/metering.db"
    clock = MachineClock(tmp_path / "clock", aws.clock)
    usage = tmp_path / "usage.jsonl"
    recorded = write_usage(usage, 40, random.Random(41), 0, aws.clock.now())
    with forking(aws.url, clock.environment()) as metering:
        assert metering.run("record", str(usage), "--store", store) == 0
        clock.is_off_by(timedelta(days=2))
        command = [sys.executable, "-m", "marketplace_metering", "run", "--store", store]
        ran = subprocess.run(
            command,
            env=metering.environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert ran.returncode == 4
        said = r"this machine's clock is 2 days, 0:00:\d\d ahead of AWS's: set it"
        assert re.search(said, ran.stderr), ran.stderr
        assert not accepted(aws.simulator)
        clock.is_off_by(timedelta(days=4))
        assert metering.run("run", "--store", store) == 3, "windows are given back: people are told"
        run_for_eight_days(clock, aws, metering, store)
    assert_books_agree(recorded, aws, tmp_path / "metering.db")


def run_for_eight_days(clock: MachineClock, aws: Running, metering: Forker, store: str) -> None:
    """The clock is right from now on: what was carried into days to come is billed, too."""
    for _half_day in range(2 * 8):
        clock.is_off_by(timedelta(0))
        assert metering.run("run", "--store", store) == 0
        aws.clock.advance(12 * 3_600)


def drawn(rng: random.Random) -> timedelta:
    """A clock that is right, or off by minutes, hours or days."""
    longest_s = rng.choice((0, 600, 7_200, 86_400, 7 * 86_400))
    return timedelta(seconds=rng.uniform(-longest_s, longest_s))
