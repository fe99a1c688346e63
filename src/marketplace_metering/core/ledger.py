"""The ledger entry: one window, frozen; its states and every way from one to another.

    sealed ──refused──► parked                      both are unsettled: due again until the deadline
      │                   │
      ├───────────────────┤
      ▼                   ▼
    billed    AWS said Success                      final; a late Success also turns presumed,
    presumed  duplicate of an own, unrefused try    unresolved and written off into billed: a fact
    released  deadline passed, every try certainly refused: the members are free again
    unresolved   deadline passed with a lost answer, or a duplicate of what we never sent
    written off  given up by a person, by name

This file alone moves an entry. A store applies a transition to the entry *as it is stored*, in one
step (see `ports.Ledger.change`), so that none is ever decided on a copy: release above all, which
is the one transition that can bill usage twice (money rule 6).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import NamedTuple, assert_never
from zlib import crc32

from marketplace_metering.core.hours import UsageHour
from marketplace_metering.core.identity import Window
from marketplace_metering.core.limits import QUANTITY_MICROS_MAX
from marketplace_metering.core.outcome import (
    Accepted,
    Deferred,
    Duplicate,
    NoAnswer,
    NotSubscribed,
    Outcome,
    Refused,
)
from marketplace_metering.core.policy import Policy
from marketplace_metering.core.quantity import Quantity, total
from marketplace_metering.core.record import Tags
from marketplace_metering.core.remedies import explain


class State(StrEnum):
    """Where an entry stands on its way; TRANSITIONS says where it can go."""

    SEALED = "sealed"
    PARKED = "parked"
    BILLED = "billed"
    PRESUMED = "presumed"
    RELEASED = "released"
    UNRESOLVED = "unresolved"
    WRITTEN_OFF = "written off"

    @property
    def is_settled(self) -> bool:
        """Whether nothing is sent for the entry any more."""
        return self not in (State.SEALED, State.PARKED)

    @property
    def is_live(self) -> bool:
        """Whether the entry holds its members and its window."""
        return self is not State.RELEASED


TRANSITIONS: dict[State, frozenset[State]] = {
    State.SEALED: frozenset(
        {State.PARKED, State.BILLED, State.PRESUMED, State.RELEASED, State.UNRESOLVED}
    ),
    State.PARKED: frozenset(
        {State.BILLED, State.PRESUMED, State.RELEASED, State.UNRESOLVED, State.WRITTEN_OFF}
    ),
    State.PRESUMED: frozenset({State.BILLED, State.UNRESOLVED}),
    State.UNRESOLVED: frozenset({State.BILLED, State.RELEASED, State.WRITTEN_OFF}),
    State.BILLED: frozenset(),
    State.RELEASED: frozenset(),
    State.WRITTEN_OFF: frozenset({State.BILLED}),
}


class Line(NamedTuple):
    """How much usage of which hour an entry bills."""

    hour: UsageHour
    quantity: Quantity
    record_count: int


class Allocation(NamedTuple):
    """How much of an entry belongs to one set of tags; no tags is the untagged rest."""

    tags: Tags
    quantity: Quantity


class EntryKey(NamedTuple):
    """A window, and how many entries of it were released before this one."""

    window: Window
    serial: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One window as promised to AWS: what is sent never changes once it is constructed."""

    window: Window
    serial: int
    quantity: Quantity
    stamp: datetime
    deadline: datetime
    lines: tuple[Line, ...]
    allocations: tuple[Allocation, ...]
    retry_at: datetime  # not sent before
    state: State = State.SEALED
    begun: int = 0  # attempts whose call may have left
    refused: int = 0  # attempts that AWS certainly did not process
    duplicates: int = 0  # attempts that AWS answered so: it had accepted another record before
    metering_record_id: str | None = None
    reason: str | None = None  # why it is parked, released, unresolved or written off

    def __post_init__(self) -> None:
        assert self.quantity.micros <= QUANTITY_MICROS_MAX, f"{self.quantity} is above the cap"
        lines = sum([line.quantity.micros for line in self.lines])
        assert lines == self.quantity.micros, "lines do not sum up"
        if self.allocations:
            allocated = total(allocation.quantity for allocation in self.allocations)
            assert allocated == self.quantity, f"allocations of {allocated} for {self.quantity}"
        hour = self.window.hour
        assert hour.start <= self.stamp < hour.end, f"stamp {self.stamp} outside {hour}"
        assert self.stamp.microsecond == 0, "a stamp is a whole second [R7]"
        assert min(self.refused, self.duplicates, self.possibly_accepted) >= 0, (
            f"{self.refused} refused and {self.duplicates} duplicates of {self.begun} begun"
        )
        if self.state is State.RELEASED:
            assert self.begun == self.refused, "released although an answer is outstanding"

    @property
    def key(self) -> EntryKey:
        """What tells this entry from every other."""
        return EntryKey(self.window, self.serial)

    @property
    def possibly_accepted(self) -> int:
        """How many attempts may be the one that AWS accepted: neither refused nor a duplicate."""
        return self.begun - self.refused - self.duplicates

    @property
    def record_count(self) -> int:
        """How many usage records the entry covers."""
        return sum([line.record_count for line in self.lines])

    @property
    def carried(self) -> Quantity:
        """How much of the quantity was used in other hours than the window's."""
        return total(line.quantity for line in self.lines if line.hour != self.window.hour)


