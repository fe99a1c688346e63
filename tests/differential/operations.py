"""What a seller, AWS and time do with a store: each a value that is told in one line.

An operation finds what it works on through the store's own reports, so that both stores are asked
the same; it answers what a caller would be told.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, fields, is_dataclass, replace
from typing import Protocol

from marketplace_metering.core.ledger import Entry
from marketplace_metering.core.plan import Plan, plan
from marketplace_metering.core.policy import Scope
from marketplace_metering.core.record import UsageRecord
from marketplace_metering.core.views import EntryFilter, RecordView
from marketplace_metering.files.json_lines import read_json
from marketplace_metering.jobs.correct import Finding, repair, resolve, retry, write_off
from marketplace_metering.jobs.deliver_alarms import deliver_alarms
from marketplace_metering.jobs.licenses import give
from marketplace_metering.jobs.looking_through import Looking
from marketplace_metering.jobs.record import record
from marketplace_metering.jobs.seal import seal
from marketplace_metering.jobs.submit import submit
from marketplace_metering.ports import Taken
from tests.differential.scripted_aws import Weather
from tests.differential.side import Side
from tests.differential.views import is_tied, is_tied_within, key_text, meter_text, record_text

EVERYTHING = EntryFilter()
BUYERS = ("111122223333", "999900001111")


class Operation(Protocol):
    """One step of a story."""

    def run(self, side: Side) -> Sequence[str]:
        """Do it; what was answered, line by line."""


@dataclass(frozen=True, slots=True)
class RecordFile:
    """An input of JSON Lines is recorded."""

    source: str
    lines: tuple[str, ...]

    def run(self, side: Side) -> Sequence[str]:
        report = record(side.store, side.clock, self.source, read_json(self.lines))
        refused = sorted(map(str, report.refusals))
        return [_said(report, without=("refusals",)), *refused]

    def __str__(self) -> str:
        return f"record {self.source}" + "".join(f"\n        {line}" for line in self.lines)


@dataclass(frozen=True, slots=True)
class RecordDirectly:
    """An application records usage through the port."""

    source: str
    usage: tuple[UsageRecord, ...]

    def run(self, side: Side) -> Sequence[str]:
        taken: Taken = side.store.intake(self.source, side.clock.now()).add(self.usage)
        clashes = sorted(f"{meter_text(u.meter)}: {problem}" for u, problem in taken.clashes)
        return [str(taken._replace(clashes=())), *clashes]

    def __str__(self) -> str:
        said = [f"{u.quantity} {meter_text(u.meter)} at {u.created_ns}" for u in self.usage]
        return f"record directly from {self.source}: " + "; ".join(said)


@dataclass(frozen=True, slots=True)
class Wait:
    """Time passes."""

    minutes: int

    def run(self, side: Side) -> Sequence[str]:
        side.clock.advance(minutes=self.minutes)
        return []

    def __str__(self) -> str:
        return f"{self.minutes} minutes pass"


@dataclass(frozen=True, slots=True)
class Seal:
    """The metering job."""

    scope: Scope

    def run(self, side: Side) -> Sequence[str]:
        return [_said(seal(side.ports, side.policy, self.scope))]

    def __str__(self) -> str:
        return f"seal {self.scope}"


@dataclass(frozen=True, slots=True)
class SealAtOnce:
    """Two jobs read the same books, and both would store what they planned."""

    def run(self, side: Side) -> Sequence[str]:
        now = side.clock.now()
        answers = []
        for plans in [self._plans(side), self._plans(side)]:
            stored = side.store.append(plans, now)
            keys = (str(each.book.key) for each in plans)
            answers.append(str(sorted(zip(keys, stored, strict=True))))
        return answers

    def _plans(self, side: Side) -> list[Plan]:
        now = side.clock.now()
        looked_through = Looking.begin(side.store, now).hour
        found = [
            plan(book, groups, now, side.policy, Scope.CLOSED_HOURS, looked_through)
            for book, groups in side.store.pending(now, side.policy)
        ]
        return [each for each in found if each.changes_ledger]

    def __str__(self) -> str:
        return "seal, by two jobs at once"


@dataclass(frozen=True, slots=True)
class Submit:
    """The metering processor, and how AWS answers it.

    Faults of whole requests need an order of requests, and the halving of one an order of entries.
    Where deadlines leave those open, AWS has no such faults.
    """

    weather: Weather

    def run(self, side: Side) -> Sequence[str]:
        entries = [each.entry for each in side.reports.entries(EVERYTHING)]
        weather = self.weather
        if is_tied(entries):
            weather = replace(weather, requests=())
        if is_tied_within(entries):
            weather = replace(weather, knows_all_dimensions=True)
        side.aws.begin(weather)
        report = submit(side.ports, side.policy)
        # The embedded store's marks are a view of its ledger: it writes none.
        return [_said(report, without=("written_back",))]

    def __str__(self) -> str:
        return f"submit  (AWS: {self.weather})"


@dataclass(frozen=True, slots=True)
class WriteBack:
    """Marks are brought up to the ledger."""

    def run(self, side: Side) -> Sequence[str]:
        side.store.write_back(None)
        return []

    def __str__(self) -> str:
        return "write back"


@dataclass(frozen=True, slots=True)
class Deliver:
    """People are told."""

    def run(self, side: Side) -> Sequence[str]:
        deliver_alarms(side.ports)
        told = sorted(map(str, side.told.alarms))
        side.told.alarms.clear()
        return told

    def __str__(self) -> str:
        return "deliver alarms"


@dataclass(frozen=True, slots=True)
class Restart:
    """The process ends and another one begins."""

    def run(self, side: Side) -> Sequence[str]:
        side.restart()
        return []

    def __str__(self) -> str:
        return "the process starts again"


@dataclass(frozen=True, slots=True)
class GiveLicense:
    """A person gives a licence to a product code."""

    license_arn: str
    product: str

    def run(self, side: Side) -> Sequence[str]:
        return [str(give(side.opened, self.license_arn, self.product, side.clock.now()))]

    def __str__(self) -> str:
        return f"give the licence to {self.product}"


@dataclass(frozen=True, slots=True)
class Retry:
    """Ann tries refused usage again."""

    which: EntryFilter = EVERYTHING

    def run(self, side: Side) -> Sequence[str]:
        now = side.clock.now()
        return [_said(retry(side.opened, self.which, now))]

    def __str__(self) -> str:
        return f"Ann retries {_which(self.which)}"


@dataclass(frozen=True, slots=True)
class Resolve:
    """Ann finds out what became of unresolved windows."""

    is_billed: bool

    def run(self, side: Side) -> Sequence[str]:
        now = side.clock.now()
        found = Finding(self.is_billed, "Ann", "CloudTrail")
        return _entries(resolve(side.opened, EVERYTHING, found, now))

    def __str__(self) -> str:
        return f"Ann resolves all as {'' if self.is_billed else 'not '}billed"


@dataclass(frozen=True, slots=True)
class WriteOff:
    """Ann gives usage up."""

    which: EntryFilter = EVERYTHING

    def run(self, side: Side) -> Sequence[str]:
        now = side.clock.now()
        return _entries(write_off(side.opened, self.which, "Ann", "goodwill", now))

    def __str__(self) -> str:
        return f"Ann writes off {_which(self.which)}"


@dataclass(frozen=True, slots=True)
class Repair:
    """Ann corrects one of the usage records: the one of that number, counted round."""

    number: int
    name: str
    correct: Callable[[UsageRecord], UsageRecord]

    def run(self, side: Side) -> Sequence[str]:
        seen = sorted(self._records(side), key=_listed_first)
        if not seen:
            return ["there is none"]
        chosen = seen[self.number % len(seen)]
        right = self.correct(chosen.record)
        done = repair(side.opened, chosen, right, side.clock.now())
        return [record_text(chosen), str(done)]

    def _records(self, side: Side) -> list[RecordView]:
        found: list[RecordView] = []
        for account in BUYERS:
            found += side.reports.records_at(account, 0, 2**62)
        return found

    def __str__(self) -> str:
        return f"Ann repairs usage record no. {self.number}: {self.name}"


def _listed_first(seen: RecordView) -> tuple[bool, str]:
    return not seen.metering_failed, record_text(seen)


def _entries(done: Sequence[Entry]) -> list[str]:
    return sorted(f"{key_text(entry.key)}: {entry}" for entry in done)


def _which(which: EntryFilter) -> str:
    said = {name: value for name, value in asdict(which).items() if value is not None}
    return str(said) if said else "everything"


def _said(report: object, without: Sequence[str] = ()) -> str:
    assert is_dataclass(report)
    told = {each.name: getattr(report, each.name) for each in fields(report)}
    return ", ".join(
        f"{name} {_plain(value)}" for name, value in told.items() if name not in without
    )


def _plain(value: object) -> object:
    """A Counter's order is that of counting."""
    return sorted(value.items()) if isinstance(value, dict) else value
