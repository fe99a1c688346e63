"""A whole world in one process: a real store, real boto3 client, simulated AWS, settable time."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from datetime import UTC, datetime
from functools import cache, partial
from typing import Any

import pytest

from marketplace_metering.adapters.aws.metering_api import MarketplaceApi, connect
from marketplace_metering.core.balance import Balance
from marketplace_metering.core.batch import Batch
from marketplace_metering.core.ledger import Alarm, Entry, EntryKey, State
from marketplace_metering.core.outcome import Answered, Lost, RequestRefused
from marketplace_metering.core.policy import Policy, Scope
from marketplace_metering.core.quantity import Quantity, total
from marketplace_metering.core.record import UsageRecord
from marketplace_metering.core.views import EntryFilter
from marketplace_metering.files.json_lines import read_json
from marketplace_metering.jobs.deliver_alarms import deliver_alarms
from marketplace_metering.jobs.record import RecordReport, record
from marketplace_metering.jobs.seal import SealReport, seal
from marketplace_metering.jobs.submit import SubmitReport, submit
from marketplace_metering.ports import Ports, Taken
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
from tests.support.stores import KINDS, SQLITE, TestedStore, new_store

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


class MeteringWorld:
    """One seller, one store, one AWS."""

    def __init__(
        self, stored: TestedStore, clock: Clock, policy: Policy, readings: Readings
    ) -> None:
        self.clock = clock
        self.policy = policy
        self.simulator = MarketplaceSimulator(readings=readings)
        self.aws = FaultySimulator(self.simulator)
        self.sent = Recorded(self.aws, self.clock, policy.requests_per_second)
        self.told = Collector()
        self.is_alone = True  # no other software meters the same product
        self.store_kind = stored.kind
        self.catch_up = stored.catch_up
        self.opened = stored.opened
        self.store = stored.opened.store
        self.reports = stored.opened.reports
        self.ports = Ports(self.store, self.sent, self.clock, self.told)

    @contextmanager
    def step(self) -> Iterator[None]:
        """One thing that somebody does: indexes may show what it wrote only when it is over."""
        try:
            yield
        finally:
            self.catch_up()

    def record(self, *usage: UsageRecord) -> Taken:
        with self.step():
            return self.store.intake("app", self.clock.now()).add(usage)

    def record_file(self, source: str, lines: Sequence[str]) -> RecordReport:
        """Record an input of JSON Lines."""
        with self.step():
            return record(self.store, self.clock, source, read_json(lines))

    def seal(self, scope: Scope = Scope.CLOSED_HOURS) -> SealReport:
        with self.step():
            return seal(self.ports, self.policy, scope)

    def submit(self) -> SubmitReport:
        with self.step():
            report = submit(self.ports, self.policy)
            deliver_alarms(self.ports)
            return report

    def run(self, scope: Scope = Scope.CLOSED_HOURS) -> SubmitReport:
        """Seal and submit in one process, in one step."""
        with self.step():
            seal(self.ports, self.policy, scope)
            report = submit(self.ports, self.policy)
            deliver_alarms(self.ports)
            return report

    def at(self, text: str) -> None:
        """Move on to an instant."""
        assert utc(text) >= self.clock.at, "time does not run backwards"
        self.clock.at = utc(text)

    def entries(self) -> list[Entry]:
        return [view.entry for view in self.reports.entries(EntryFilter())]

    def entry(self) -> Entry:
        (only,) = self.entries()
        return only

    def balances(self) -> Sequence[Balance]:
        return self.reports.balances()

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
    at: str = "12:30",
    policy: Policy | None = None,
    readings: Readings | None = None,
    store_kind: str = SQLITE,
) -> Iterator[MeteringWorld]:
    """A world that begins at an instant."""
    clock = Clock(utc(at))
    with new_store(store_kind, clock) as stored:
        yield MeteringWorld(stored, clock, policy or Policy(), readings or Readings())


OpenWorld = Callable[..., AbstractContextManager[MeteringWorld]]


@pytest.fixture(params=KINDS)
def store_kind(request: pytest.FixtureRequest) -> str:
    """Over which store: what holds of one holds of every one."""
    kind: str = request.param
    return kind


@pytest.fixture
def open_world(store_kind: str) -> OpenWorld:
    """Opens new worlds over that store, as `new_world` does."""
    return partial(new_world, store_kind=store_kind)
