"""What the jobs need from the world. Every adapter keeps these contracts.

A store is one consistency boundary: usage records and ledger together. To write a third one,
implement `Store`, `Reports` and `Corrections`, name it in `wiring.open_store` and add it to
tests/contract/conftest.py: the suite there is this text in executable form. docs/architecture.md
shows which file keeps which method in the two stores that there are.

What holds for every method of a store:

* **Durable when it returns.** What a method answered survives a crash of the process and of the
  machine. An attempt must be on disk before its request leaves (money rule 6).
* **An exception does not say what was done.** Each step was stored whole or not at all, and the
  caller does not know which. So every step may be repeated: later, or by another process at the
  same time. No exception settles, releases or fails usage.
* **Any number of processes** share a store, each through an object of its own. An object is used
  by the thread that made it.
* **Stale only where it says so, and only towards too little.** What is missing comes with the
  next run; what should not be there would be billed twice.
* **Instants come from the caller**, aware and in UTC. Clocks of two processes may differ, and may
  be set back.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple, Protocol

from marketplace_metering.core.balance import Balance
from marketplace_metering.core.batch import Batch
from marketplace_metering.core.charter import Claim
from marketplace_metering.core.copies import Mark, Sending
from marketplace_metering.core.hours import UsageHour
from marketplace_metering.core.identity import Meter
from marketplace_metering.core.inputs import KnownInput
from marketplace_metering.core.ledger import Alarm, Change, Entry, EntryKey
from marketplace_metering.core.license_owners import Owner
from marketplace_metering.core.outcome import Answered, Lost, RequestRefused
from marketplace_metering.core.plan import Appended, Book, Group, Plan
from marketplace_metering.core.policy import Policy
from marketplace_metering.core.quantity import ZERO, Quantity
from marketplace_metering.core.record import Problem, RefusedInput, UsageRecord
from marketplace_metering.core.views import AttemptLog, EntryFilter, EntryView, Gone, RecordView

# --- The store: usage comes in ------------------------------------------------------------------


class Taken(NamedTuple):
    """What became of the usage records of one call: each is in exactly one of the three parts.

    A store whose answer was lost on its way may count as already there what this very input added.
    """

    added: int = 0
    added_quantity: Quantity = ZERO
    already_there: int = 0  # recorded by an earlier input: not counted again
    clashes: tuple[tuple[UsageRecord, Problem], ...] = ()  # not recorded: the caller refuses them


class Intake(Protocol):
    """One input being recorded: a file, a stream, or one record from the command line.

    Recording the same input again, through a new intake of the same source, adds only what is not
    there yet. So an interrupted input is simply repeated. Two equal records *within* one input are
    two uses, and so are two of different inputs: only an event id says otherwise.
    """

    def add(self, records: Sequence[UsageRecord]) -> Taken:
        """Record each of them, once.

        An event counts once, in whichever input it comes, and clashes with other content. It is
        known by its buyer, id and second, so a repetition bears the event's own time; a store may
        know the id at another time as well, as the embedded one does. A record without an id is
        already there if another intake of the same source brought an equal one that no other
        record of this intake has been matched with. Equal says the same to a reader: the order
        of attributes and the spelling of numbers are no difference.

        Atomic per usage record. Of a call that raises, some may be recorded; repeating the input
        adds the others. A usage record is never overwritten. Equal instants of one buyer may be
        kept some nanoseconds apart, always within their hour.
        """

    def refuse(self, inputs: Sequence[RefusedInput], now: datetime) -> int:
        """Keep what cannot be metered, and answer how many of them were new (money rule 11).

        An input and its alarm are stored in one step. The same text from the same source is kept
        and alarmed once, however often it comes.
        """


class UsageRecords(Protocol):
    """Where usage records are kept."""

    def intake(self, source: str, now: datetime) -> Intake:
        """Begin to record an input, or begin it again.

        `source` is shown to people, and it is what makes two intakes the same input. Which
        source an input has, `core.inputs` decides, from what is known of others.
        """

    def known_inputs(self, name: str | None, head: str) -> Sequence[KnownInput]:
        """What is noted of inputs of this name, and of inputs of this head, as it is now."""

    def note_input(self, noted: KnownInput, instead_of: KnownInput | None) -> bool:
        """Note what an input holds, in the place of what was read of it; None: of a new one.

        One step. True: it is noted, also where it was before. False, with nothing done: what was
        noted under its name and source is not what was read, or the same content has been noted
        for another input, and this one is not `is_counted`.
        """


# --- The store: the ledger ----------------------------------------------------------------------


class Ledger(Protocol):
    """The durable list of what was promised to AWS.

    The order of calls: `pending` and `append` seal; `due`, `change` before a request and `change`
    after it submit; `expired` and `change` settle what ran out of time; `write_back` and the
    alarms tell people. Each may be called at any time, by several processes at once.
    """

    def pending(self, now: datetime, policy: Policy) -> Iterator[tuple[Book, Sequence[Group]]]:
        """Each book with pending groups, once: usage records that no live entry covers.

        Read lazily: the caller appends plans for the first books before it asks for more. The book
        holds the live windows that AWS may still accept (those of `policy.window_length` before
        `now`, and an hour more), the released entries of these hours, a version that guards all of
        it until `append`, and who owns the licences of its groups. Books come in the order of keys.

        May be stale: new usage may be missing. It must not show usage that a live entry covered at
        the book's version, nor usage that is listed as failed. A group never exceeds a window's
        cap, and what entries gave back is apart from usage that none had. `Group.members` is the
        store's own handle. What could not be read for now makes its book `is_partial`.

        A store that foreign programs write into follows what a person has set back to pending, and
        leaves what is malformed to `refuse_malformed`.
        """

    def refuse_malformed(self, until: datetime | None) -> int:
        """List what `pending` read and is no usage record, with an alarm each; answers how much.

        Called last, it delays nobody. It ends at the instant, if one is given, and after some
        thousands: the next run finds the rest.
        """

    def append(self, plans: Sequence[Plan], now: datetime) -> Sequence[Appended]:
        """Store each plan, if its book still has the version that was planned; in order.

        True: the entries, their members, the rejected groups, the alarms and the book's next
        version are stored. An entry, its members and the version change together or not at all
        (money rule 2): this is what keeps two overlapping runs from billing usage twice. A licence
        that nobody owns is claimed first, for the book's product, if its usage is to be sent.

        False: the book was changed since it was read, or a licence has another owner. The usage is
        pending as before; plan the book again. A plan too large for one transaction may be stored
        up to a point, in steps that are each whole. Of two plans for one book the second is stale.

        Unstorable: the store can never take this plan; its usage stays pending, the others go on.

        Usage recorded since `pending` is never part of an entry. A store either refuses the plan,
        as the embedded one does, or leaves that usage pending, as the one on AWS does.
        """

    def due(
        self, now: datetime, policy: Policy, without_products: Collection[str]
    ) -> Sequence[Entry]:
        """At most 25 entries of one lane that are sendable, the earliest deadline first.

        A parked entry comes only when no other is due, and alone. Each entry is as it is stored
        now, and `core.ledger.is_sendable`. Which entries are found may be stale: one may be
        missing for a moment, though not one that this object has written itself. Two processes may
        be given the same entry; `change` decides.
        """

    def next_due_at(self, now: datetime, without_products: Collection[str]) -> datetime | None:
        """When the next entry becomes sendable, after `now`, if one does: a hint, maybe stale."""

    def expired(self, now: datetime) -> Iterator[EntryKey]:
        """Unsettled entries whose deadline has passed, in no order.

        Read lazily: the caller settles the first before it asks for more. May be stale: an entry
        may be missing, or settled meanwhile. `core.ledger.expire` decides on it as it is stored.
        """

    def change(
        self, keys: Sequence[EntryKey], decide: Callable[[Entry], Change | None], now: datetime
    ) -> Sequence[Entry]:
        """Apply a pure decision to each entry *as it is stored*, and store what it answers.

        Every change of an entry goes through here. Per entry this is one step: no other change
        comes between reading and storing, or the entry is read and decided again, so `decide` may
        be called several times. Different entries of a call are independent. Each key names an
        entry that exists, once.

        Stored together, whole or not at all: the entry, the attempt and its answer, the alarm, and
        with `Change.frees` the members (pending again, or listed as failed with the entry's
        reason) and the book's next version. Nothing but this frees members.

        Answers the changed entries, in the order of the keys; where `decide` answered None, the
        entry is left as it is and left out.

        If it raises before a request, the request is not made; the attempt may count as one without
        an answer, which costs at most a question to a person. If it raises after one, the answer is
        lost: the identical record is sent again, and AWS says that it has it. A store must know its
        own write again: one that is repeated because its answer was lost counts no attempt and no
        refusal twice. One refusal too many would release usage that AWS may have billed.
        """

    def write_back(self, until: datetime | None) -> int:
        """Bring the marks on usage records (`metering_pending` and its kin) up to the ledger.

        Answers how many usage records were marked. Stops at the instant, if one is given, and
        leaves the rest to the next call. The ledger is the truth, the marks are for people: no
        decision about money reads them.
        """

    def undelivered_alarms(self, limit: int | None = None) -> Sequence[tuple[int, Alarm]]:
        """Alarms whose delivery nobody has confirmed, the oldest first, each with its number.

        May be stale, but not about alarms that this object has stored itself.
        """

    def alarms_delivered(self, numbers: Sequence[int], now: datetime) -> None:
        """Confirm deliveries; confirming again changes nothing. Alarms are kept."""

    def facts(self) -> Mapping[str, str]:
        """All that `set_fact` stored, by name, as it is now; what it means is for the jobs."""

    def set_fact(self, name: str, value: str, instead_of: str | None) -> bool:
        """Store a fact in the place of the one that was read; None: where there was none.

        One step. True: it has this value now, also where it had it before. False: somebody else
        has changed it since it was read, and nothing was done.
        """


class Store(UsageRecords, Ledger, Protocol):
    """Usage records and ledger in one consistency boundary."""


# --- The store: what people see and do ----------------------------------------------------------


class Reports(Protocol):
    """The reading side of a store; it changes nothing.

    It runs with the rights of a person: it may read everything, and be slow where there is much.
    """

    def balances(self) -> Sequence[Balance]:
        """The books of each product, recounted; where others may write, with what is `missing`.

        A store without a snapshot of everything may be off while others write; it balances when
        nothing runs. Input that names no readable product stands under the product None.
        """

    def entries(self, which: EntryFilter) -> Iterator[EntryView]:
        """Entries in the order of product, account, dimension, licence, hour and serial.

        `limit` counts what fits the rest of the filter.
        """

    def attempts(self, key: EntryKey) -> Sequence[AttemptLog]:
        """The logged tries of an entry, oldest first; a store may keep only the latest twenty."""

    def records_at(self, account: str, from_ns: int, to_ns: int) -> Sequence[RecordView]:
        """The usage records of a buyer from an instant up to, not including, another, in order."""

    def waiting(self, meter: Meter, hour: UsageHour) -> Sequence[RecordView]:
        """The usage records of a meter and hour that no live entry covers, pending or failed."""

    def refused_inputs(self, limit: int | None = None) -> Sequence[RefusedInput]:
        """Input that is kept although it is no usage record, newest first."""

    def oldest_pending_at(self) -> datetime | None:
        """When the oldest usage happened that no entry covers and nobody refused."""


class Corrections(Protocol):
    """What a store can do for a person beyond `Ledger.change`.

    What touches usage records touches those that no live entry covers: what was sent never changes.
    """

    def retry_refused(self, which: EntryFilter) -> int:
        """Make listed usage records pending again; answers how many.

        The filter's state and limit do not matter. Repeating it finds nothing more to do.
        """

    def replace(self, view: RecordView, corrected: UsageRecord, now: datetime) -> bool:
        """Put a corrected usage record in the place of one that no live entry covers.

        One step: the old record goes, the new one comes, and a plan that still holds the old one
        becomes stale. False, with nothing done, if an entry covers it by now or it is not as it
        was looked at. An input that is recorded again does not bring the old one back.
        """

    def license_owner(self, license_arn: str) -> Owner | None:
        """Which product code a licence is metered under, as it is now."""

    def set_license_owner(self, license_arn: str, owner: Owner, instead_of: Owner | None) -> bool:
        """Put an owner in the place of the one that was read, as `Ledger.set_fact` does."""


# --- The store: it may be a copy ------------------------------------------------------------------


class HighWaterMark(Protocol):
    """Keeps, outside of the store, the latest sending of it (money rule 14).

    It must not be in a backup of the store: what is restored together with the store says nothing.
    Both methods raise `core.copies.MarkUnusableError` if they could not do it.
    """

    def read(self) -> Mark | None:
        """The mark as it is now; None if there is none."""

    def raise_to(self, sending: Sending) -> Mark:
        """Put a sending there if its number is higher, and answer what stands there then.

        One step, also where several processes do it at once: the mark never falls. Durable.
        """


class Recovery(Protocol):
    """What a store can say of itself after it was restored; read with the rights of a person."""

    def open_usage(self, now: datetime) -> Iterator[tuple[Book, Sequence[Group]]]:
        """Each book with usage that may have been billed since the copy, for `Ledger.append`.

        As `Ledger.pending`, but nothing is judged or changed, and the book holds every live window
        from the oldest of its groups on. Usage records that are marked by an entry which the ledger
        has lost are among them.
        """

    def gone(self, since: datetime) -> Iterator[Gone]:
        """What entries that were sealed from this instant on cover, and is recorded no more.

        What was recorded and not sealed leaves no trace.
        """


@dataclass(frozen=True, slots=True)
class OpenStore:
    """One store: for the jobs, for reports, for a person. One in memory has no mark."""

    store: Store
    reports: Reports
    corrections: Corrections
    close: Callable[[], None] = lambda: None
    recovery: Recovery | None = None
    mark: HighWaterMark | None = None


# --- AWS and the machine ------------------------------------------------------------------------


class Marketplace(Protocol):
    """AWS's metering API."""

    def take_turn(self) -> None:
        """Return when the request quota allows one more request.

        Called before each request, and before its attempt is stored: the deadline is checked after
        the waiting. No second may see more requests than the setting allows.
        """

    def submit(self, batch: Batch) -> Answered[EntryKey] | RequestRefused | Lost:
        """Send exactly one HTTP request, and say what is known of it. Raises on our own bugs only.

        Answered: an outcome for every entry of the batch; one that AWS left out is `NoAnswer`.
        RequestRefused: AWS certainly processed nothing; the attempts count as refused, and refused
        attempts alone may lead to a release. Lost: anything may have happened; only the identical
        record may follow. In doubt it is Lost: the other mistake bills usage twice.

        An adapter must not repeat a request by itself. A repetition that is throttled after a first
        try that timed out would say "certainly not processed" of usage that may be billed.
        """