class AlarmKind(StrEnum):
    """What a person has to know about."""

    REFUSED_INPUT = "refused input"
    LATE_REJECTED = "late usage rejected"
    CARRIED_ACROSS_MONTH = "carried into another month"
    WITHOUT_TAGS = "billed without tags"
    PARKED = "parked"
    RELEASED = "released"
    UNRESOLVED = "unresolved"
    WRITTEN_OFF = "written off"
    RESTORED = "restored copy"
    UNSTORABLE = "cannot be stored"

    @property
    def is_unbilled(self) -> bool:
        """Whether its quantity is not billed, or may not be: elsewhere, or without tags, it is."""
        return self not in (AlarmKind.CARRIED_ACROSS_MONTH, AlarmKind.WITHOUT_TAGS)


@dataclass(frozen=True, slots=True)
class Alarm:
    """News of usage that is not billed as recorded; it names the quantity (money rule 10)."""

    kind: AlarmKind
    window: Window | None
    quantity: Quantity | None  # None where a refused input names none that can be read
    text: str
    raised_at: datetime


@dataclass(frozen=True, slots=True)
class Attempt:
    """One logged try for an entry: at first without an answer, then with it."""

    number: int
    at: datetime
    answer: str | None = None
    words: str | None = None


class AfterRelease(StrEnum):
    """What becomes of the usage records of a released entry."""

    PENDING = "pending"  # AWS never judged them: they are sealed again, as late usage
    FAILED = "failed"  # AWS refused them: listed until a person corrects and retries them


@dataclass(frozen=True, slots=True)
class Change:
    """One step of an entry, stored whole or not at all."""

    entry: Entry
    attempt: Attempt | None = None
    alarm: Alarm | None = None
    frees: AfterRelease | None = None


def begin(entry: Entry, now: datetime, policy: Policy) -> Change | None:
    """Log the intent to send, or None if the entry must not be sent (rules 5 and 6)."""
    if entry.state.is_settled or not is_sendable(entry, now, policy):
        return None
    begun = replace(entry, begun=entry.begun + 1)
    return Change(begun, Attempt(begun.begun, now))


def is_sendable(entry: Entry, now: datetime, policy: Policy) -> bool:
    """Whether the instant lies after the stamp and safely before the deadline."""
    return entry.retry_at <= now < entry.deadline - policy.safety_margin


GIVEN_BACK = (
    "AWS billed it although a person had found that it did not, and its usage was given back: that "
    "usage may be billed twice. Compare with CloudTrail (BatchMeterUsage) and refund what is double"
)


