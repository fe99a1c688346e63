"""The day, hour by hour: record what arrived, seal, submit, tell people; crash and begin again."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TypeVar

from marketplace_metering.adapters.aws.metering_api import MarketplaceApi
from marketplace_metering.adapters.sqlite import SqliteStore
from marketplace_metering.adapters.sqlite.corrections import SqliteCorrections
from marketplace_metering.adapters.sqlite.reports import SqliteReports
from marketplace_metering.core.policy import Policy
from marketplace_metering.jobs.deliver_alarms import deliver_alarms
from marketplace_metering.jobs.record import record
from marketplace_metering.jobs.seal import seal
from marketplace_metering.jobs.submit import submit
from marketplace_metering.ports import Notifier, OpenStore, Ports, Store
from marketplace_metering.proof.demo.crashes import Crash, perilous
from marketplace_metering.proof.demo.listings import DAY_BEGINS
from marketplace_metering.proof.demo.operator import LookUps, clear_unresolved
from marketplace_metering.proof.demo.usage_file import FILE_NAME, Arrivals
from marketplace_metering.proof.demo.world import DemoWorld

# When the hourly job runs: after the grace of five minutes.
RUN_AT = timedelta(minutes=5, seconds=30)
HOUR = timedelta(hours=1)
RESTART = timedelta(seconds=30)
# A day after the last usage its last deadline is over.
LAST_HOUR = datetime(2026, 12, 3, tzinfo=UTC)

Result = TypeVar("Result")


@dataclass(slots=True)
class Progress:
    """What has happened so far."""

    now: datetime
    lines_read: int = 0
    windows_billed: int = 0
    faults: int = 0
    crashes: int = 0
    alarms: int = 0


class Day:
    """One run of the demo."""

    def __init__(
        self, world: DemoWorld, lines: list[str], on_hour: Callable[[Progress], None]
    ) -> None:
        self.world = world
        self.policy = Policy()
        self.arrivals = Arrivals(lines)
        self.on_hour = on_hour
        self.store = SqliteStore(world.store_path)

    def run(self) -> LookUps:
        """Meter every hour until all usage is settled; then a person clears what is unresolved."""
        hour = DAY_BEGINS
        while not (self.arrivals.are_over and self.is_settled()):
            hour += HOUR
            assert hour < LAST_HOUR, "usage is pending after its last deadline"
            self.world.clock.move_to(hour + RUN_AT)
            self.meter()
            self.on_hour(self.progress(hour + RUN_AT))
        done = LookUps()
        self.survive(lambda ports: clear_unresolved(self.world, self.opened(ports), done))
        self.survive(deliver_alarms)
        return done

    def meter(self) -> None:
        """What the hourly job does, with a process that may crash at any point of it."""
        numbers = self.arrivals.until(self.world.clock.now())
        clock = self.world.clock
        self.survive(
            lambda ports: record(ports.store, clock, FILE_NAME, self.arrivals.pieces(numbers))
        )
        self.survive(lambda ports: seal(ports, self.policy))
        self.survive(lambda ports: submit(ports, self.policy))
        self.survive(deliver_alarms)

    def survive(self, step: Callable[[Ports], Result]) -> Result:
        """Take a step; after a crash a new process opens the file and takes it again."""
        while True:
            try:
                return step(self.process())
            except Crash:
                self.store.close()
                self.world.clock.sleep(RESTART.total_seconds())
                self.store = SqliteStore(self.world.store_path)

    def process(self) -> Ports:
        """The ports of a process, all of them dangerous."""
        world = self.world
        api = MarketplaceApi(world.client, world.clock, self.policy.requests_per_second)
        store: Store = self.store
        pager: Notifier = world.pager
        return Ports(
            perilous(store, world.peril, "the store"),
            perilous(world.weather.over(api), world.peril, "AWS"),
            world.clock,
            perilous(pager, world.peril, "the pager"),
        )

    def opened(self, ports: Ports) -> OpenStore:
        """The store of a process, as a person works with it."""
        corrections = SqliteCorrections(self.store.connection, self.store.identities)
        return OpenStore(ports.store, self.reports, corrections)

    @property
    def reports(self) -> SqliteReports:
        """The reading side of the file."""
        return SqliteReports(self.store.connection)

    def is_settled(self) -> bool:
        """Whether nothing is pending, sealed or parked any more."""
        return all(
            part.records == 0
            for balance in self.reports.balances()
            for part in (balance.pending, balance.sealed, balance.parked)
        )

    def progress(self, now: datetime) -> Progress:
        """The counters after the run of this hour."""
        world = self.world
        return Progress(
            now=now,
            lines_read=self.arrivals.read_count,
            windows_billed=len(world.ask_aws("usage")["usage"]),
            faults=world.weather.injected.total(),
            crashes=world.peril.crashes.total(),
            alarms=len(world.pager.alarms),
        )
