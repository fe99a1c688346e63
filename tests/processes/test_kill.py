"""Real processes of the real command, killed with -9 at random moments, against real HTTP.

Whatever moment it is, the next run takes up what the killed one left: the simulator's books and
ours agree in the end, to the last decimal (money rules 1, 2, 6 and 7).
"""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import IO

import pytest

from marketplace_metering.adapters.sqlite import SqliteStore
from marketplace_metering.adapters.sqlite.reports import SqliteReports
from marketplace_metering.simulator import MarketplaceSimulator, Readings
from marketplace_metering.simulator.server import Running, running

KILLS = int(os.environ.get("METERING_TEST_KILLS", "60"))
MICROS = 1_000_000


class Forker:
    """Starts processes of `metering` and learns how they end."""

    def __init__(
        self, process: subprocess.Popen[str], answers: IO[str], environment: Mapping[str, str]
    ) -> None:
        self.process = process
        self.answers = answers
        self.environment = environment

    def start(self, *arguments: str) -> int:
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(arguments) + "\n")
        self.process.stdin.flush()
        return int(self.answers.readline())

    def wait(self) -> int:
        return int(self.answers.readline().split()[1])

    def run(self, *arguments: str) -> int:
        self.start(*arguments)
        return self.wait()

    def run_and_kill(self, after_s: float, *arguments: str) -> bool:
        """Whether the kill came before the end."""
        pid = self.start(*arguments)
        time.sleep(after_s)
        with suppress(ProcessLookupError):  # it was quicker than the kill
            os.kill(pid, signal.SIGKILL)
        return self.wait() == -signal.SIGKILL


@contextmanager
def forking(url: str, also: Mapping[str, str] | None = None) -> Iterator[Forker]:
    environment = {
        **os.environ,
        **(also or {}),
        "AWS_ENDPOINT_URL_MARKETPLACE_METERING": url,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": "us-east-1",
        "METERING_REQUESTS_PER_SECOND": "1000",
    }
    read_end, write_end = os.pipe()
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.processes.forker", str(write_end)],
        cwd=Path(__file__).parents[2],
        stdin=subprocess.PIPE,
        text=True,
        env=environment,
        pass_fds=(write_end,),
    )
    os.close(write_end)
    with os.fdopen(read_end) as answers:
        try:
            yield Forker(process, answers, environment)
        finally:
            assert process.stdin is not None
            process.stdin.close()
            process.wait()


def write_usage(
    path: Path,
    count: int,
    rng: random.Random,
    first_account: int = 0,
    now: datetime | None = None,
) -> Counter[tuple[str, str, str]]:
    """A file of usage of the last hours, and its sums by product, account and dimension."""
    sums: Counter[tuple[str, str, str]] = Counter()
    now = now or datetime.now(UTC)
    newest = now.replace(minute=0, second=0, microsecond=0) - timedelta(seconds=1)
    with path.open("w") as file:
        for _ in range(count):
            product = rng.choice(["prod-a", "prod-b", "prod-c"])
            account = f"{first_account + rng.randrange(20):012d}"
            dimension = rng.choice(["users", "api_calls"])
            micros = rng.choice([rng.randrange(1, 50) * MICROS, rng.randrange(1, 10**8)])
            at = newest - timedelta(seconds=rng.randrange(3 * 3600))
            sums[product, account, dimension] += micros
            record = {
                "customerAWSAccountId": account,
                "productCode": product,
                "create_timestamp": int(at.timestamp() * 1000),
                "dimension": dimension,
                "quantity": float(Decimal(micros) / MICROS),
                "metering_pending": "true",
            }
            file.write(json.dumps(record) + "\n")
    return sums


def accepted(simulator: MarketplaceSimulator) -> Counter[tuple[str, str, str]]:
    sums: Counter[tuple[str, str, str]] = Counter()
    for each in simulator.accepted:
        window = each.window
        assert window.product_code is not None
        sums[window.product_code, window.buyer, window.dimension] += each.content.quantity
    return sums


@pytest.fixture(params=["success", "duplicate"])
def simulator(request: pytest.FixtureRequest) -> Iterator[Running]:
    """Both readings of what AWS answers to an identical resend [Q2]."""
    readings = Readings(identical_retry=request.param)
    with running(MarketplaceSimulator(readings=readings, requests_per_second=None)) as server:
        yield server


def test_books_balance_whenever_a_run_is_killed(simulator: Running, tmp_path: Path) -> None:
    """Record a little, kill a run at a random moment, again and again; then finish."""
    rng = random.Random(11)
    store = f"sqlite:///{tmp_path}/metering.db"
    recorded: Counter[tuple[str, str, str]] = Counter()
    killed = 0
    with forking(simulator.url) as metering:
        for number in range(KILLS):
            usage = tmp_path / f"usage-{number}.jsonl"
            # Buyers of its own in each round: a sealed window would have to wait for the next hour.
            recorded += write_usage(usage, 40, rng, first_account=number * 20)
            assert metering.run("record", str(usage), "--store", store) == 0
            killed += metering.run_and_kill(
                rng.uniform(0.0, 0.08), "run", "--all", "--store", store
            )
        assert metering.run("run", "--all", "--store", store) == 0
    assert killed >= KILLS // 3, "most runs ended before they were killed: this shows nothing"
    assert_books_agree(recorded, simulator, tmp_path / "metering.db")


def test_input_killed_half_way_is_recorded_once(simulator: Running, tmp_path: Path) -> None:
    """Recording the same file again after a kill adds what is missing and no more."""
    rng = random.Random(12)
    store = f"sqlite:///{tmp_path}/metering.db"
    usage = tmp_path / "usage.jsonl"
    recorded = write_usage(usage, 30_000, rng)
    with forking(simulator.url) as metering:
        killed = sum(
            metering.run_and_kill(rng.uniform(0.05, 0.4), "record", str(usage), "--store", store)
            for _ in range(6)
        )
        assert killed
        assert metering.run("record", str(usage), "--store", store) == 0
        assert metering.run("run", "--all", "--store", store) == 0
    assert_books_agree(recorded, simulator, tmp_path / "metering.db")


def test_runs_side_by_side_share_the_work(simulator: Running, tmp_path: Path) -> None:
    """Four runs on one file at the same time bill every unit once."""
    store = f"sqlite:///{tmp_path}/metering.db"
    usage = tmp_path / "usage.jsonl"
    recorded = write_usage(usage, 2_000, random.Random(13))
    with forking(simulator.url) as metering:
        assert metering.run("record", str(usage), "--store", store) == 0
        for _ in range(4):
            metering.start("run", "--all", "--store", store)
        for _ in range(4):
            assert metering.wait() == 0
    assert_books_agree(recorded, simulator, tmp_path / "metering.db")


def assert_books_agree(
    recorded: Counter[tuple[str, str, str]], server: Running, database: Path
) -> None:
    assert accepted(server.simulator) == recorded
    assert not server.simulator.audit.windows_with_two_contents()
    assert not server.simulator.audit.billed_twice
    store = SqliteStore(str(database))
    balances = SqliteReports(store.connection).balances()
    store.close()
    for balance in balances:
        assert balance.is_balanced
        assert balance.billed.quantity + balance.presumed.quantity == balance.recorded.quantity