def answer(
    entry: Entry, number: int, outcome: Outcome, now: datetime, policy: Policy
) -> Change | None:
    """Take AWS's answer to attempt `number` into the entry (rules 6, 7 and 8)."""
    attempt = Attempt(number, now, outcome.stored_as, outcome.words)
    match outcome:
        case Accepted(record_id):
            if entry.state is State.BILLED:
                return Change(entry, attempt)
            if entry.state is State.RELEASED:
                return Change(entry, attempt, _alarm(AlarmKind.UNRESOLVED, entry, GIVEN_BACK, now))
            billed = _move(entry, State.BILLED, reason=None, metering_record_id=record_id)
            return Change(billed, attempt)
        case Duplicate():
            return _duplicate(entry, attempt, now)
        case NotSubscribed() | Refused() | Deferred() if entry.state.is_settled:
            return _late_refusal(_one_more_refused(entry), attempt, outcome, now)
        case NotSubscribed() | Refused():
            return _park(_one_more_refused(entry), attempt, outcome, now, policy)
        case Deferred(_, is_due_at_once):
            counted = _one_more_refused(entry)
            if not is_due_at_once:
                counted = _retry_later(counted, now, policy)
            return Change(counted, attempt)
        case NoAnswer():
            # It may be billed: only the identical record may follow, and nothing is counted.
            return Change(_retry_later(entry, now, policy), attempt)
        case _ as never:
            assert_never(never)


def expire(entry: Entry, now: datetime) -> Change | None:
    """Settle an entry whose deadline has passed, or None while there is time (rule 6)."""
    if entry.state.is_settled or now < entry.deadline:
        return None
    if entry.begun == entry.refused:
        members = AfterRelease.FAILED if entry.state is State.PARKED else AfterRelease.PENDING
        why = entry.reason or "AWS was not reached in time; the usage is sealed again as late usage"
        text = f"the deadline {entry.deadline:%Y-%m-%d %H:%M:%SZ} passed unbilled. {why}"
        released = _move(entry, State.RELEASED, reason=text)
        return Change(released, None, _alarm(AlarmKind.RELEASED, entry, text, now), members)
    text = (
        f"the deadline passed and {entry.begun - entry.refused} of {entry.begun} attempts had no "
        "answer: AWS may have billed it. Look for the window in CloudTrail (BatchMeterUsage)"
    )
    unresolved = _move(entry, State.UNRESOLVED, reason=text)
    return Change(unresolved, None, _alarm(AlarmKind.UNRESOLVED, entry, text, now))


def release(entry: Entry, why: str) -> Change | None:
    """Free the members of an unsettled entry to be planned again, if AWS has certainly none."""
    if entry.state.is_settled or entry.begun != entry.refused:
        return None
    return Change(_move(entry, State.RELEASED, reason=why), frees=AfterRelease.PENDING)


def doubt(entry: Entry, why: str, now: datetime) -> Change | None:
    """Hold an entry that a restored copy shows as unsettled: it may have been billed since.

    One attempt more counts as begun, for all that was sent from the store that is lost. No answer
    can refuse it; only a person's finding settles the entry.
    """
    if entry.state.is_settled:
        return None
    held = replace(_move(entry, State.UNRESOLVED, reason=why), begun=entry.begun + 1)
    return Change(held, None, _alarm(AlarmKind.UNRESOLVED, entry, why, now))


def hasten(entry: Entry, now: datetime) -> Change | None:
    """Make a parked entry due at once: its cause is said to be repaired."""
    if entry.state is not State.PARKED:
        return None
    return Change(replace(entry, retry_at=now))


def write_off(entry: Entry, author: str, why: str, now: datetime) -> Change | None:
    """Give an unbilled entry up by name, or None if it may be or may become billed."""
    unbilled = entry.state is State.PARKED and entry.begun == entry.refused
    if not unbilled and entry.state is not State.UNRESOLVED:
        return None
    text = f"written off by {author}: {why}"
    gone = _move(entry, State.WRITTEN_OFF, reason=text)
    return Change(gone, None, _alarm(AlarmKind.WRITTEN_OFF, entry, text, now))


def resolve(entry: Entry, billed: bool, author: str, evidence: str) -> Change | None:
    """Settle an unresolved entry by what a person found, for instance in CloudTrail."""
    if entry.state is not State.UNRESOLVED:
        return None
    text = f"resolved by {author}: {evidence}"
    if billed:
        return Change(_move(entry, State.BILLED, reason=text))
    # The finding answers every attempt: AWS processed none of them.
    answered = replace(entry, refused=entry.begun, duplicates=0)
    free = _move(answered, State.RELEASED, reason=text)
    return Change(free, frees=AfterRelease.PENDING)


def _move(
    entry: Entry,
    state: State,
    *,
    reason: str | None,
    metering_record_id: str | None = None,
) -> Entry:
    legal = state in TRANSITIONS[entry.state]
    assert legal, f"{entry.window} cannot go from {entry.state} to {state}"
    return replace(
        entry,
        state=state,
        reason=reason,
        metering_record_id=metering_record_id,
    )