class Notifier(Protocol):
    """Who is told about usage that is not billed as recorded."""

    def notify(self, alarms: Sequence[Alarm]) -> None:
        """Deliver all of them, or raise: then all come again. Never not at all (money rule 10)."""


class Clock(Protocol):
    """The time, and the passing of it."""

    def now(self) -> datetime:
        """The present instant, aware, in UTC. It may jump, as the machine's clock does."""

    def sleep(self, seconds: float) -> None:
        """Return that much later; at once if it is not positive."""


@dataclass(frozen=True, slots=True)
class Ports:
    """The world, as the jobs see it; `claim` is what the caller says of the ledger's place."""

    store: Store
    marketplace: Marketplace
    clock: Clock
    notifier: Notifier
    mark: HighWaterMark | None = None
    claim: Callable[[], Claim] | None = None


# --- Beside the jobs: what the functions on AWS need ----------------------------------------------


class Doorbell(Protocol):
    """How the processor on AWS is woken: a signal without content; what is due is in the ledger."""

    def ring(self) -> None:
        """Have due entries sent soon; may be called at any time, and more often than needed.

        To be called after entries were sealed and when a run stops with work left. An error means
        that perhaps nothing was woken. No money depends on it: a clock rings as well.
        """


class Successor(Protocol):
    """How a job whose time is up goes on."""

    def start(self, event: Mapping[str, object]) -> None:
        """Begin a further run with this event, without waiting for it.

        Only to be called after a run that got something done, or each begins another for ever. An
        error means that perhaps none was begun: the next hour's run goes on. Two are harmless.
        """


class Gauges(Protocol):
    """How far behind metering is, at the cost of a few reads.

    For alarms alone: an answer may be a moment old, so no decision about money may rest on it. An
    error means that it is unknown; it must never be measured as "nothing is behind".
    """

    def oldest_pending_at(self) -> datetime | None:
        """When the oldest usage without an outcome happened; None if there is none."""

    def earliest_deadline(self) -> datetime | None:
        """The deadline of the unsettled entry with the least time left; None if there is none."""
