"""What the use cases need from the world; every adapter keeps these contracts.

One store adapter is one consistency boundary: usage records and ledger together. The contract
suite in tests/contract runs against each of them.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple, Protocol

from marketplace_metering.core.balance import Balance
from marketplace_metering.core.batch import Batch
from marketplace_metering.core.hours import UsageHour
from marketplace_metering.core.identity import Meter
from marketplace_metering.core.ledger import Alarm, Change, Entry, EntryKey, State
from marketplace_metering.core.outcome import Answered, Lost, RequestRefused
from marketplace_metering.core.plan import Book, Group, Plan
from marketplace_metering.core.policy import Policy
from marketplace_metering.core.quantity import ZERO, Quantity
from marketplace_metering.core.record import Problem, RefusedInput, UsageRecord


class Clock(Protocol):
    """The time, and the passing of it."""

    def now(self) -> datetime:
        """The present instant, aware, in UTC."""

    def sleep(self, seconds: float) -> None:
        """Return that much later."""


class Taken(NamedTuple):
    """What became of usage records that were handed to a store.

    A store whose answer was lost on its way may count as already there what this very input added.
    """

    added: int = 0
    added_quantity: Quantity = ZERO
    already_there: int = 0  # recorded by an earlier input: not counted again
    clashes: tuple[tuple[UsageRecord, Problem], ...] = ()  # same event id, other content


class Intake(Protocol):
    """One input being recorded: a file, a stream, or one record from the command line.

    Recording the same input again adds only what is not there yet, so that an interrupted one
    can simply be repeated; two equal records *within* one input are two uses.
    """

    def add(self, records: Sequence[UsageRecord]) -> Taken:
        """Record all of them durably.

        Of a call that breaks off some may be recorded, where the store has no transaction that is
        large enough; repeating the input adds the others. Equal instants of one buyer may be kept
        some nanoseconds apart, always in their hour.
        """

    def refuse(self, inputs: Sequence[RefusedInput], now: datetime) -> int:
        """Keep what cannot be metered and raise its alarms; answers how many were new."""


class UsageRecords(Protocol):
    """Where usage records are kept."""

    def intake(self, source: str, now: datetime) -> Intake:
        """Begin to record from a source."""


class Ledger(Protocol):
    """The durable list of what was promised to AWS."""

    def pending(self, now: datetime, policy: Policy) -> Iterator[tuple[Book, Sequence[Group]]]:
        """Every book with pending groups: usage records that no live entry covers.

        The book holds the windows that AWS may still accept. Its version guards what was read until
        a plan is appended; a store that reads an index may miss new usage for a moment.
        """

    def append(self, plans: Sequence[Plan], now: datetime) -> Sequence[bool]:
        """Store each plan whole, or answer False if its book was changed since it was read.

        An entry, its members and the book's version change together (money rule 2). Usage recorded
        after the read is never part of it: a store either refuses the plan, as the embedded one
        does, which keeps sums of usage, or leaves that usage pending, as the one on AWS does, which
        keeps the members one by one and pays for each refused transaction.
        """

    def due(
        self, now: datetime, policy: Policy, without_products: Collection[str]
    ) -> Sequence[Entry]:
        """At most 25 entries of one lane that are sendable, the earliest deadline first.

        Parked entries come when no other is due, and each comes alone.
        """

    def next_due_at(self, now: datetime, without_products: Collection[str]) -> datetime | None:
        """When the next unsettled entry becomes sendable, if any does after the instant."""

    def expired(self, now: datetime) -> Sequence[EntryKey]:
        """Unsettled entries whose deadline has passed."""

    def change(
        self, keys: Sequence[EntryKey], decide: Callable[[Entry], Change | None], now: datetime
    ) -> Sequence[Entry]:
        """Apply a pure decision to each entry *as it is stored*, and store the change, in one step.

        Answers the changed entries. Nobody else's change can come between reading and storing.
        Releasing frees the members; the attempt and the alarm are stored with the entry.
        """

    def write_back(self, until: datetime | None) -> int:
        """Bring the marks on usage records (`metering_pending` and its kin) up to the ledger.

        Answers how many usage records were marked; stops at the instant, if one is given, and
        leaves the rest to the next call. The ledger is the truth, the marks are for people.
        """

    def undelivered_alarms(self) -> Sequence[tuple[int, Alarm]]:
        """Alarms that nobody has confirmed to have delivered, oldest first."""

    def alarms_delivered(self, numbers: Sequence[int], now: datetime) -> None:
        """Confirm the delivery of alarms."""


class Store(UsageRecords, Ledger, Protocol):
    """Usage records and ledger in one consistency boundary."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EntryFilter:
    """Which entries to show; what is None does not matter."""

    product: str | None = None
    account: str | None = None
    dimension: str | None = None
    license_arn: str | None = None
    hour: UsageHour | None = None
    state: State | None = None
    limit: int | None = None


