"""The application of the demo, killed again and again, and the audit of what it recorded.

Here time is real, and so are the processes and their deaths (`kill -9`).
"""

from __future__ import annotations

import subprocess
import sys
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from marketplace_metering.adapters.aws.metering_api import MarketplaceApi
from marketplace_metering.adapters.machine import LogNotifier, SystemClock
from marketplace_metering.adapters.sqlite import SqliteStore
from marketplace_metering.adapters.sqlite.reports import SqliteReports
from marketplace_metering.core.policy import Policy, Scope
from marketplace_metering.jobs.seal import seal
from marketplace_metering.jobs.submit import submit
from marketplace_metering.ports import Ports
from marketplace_metering.proof.demo import application
from marketplace_metering.proof.demo.application import ORDERS, ORDERS_PER_WORD
from marketplace_metering.proof.demo.audit import MICROS
from marketplace_metering.proof.demo.aws_over_http import connect
from marketplace_metering.simulator.server import running

KILLED_AT = (450, 900, 1_550)  # orders done


@dataclass(frozen=True, slots=True)
class Restarts:
    """What the application did, and what became of it."""

    used: int  # in millionths, as all quantities here
    recorded: int
    billed: int
    orders: int = ORDERS
    kills: int = len(KILLED_AT)
    # Acknowledged and nevertheless recorded again, at least.
    repeated: int = len(KILLED_AT) * ORDERS_PER_WORD

    @property
    def is_exact(self) -> bool:
        """Whether every order is billed once."""
        return self.used == self.recorded == self.billed


def restarts(folder: Path) -> Restarts:
    """Run the application to its end through three kills, then meter what it recorded."""
    store_path = folder / "application.db"
    ended_at = datetime.now(UTC)
    first = 0
    for killed_at in (*KILLED_AT, None):
        _run(store_path, folder / "spool", first, ended_at, killed_at)
        # Begin a little earlier than needed, as a worker does that is not sure.
        first = 0 if killed_at is None else killed_at - ORDERS_PER_WORD
    used = sum(map(application.quantity, range(ORDERS))) * MICROS
    return Restarts(used, *_meter(store_path))


def _run(
    store_path: Path, spool: Path, first: int, ended_at: datetime, killed_at: int | None
) -> None:
    """One life of the application; it is killed once it has said that it came so far."""
    arguments = [f"sqlite:///{store_path}", str(spool), str(first), ended_at.isoformat()]
    command = [sys.executable, "-m", application.__name__, *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:  # noqa: S603
        assert process.stdout is not None
        for line in process.stdout:
            if killed_at is not None and int(line) >= killed_at:
                process.kill()
                break
    if killed_at is None:
        assert process.returncode == 0, "the application of the demo failed"


def _meter(store_path: Path) -> tuple[int, int]:
    """What is recorded, and what AWS bills of it."""
    clock, policy = SystemClock(), Policy()
    with (
        closing(SqliteStore(str(store_path))) as store,
        running() as aws,
        closing(connect(aws.url)) as client,
    ):
        api = MarketplaceApi(client, clock, policy.requests_per_second)
        ports = Ports(store, api, clock, LogNotifier())
        seal(ports, policy, Scope.EVERYTHING)
        submit(ports, policy)
        balances = SqliteReports(store.connection).balances()
        recorded = sum(each.recorded.quantity.micros for each in balances)
        return recorded, sum(each.content.quantity for each in aws.simulator.accepted)
