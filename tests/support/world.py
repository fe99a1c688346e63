"""A whole world in one process: real store, real boto3 client, simulated AWS, settable time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import cache
from typing import Any

from marketplace_metering.adapters.aws.metering_api import MarketplaceApi, connect
from marketplace_metering.adapters.sqlite import SqliteStore
from marketplace_metering.adapters.sqlite.reports import SqliteReports
from marketplace_metering.core.balance import Balance
from marketplace_metering.core.batch import Batch
from marketplace_metering.core.ledger import Alarm, Entry, EntryKey, State
from marketplace_metering.core.outcome import Answered, Lost, RequestRefused
from marketplace_metering.core.policy import Policy, Scope
from marketplace_metering.core.quantity import Quantity, total
from marketplace_metering.core.record import UsageRecord
from marketplace_metering.jobs.deliver_alarms import deliver_alarms
from marketplace_metering.jobs.seal import SealReport, seal
from marketplace_metering.jobs.submit import SubmitReport, submit
from marketplace_metering.ports import EntryFilter, Ports, Taken
from marketplace_metering.simulator import (
    Answer,
    FaultySimulator,
    Marketplace,
    MarketplaceSimulator,
    Readings,
)
from marketplace_metering.simulator.audit import Accepted
from marketplace_metering.simulator.in_process import attach
from tests.support.clock import Clock, utc

LONG_AGO = datetime(2026, 1, 1, tzinfo=UTC)


class Collector:
    """A notifier that keeps what it was told."""

    def __init__(self) -> None:
        self.alarms: list[Alarm] = []

    def notify(self, alarms: Sequence[Alarm]) -> None:
        self.alarms.extend(alarms)


class Line:
    """To whom the one client of the test run speaks at present: a client takes long to make."""

    def __init__(self) -> None:
        self.aws: Marketplace = MarketplaceSimulator()
        self.clock = Clock(LONG_AGO)

    def answer(
        self, operation: str, body: bytes | Mapping[str, object], now: datetime, region: str = ""
    ) -> Answer:
        return self.aws.answer(operation, body, self.clock.now(), region)


@cache
def client_and_line() -> tuple[Any, Line]:
    """The real client, answered in this process."""
    client, line = connect(), Line()
    attach(client, line, lambda: line.clock.now(), lambda seconds: line.clock.sleep(seconds))
    return client, line


class Recorded:
    """The real client, which also remembers each batch that left."""

    def __init__(self, aws: Marketplace, clock: Clock, requests_per_second: float) -> None:
        client, self.line = client_and_line()
        self.aws = aws
        self.clock = clock
        self.api = MarketplaceApi(client, clock, requests_per_second)
        self.batches: list[Batch] = []

    def take_turn(self) -> None:
        self.api.take_turn()

    def submit(self, batch: Batch) -> Answered[EntryKey] | RequestRefused | Lost:
        self.batches.append(batch)
        self.line.aws, self.line.clock = self.aws, self.clock
        return self.api.submit(batch)


class EmbeddedWorld:
    """One seller, one store, one AWS."""

    def __init__(self, store: SqliteStore, at: str, policy: Policy, readings: Readings) -> None:
        self.clock = Clock(utc(at))
        self.policy = policy
        self.simulator = MarketplaceSimulator(readings=readings)
        self.aws = FaultySimulator(self.simulator)
        self.sent = Recorded(self.aws, self.clock, policy.requests_per_second)
        self.told = Collector()
        self.is_alone = True  # no other software meters the same product
        self.store = store
        self.ports = Ports(store, self.sent, self.clock, self.told)

    def record(self, *usage: UsageRecord) -> Taken:
        return self.store.intake("app", self.clock.now()).add(usage)

    def seal(self, scope: Scope = Scope.CLOSED_HOURS) -> SealReport:
        return seal(self.ports, self.policy, scope)

    def submit(self) -> SubmitReport:
        report = submit(self.ports, self.policy)
        deliver_alarms(self.ports)
        return report

    def run(self, scope: Scope = Scope.CLOSED_HOURS) -> SubmitReport:
        self.seal(scope)
        return self.submit()

    def at(self, text: str) -> None:
        """Move on to an instant."""
        assert utc(text) >= self.clock.at, "time does not run backwards"
        self.clock.at = utc(text)

    def entries(self) -> list[Entry]:
        found = SqliteReports(self.store.connection).entries(EntryFilter())
        return [view.entry for view in found]

    def entry(self) -> Entry:
        (only,) = self.entries()
        return only

    def balances(self) -> Sequence[Balance]:
        return SqliteReports(self.store.connection).balances()

    def billed(self) -> Quantity:
        """What AWS counts."""
        return total(Quantity(each.content.quantity) for each in self.simulator.accepted)

    def assert_law(self) -> None:
        """Our books balance, and AWS bills exactly what they say, window by window."""
        for balance in self.balances():
            assert balance.is_balanced, balance
        twice = self.simulator.audit.billed_twice
        assert not twice, twice
        if self.is_alone:
            changed = self.simulator.audit.windows_with_two_contents()
            assert not [each for each in changed if each.unsafe]
            assert_agreed(self.entries(), self.simulator.accepted)


def assert_agreed(entries: Sequence[Entry], accepted: Sequence[Accepted]) -> None:
    """AWS has what we call billed, and nothing that we call certainly unbilled."""
    has: dict[tuple[object, ...], int] = {}
    for each in accepted:
        key = tuple(each.window)
        assert key not in has, f"AWS bills {key} twice"
        has[key] = each.content.quantity
    for entry in entries:
        meter = entry.window.meter
        code = None if meter.is_licensed else meter.product
        hour = entry.window.hour.number
        key = (code, meter.license_arn, meter.account, meter.dimension, hour)
        if entry.state is State.RELEASED:
            continue
        billed = has.pop(key, None)
        match entry.state:
            case State.BILLED if entry.metering_record_id is not None:
                assert billed == entry.quantity.micros, f"{entry}: AWS has {billed}"
            case State.PRESUMED:
                assert billed == entry.quantity.micros, f"{entry}: AWS has {billed}"
            case _:
                certainly_not = entry.begun == entry.refused
                assert billed is None or (not certainly_not and billed == entry.quantity.micros)
    assert not has, f"AWS bills what no live entry holds: {has}"


@contextmanager
def new_world(
    at: str = "12:30", policy: Policy | None = None, readings: Readings | None = None
) -> Iterator[EmbeddedWorld]:
    """A world that begins at an instant."""
    store = SqliteStore(":memory:")
    try:
        yield EmbeddedWorld(store, at, policy or Policy(), readings or Readings())
    finally:
        store.close()