@dataclass(frozen=True, slots=True)
class AttemptLog:
    """One logged try and AWS's answer, if it came."""

    number: int
    begun_at: datetime
    answered_at: datetime | None
    answer: str | None
    words: str | None


@dataclass(frozen=True, slots=True)
class EntryView:
    """An entry and when it was sealed."""

    entry: Entry
    sealed_at: datetime


@dataclass(frozen=True, slots=True)
class RecordView:
    """A usage record and where the ledger has it."""

    record: UsageRecord
    source: str
    entry: EntryView | None  # the live entry that covers it
    released_from: EntryView | None  # the latest entry that gave it back
    failure: str | None  # why it is listed instead of pending

    @property
    def metering_pending(self) -> bool:
        """Whether its outcome is still open."""
        return self.failure is None and (self.entry is None or self.entry.entry.state == "sealed")

    @property
    def metering_failed(self) -> bool:
        """Whether it is listed as not billed, for now or for good."""
        failed = (State.PARKED, State.UNRESOLVED, State.WRITTEN_OFF)
        return self.failure is not None or (
            self.entry is not None and self.entry.entry.state in failed
        )


class Reports(Protocol):
    """The reading side of a store."""

    def balances(self) -> Sequence[Balance]:
        """The books of each product, recounted from the usage records themselves."""

    def entries(self, which: EntryFilter) -> Iterator[EntryView]:
        """Entries by product, account, dimension and hour."""

    def attempts(self, key: EntryKey) -> Sequence[AttemptLog]:
        """The logged tries of an entry, oldest first."""

    def records_at(self, account: str, from_ns: int, to_ns: int) -> Sequence[RecordView]:
        """The usage records of a buyer from an instant up to, not including, another."""

    def waiting(self, meter: Meter, hour: UsageHour) -> Sequence[RecordView]:
        """The usage records of a meter and hour that no live entry covers."""

    def refused_inputs(self, limit: int | None = None) -> Sequence[RefusedInput]:
        """Input that is kept although it is no usage record, newest first."""

    def oldest_pending_at(self) -> datetime | None:
        """When the oldest usage happened that no entry covers and nobody refused."""


class Corrections(Protocol):
    """What a store can do for a person beyond the ledger's own steps."""

    def retry_refused(self, which: EntryFilter) -> int:
        """Make listed usage records pending again; answers how many."""

    def replace(self, view: RecordView, corrected: UsageRecord, now: datetime) -> bool:
        """Put a corrected usage record in the place of one that no live entry covers.

        False, with nothing done, if an entry covers it by now.
        """


class Marketplace(Protocol):
    """AWS's metering API."""

    def take_turn(self) -> None:
        """Return when the request quota allows one more request; to be called before each."""

    def submit(self, batch: Batch) -> Answered[EntryKey] | RequestRefused | Lost:
        """Send one request, exactly once, and read the answer; raises on our own bugs only."""


class Notifier(Protocol):
    """Who is told about usage that is not billed as recorded."""

    def notify(self, alarms: Sequence[Alarm]) -> None:
        """Deliver; an alarm may come twice after a crash, but never not at all."""


@dataclass(frozen=True, slots=True)
class Ports:
    """The world, as the two use cases see it."""

    store: Store
    marketplace: Marketplace
    clock: Clock
    notifier: Notifier
