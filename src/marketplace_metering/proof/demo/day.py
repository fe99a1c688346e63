"""The day, hour by hour, in a world of the proof: record what arrived, seal, submit, tell people.

The process crashes and begins again; after each hour the auditor of the proof looks at the books.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from marketplace_metering.core.policy import Policy
from marketplace_metering.jobs.record import record
from marketplace_metering.ports import OpenStore, Ports
from marketplace_metering.proof.demo.audit import read_input
from marketplace_metering.proof.demo.aws_over_http import HttpLine
from marketplace_metering.proof.demo.listings import AWS_IS_DOWN, CAST, DAY_BEGINS
from marketplace_metering.proof.demo.usage_file import FILE_NAME, Arrivals
from marketplace_metering.proof.worlds.applications import Input
from marketplace_metering.proof.worlds.aws import FAULTS
from marketplace_metering.proof.worlds.fault_mix import Mix
from marketplace_metering.proof.worlds.safety import Violation
from marketplace_metering.proof.worlds.snapshot import Snapshot
from marketplace_metering.proof.worlds.sqlite_store import SqliteShop
from marketplace_metering.proof.worlds.timeline import us
from marketplace_metering.proof.worlds.world import Work, World
from marketplace_metering.simulator import Readings

# When the hourly job runs: after the grace of five minutes.
RUN_AT = timedelta(minutes=5, seconds=30)
HOUR = timedelta(hours=1)
RESTART_S = 30
# A day after the last usage its last deadline is over.
LAST_HOUR = datetime(2026, 12, 3, tzinfo=UTC)

STEPS_PER_CRASH = 2_000
PERCENT = 3  # of the requests, for each kind of fault; outage and suspension come on top


class Progress(NamedTuple):
    """What has happened so far."""

    now: datetime
    lines_read: int = 0
    windows_billed: int = 0
    faults: int = 0
    crashes: int = 0
    alarms: int = 0


class Day(World):
    """A world with the seller's listings and usage, in which one process meters."""

    def __init__(self, seed: int, store_path: str, lines: list[str]) -> None:
        mix = Mix(
            seed=seed,
            starts_at=DAY_BEGINS,
            hours=24,
            policy=Policy(),
            readings=Readings(),
            one_in={"crash": STEPS_PER_CRASH},
            percent=dict.fromkeys(FAULTS, PERCENT),
            outages=(AWS_IS_DOWN._replace(what="error before the work"),),
        )
        super().__init__(mix, lambda steps, _seed: SqliteShop(steps, store_path), CAST)
        self.processes = [self.process] = self.processes[:1]
        self.arrivals = Arrivals(lines)
        self.input = read_input(lines)
        self.usage = Input(FILE_NAME, is_confirmed=True)
        self.auditor.recorded.inputs.append(self.usage)
        self.violations: set[str] = set()
        self.books = self.shop.books()

    def live(self, line: HttpLine, on_hour: Callable[[Progress], None]) -> None:
        """Meter every hour until all usage is settled; then a person clears what is unresolved."""
        self.process.marketplace = self.line = line
        hour = DAY_BEGINS
        while not self.arrivals.are_over or open_records(self.books, "sealed", "parked"):
            hour += HOUR
            assert hour < LAST_HOUR, "usage is pending after its last deadline"
            self.pass_until(us(hour + RUN_AT))
            self.record()
            self.seal()
            self.check(self.audit)
            on_hour(self.progress(hour + RUN_AT))
        self.run(
            "the operator",
            lambda ports, opened: self.person.settle(opened, ports.clock, self.shop.books()),
        )
        self.seal()  # which tells people
        self.perils.is_calm = True
        self.check(self.audit_at_rest)

    def record(self) -> None:
        """Hand over what arrived since the last hour."""
        numbers = self.arrivals.until(self.process.clock.now())

        def work(ports: Ports, _opened: OpenStore) -> str:
            done = record(ports.store, ports.clock, FILE_NAME, self.arrivals.pieces(numbers))
            return f"{done.added} added"

        self.run("records", work)

    def ring(self) -> None:
        """The doorbell is heard at once."""
        self.submit()

    def run(self, kind: str, work: Work, what: str = "") -> bool:
        """As in any world; but after a crash a new process opens the file and does it again."""
        while not super().run(kind, work, what):
            self.pass_s(RESTART_S)
        return True

    def look(self) -> None:
        """Not after every run, as in other worlds: after every hour."""

    def check(self, audit: Callable[[Snapshot], None]) -> None:
        """Compare the books; what is wrong is kept, to be shown in the end."""
        self.books = self.shop.books()
        self.usage.bad = [text for _source, text in self.books.refused_inputs]
        refused = set(self.usage.bad)
        arrived = (line for line in self.input if line.number < self.arrivals.read_count)
        self.usage.good = [e.written for e in arrived if e.written and e.text not in refused]
        try:
            self.auditor.look_at_aws()
            audit(self.books)
        except Violation as violation:
            self.violations.add(str(violation))

    @property
    def crashes(self) -> Counter[str]:
        """How often the process died, and where."""
        return self.perils.crashes + self.line.perils.crashes

    @property
    def injected(self) -> Counter[str]:
        """How often AWS, or the way to it, failed."""
        faults = +self.aws.faults
        faults[AWS_IS_DOWN.what] = faults.pop("in an outage", 0)
        return faults

    def progress(self, now: datetime) -> Progress:
        """The counters after the run of this hour."""
        return Progress(
            now=now,
            lines_read=self.arrivals.read_count,
            windows_billed=len(self.aws.simulator.accepted),
            faults=self.injected.total(),
            crashes=self.crashes.total(),
            alarms=sum(alarm.is_delivered for alarm in self.books.alarms),
        )


def open_records(books: Snapshot, *states: str) -> int:
    """Usage records that are pending, or in an entry that is in one of these states."""
    open_entries = {entry.name for entry in books.entries if entry.state in states}
    return sum(
        row.failure is None if row.entry is None else row.entry in open_entries
        for row in books.usage
    )
