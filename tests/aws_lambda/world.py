"""The handlers' world in a test: real use cases over an in-memory store and the simulator."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from marketplace_metering.adapters.aws.metering_api import MarketplaceApi, connect
from marketplace_metering.adapters.sqlite import SqliteStore
from marketplace_metering.adapters.sqlite.reports import SqliteReports
from marketplace_metering.aws_lambda.app import AllNotifiers, App
from marketplace_metering.aws_lambda.telemetry import MetricNotifier
from marketplace_metering.core.ledger import Alarm
from marketplace_metering.core.policy import Policy
from marketplace_metering.ports import Ports
from marketplace_metering.simulator import MarketplaceSimulator
from marketplace_metering.simulator.faults import FaultySimulator
from marketplace_metering.simulator.in_process import attach
from tests.support.build import usage
from tests.support.clock import Clock

EVENTS = Path(__file__).parent / "events"


def event(name: str) -> Any:
    """An event as AWS sends it."""
    return json.loads((EVENTS / f"{name}.json").read_text())


@dataclass
class Bell:
    """Counts its rings."""

    rings: int = 0

    def ring(self) -> None:
        self.rings += 1


@dataclass
class Successors:
    """Keeps what it was to start."""

    events: list[Mapping[str, object]] = field(default_factory=list)

    def start(self, event: Mapping[str, object]) -> None:
        self.events.append(event)


@dataclass
class People:
    """Those who are told; they may be out of reach."""

    alarms: list[Alarm] = field(default_factory=list)
    are_away: bool = False

    def notify(self, alarms: Sequence[Alarm]) -> None:
        if self.are_away:
            raise ConnectionError("nobody answers")
        self.alarms += alarms


@dataclass
class Gauges:
    """Read from the store that the test uses."""

    reports: SqliteReports
    deadline: datetime | None = None

    def oldest_pending_at(self) -> datetime | None:
        return self.reports.oldest_pending_at()

    def earliest_deadline(self) -> datetime | None:
        return self.deadline


@dataclass
class Context:
    """Lambda's context; the time left runs with the test's clock."""

    clock: Clock
    ends_at: datetime

    def get_remaining_time_in_millis(self) -> int:
        return max(0, int((self.ends_at - self.clock.now()).total_seconds() * 1_000))


class LambdaWorld:
    """Everything around a handler."""

    def __init__(self, now: datetime, policy: Policy | None = None) -> None:
        self.clock = Clock(now)
        self.store = SqliteStore(":memory:")
        self.bell = Bell()
        self.successors = Successors()
        self.people = People()
        self.simulator = MarketplaceSimulator(requests_per_second=None)
        self.faults = FaultySimulator(self.simulator)
        self.gauges = Gauges(SqliteReports(self.store.connection))
        client = connect("us-east-1")
        attach(client, self.faults, self.clock.now, self.clock.sleep)
        api = MarketplaceApi(client, self.clock, 5)
        everyone = AllNotifiers(self.people, MetricNotifier())
        self.app = App(
            Ports(self.store, api, self.clock, everyone),
            policy or Policy(),
            self.bell,
            self.gauges,
            self.successors,
        )

    def context(self, seconds: float = 900) -> Context:
        """A context with so much time left."""
        return Context(self.clock, self.clock.now() + timedelta(seconds=seconds))

    def record(self, used_at: str, amount: str | int = 1, **more: Any) -> None:
        """The application records usage."""
        source = f"{used_at} {amount} {more}"
        self.store.intake(source, self.clock.now()).add([usage(used_at, amount, **more)])