def _one_more_refused(entry: Entry) -> Entry:
    if entry.state is State.RELEASED:  # a person's finding has answered this attempt already
        return entry
    return replace(entry, refused=entry.refused + 1)


def _one_more_duplicate(entry: Entry) -> Entry:
    if entry.state is State.RELEASED:
        return entry
    return replace(entry, duplicates=entry.duplicates + 1)


def _duplicate(entry: Entry, attempt: Attempt, now: datetime) -> Change:
    """[Q2] AWS may answer an identical resend so. It is ours if another own try may have been
    accepted: one that was neither refused nor answered as a duplicate itself."""
    counted = _one_more_duplicate(entry)
    if entry.state is State.PRESUMED and counted.possibly_accepted == 0:
        return _never_sent(counted, attempt, now)
    if entry.state.is_settled:
        return Change(counted, attempt)
    if counted.possibly_accepted > 0:
        text = "AWS has the record: it accepted an earlier attempt of ours, whose answer was lost"
        return Change(_move(counted, State.PRESUMED, reason=text), attempt)
    return _never_sent(counted, attempt, now)


def _never_sent(entry: Entry, attempt: Attempt, now: datetime) -> Change:
    text = (
        "AWS holds a record of this window that we never sent: is another program metering the "
        "product? Compare with CloudTrail (BatchMeterUsage); nothing more is sent for this window"
    )
    unresolved = _move(entry, State.UNRESOLVED, reason=text)
    return Change(unresolved, attempt, _alarm(AlarmKind.UNRESOLVED, entry, text, now))


def _late_refusal(
    entry: Entry, attempt: Attempt, outcome: NotSubscribed | Refused | Deferred, now: datetime
) -> Change:
    """An answer that was still on its way when the entry was settled may take the ground away.

    The attempt that a duplicate was taken for turns out refused: AWS holds what is not ours. Or the
    last attempt that might have been accepted turns out refused: AWS certainly has none of it.
    """
    if entry.state is State.PRESUMED and entry.possibly_accepted == 0:
        return _never_sent(entry, attempt, now)
    if entry.state is State.UNRESOLVED and entry.begun == entry.refused:
        if isinstance(outcome, Deferred):
            members, said = AfterRelease.PENDING, outcome.words
        else:
            members, said = AfterRelease.FAILED, explain(outcome.code, outcome.words)
        text = f"the deadline passed unbilled, AWS refused every attempt. The last answer: {said}"
        released = _move(entry, State.RELEASED, reason=text)
        return Change(released, attempt, _alarm(AlarmKind.RELEASED, entry, text, now), members)
    return Change(entry, attempt)


def _park(
    entry: Entry, attempt: Attempt, outcome: NotSubscribed | Refused, now: datetime, policy: Policy
) -> Change:
    text = explain(outcome.code, outcome.words)
    news = entry.state is not State.PARKED or entry.reason != text
    parked = entry if entry.state is State.PARKED else _move(entry, State.PARKED, reason=text)
    parked = replace(parked, reason=text, retry_at=now + policy.parked_retry)
    alarm = _alarm(AlarmKind.PARKED, entry, text, now) if news else None
    return Change(parked, attempt, alarm)


def _retry_later(entry: Entry, now: datetime, policy: Policy) -> Entry:
    if entry.state is State.PARKED:
        return replace(entry, retry_at=now + policy.parked_retry)
    return replace(entry, retry_at=now + backoff(entry, policy))


def backoff(entry: Entry, policy: Policy) -> timedelta:
    """How long an entry waits after its latest attempt: doubling, spread, and bounded.

    The spread keeps many entries from coming back at once. It comes from the entry itself
    instead of chance, so that a decision stays a function of its inputs.
    """
    doubled = policy.retry_first * (1 << min(max(entry.begun - 1, 0), 30))
    longest = min(doubled, policy.retry_longest)
    seed = f"{entry.window}{entry.begun}".encode()
    return longest * (0.5 + crc32(seed) / 2**33)


def _alarm(kind: AlarmKind, entry: Entry, text: str, now: datetime) -> Alarm:
    return Alarm(kind, entry.window, entry.quantity, text, now)
