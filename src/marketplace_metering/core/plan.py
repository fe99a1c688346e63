"""The planner: into which window each pending group goes (money rules 2, 3, 4 and 12).

Oldest usage first. A group goes into its own hour if that is closed, free and still in time;
otherwise it is carried into a later closed hour of the same meter: its own month first, then an
hour whose own usage keeps its place, then the newest because it has the most time left. What
finds no place stays pending for the next run. Tags take no part in that: what is above AWS's limits
is billed without them (`core.allocations`). One book is planned at a time, so that an hour used
by product code is never used by licence as well: whichever usage is older takes the hour, the
other is carried.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from marketplace_metering.core.allocations import Allocated, allocate, allocation_bytes
from marketplace_metering.core.hours import UsageHour, deadline_of, stamp_of
from marketplace_metering.core.identity import BookKey, Meter, Window
from marketplace_metering.core.ledger import Alarm, AlarmKind, Entry, EntryKey, Line
from marketplace_metering.core.license_owners import NOBODY, Owner, Owners, refusal
from marketplace_metering.core.limits import ENTRY_BYTES_MAX, QUANTITY_MICROS_MAX, TAGS_MAX
from marketplace_metering.core.policy import LateUsage, Policy, Scope
from marketplace_metering.core.quantity import Quantity, total
from marketplace_metering.core.record import Tags


@dataclass(frozen=True, slots=True)
class Group:
    """Pending usage records of one window with the same tags; never above one window's cap."""

    meter: Meter
    hour: UsageHour
    tags: Tags
    quantity: Quantity
    record_count: int
    earliest_ns: int
    members: object  # the store's own handle for exactly these usage records
    was_given_back: bool = False  # an entry had it: it was on time, whatever its hour

    def __post_init__(self) -> None:
        assert self.quantity.micros <= QUANTITY_MICROS_MAX, "a store splits groups at the cap"
        assert self.record_count > 0, "a group without usage records"


@dataclass(frozen=True, slots=True)
class Book:
    """What the ledger holds for one (product, account, dimension), as of a version."""

    key: BookKey
    version: int
    live: frozenset[Window] = frozenset()
    released: Sequence[EntryKey] = ()  # of windows that may be sealed again
    owners: Owners = field(default_factory=lambda: NOBODY)  # of the licences of its pending usage
    is_partial: bool = False  # of its pending usage, not all could be read
    unreadable: str = ""  # why nothing can be planned: what the ledger has of it cannot be read


@dataclass(frozen=True, slots=True)
class Sealing:
    """An entry to be, and the groups whose usage records become its members."""

    entry: Entry
    groups: tuple[Group, ...]


class Waits(StrEnum):
    """Why a group is left pending by a run."""

    OPEN_HOUR = "its hour is not over"
    NO_WINDOW = "no later window of its meter is free yet"
    HELD = "late usage of this product is held for a person to decide"


@dataclass(frozen=True, slots=True)
class Plan:
    """What one run does with one book; the ledger takes all of it or nothing."""

    book: Book
    sealings: tuple[Sealing, ...] = ()
    rejected: tuple[tuple[Group, str], ...] = ()
    waiting: tuple[tuple[Group, Waits], ...] = ()
    alarms: tuple[Alarm, ...] = ()

    @property
    def changes_ledger(self) -> bool:
        """Whether there is anything to store."""
        return bool(self.sealings or self.rejected)


@dataclass(frozen=True, slots=True)
class Unstorable:
    """A store has no place for a plan, and repeating it changes nothing.

    What is not stored of it stays pending.
    """

    words: str

    def __bool__(self) -> bool:
        """It is not stored."""
        return False


Appended = bool | Unstorable  # what became of a plan; False: plan the book again


def plan(
    book: Book,
    groups: Sequence[Group],
    now: datetime,
    policy: Policy,
    scope: Scope,
    looked_through: UsageHour | None = None,
) -> Plan:
    """Decide where the pending usage of a book is billed.

    Usage up to the hour that was looked through before was recorded late; see `looked_through`.
    """
    ordered = sorted(groups, key=_age)
    planner = _Planner(book, ordered, now, policy, scope, looked_through)
    for group in ordered:
        planner.place(group)
    return planner.finish()


@dataclass(slots=True)
class _Draft:
    """A window being filled: what it holds and whether more of it fits."""

    window: Window
    groups: list[Group] = field(default_factory=list)
    micros: int = 0
    micros_by_tags: dict[Tags, int] = field(default_factory=dict)
    tag_keys: set[str] = field(default_factory=set)
    allocation_bytes: int = 0
    earliest_own_ns: int | None = None

    def has_room_for(self, group: Group) -> bool:
        return self.micros + group.quantity.micros <= QUANTITY_MICROS_MAX

    def keeps_tags_of(self, group: Group, sets_max: int) -> bool:
        """Whether the group's tags find a place: usage is never kept waiting for one."""
        if group.tags in self.micros_by_tags:
            return True
        return (
            len(self.micros_by_tags) < sets_max
            and len(self.tag_keys.union(key for key, _value in group.tags)) <= TAGS_MAX
            and self.allocation_bytes + allocation_bytes(group.tags) <= ENTRY_BYTES_MAX
        )

    def fits_beside(self, other: _Draft, group: Group, sets_max: int) -> bool:
        """Whether this, the other draft and a group surely fit into one window, tags and all."""
        keys = self.tag_keys.union(other.tag_keys, (key for key, _value in group.tags))
        added_bytes = other.allocation_bytes + allocation_bytes(group.tags)
        return (
            self.micros + other.micros + group.quantity.micros <= QUANTITY_MICROS_MAX
            and len(self.micros_by_tags) + len(other.micros_by_tags) < sets_max
            and len(keys) <= TAGS_MAX
            and self.allocation_bytes + added_bytes <= ENTRY_BYTES_MAX
        )

    def take(self, group: Group) -> None:
        self.earliest_own_ns = self._earliest_own_ns_with(group)
        self.groups.append(group)
        self.micros += group.quantity.micros
        if group.tags not in self.micros_by_tags:
            self.micros_by_tags[group.tags] = 0
            self.tag_keys.update(key for key, _value in group.tags)
            self.allocation_bytes += allocation_bytes(group.tags)
        self.micros_by_tags[group.tags] += group.quantity.micros

    def stamp(self) -> datetime:
        return stamp_of(self.window.hour, self.earliest_own_ns)

    def stamp_with(self, group: Group) -> datetime:
        return stamp_of(self.window.hour, self._earliest_own_ns_with(group))

    def _earliest_own_ns_with(self, group: Group) -> int | None:
        if group.hour != self.window.hour:
            return self.earliest_own_ns
        if self.earliest_own_ns is None:
            return group.earliest_ns
        return min(self.earliest_own_ns, group.earliest_ns)


def _age(group: Group) -> tuple[object, ...]:
    """Oldest first; the same order in whichever order a store reads them."""
    licence = group.meter.license_arn or ""
    size = (group.quantity, group.record_count)
    return (group.hour, group.earliest_ns, licence, group.tags, *size, group.was_given_back)


class _Planner:
    def __init__(
        self,
        book: Book,
        groups: Sequence[Group],
        now: datetime,
        policy: Policy,
        scope: Scope,
        looked_through: UsageHour | None,
    ) -> None:
        self.book = book
        self.now = now
        self.policy = policy
        self.scope = scope
        self.looked_through = looked_through
        self.drafts: dict[Window, _Draft] = {}
        self.rejected: list[tuple[Group, str]] = []
        self.waiting: list[tuple[Group, Waits]] = []
        # What people are told, once for all groups that it is true of.
        self.alarms: dict[tuple[AlarmKind, Window, str], int] = {}
        # Which hours are metered by licence (True) and which by product code (False).
        self.identity_by_hour = {w.hour: w.meter.is_licensed for w in book.live}
        self.claims: dict[Window, _Draft] = {}  # what windows will be asked to hold of their own
        self.identities_claimed: dict[UsageHour, set[bool]] = {}
        for group in groups:
            own = Window(group.meter, group.hour)
            if own not in book.live:
                self.claims.setdefault(own, _Draft(own)).take(group)
                identities = self.identities_claimed.setdefault(group.hour, set())
                identities.add(group.meter.is_licensed)

    def place(self, group: Group) -> None:
        owner = self.owner_of(group.meter)
        if owner is not None and owner.product != group.meter.product:
            self.refuse(group, owner)
            return
        if not self.is_closed(group.hour):
            self.waiting.append((group, Waits.OPEN_HOUR))
            return
        own = Window(group.meter, group.hour)
        if self.is_open_for(own, group):
            self.take(own, group)
            return
        is_closed = own in self.book.live or not self.is_in_time(own, group)
        is_late = is_closed and self.was_recorded_late(group)
        choice = self.policy.late_usage_of(group.meter.product) if is_late else LateUsage.CARRY
        match choice:
            case LateUsage.CARRY:
                self.carry(group)
            case LateUsage.HOLD:
                self.waiting.append((group, Waits.HELD))
            case LateUsage.REJECT:
                self.reject(group)

    def owner_of(self, meter: Meter) -> Owner | None:
        return self.book.owners.get(meter.license_arn) if meter.license_arn else None

    def was_recorded_late(self, group: Group) -> bool:
        """Whether its hour had been looked through before; what an entry had was on time."""
        looked = self.looked_through
        return looked is not None and group.hour <= looked and not group.was_given_back

    def carry(self, group: Group) -> None:
        windows = [Window(group.meter, hour) for hour in self.later_hours(group.hour)]
        takers = [window for window in windows if self.is_open_for(window, group)]
        if not takers:
            self.waiting.append((group, Waits.NO_WINDOW))
            return
        month = group.hour.month
        best = min(
            takers,
            key=lambda window: (
                window.hour.month != month,
                self.displaces(window, group),
                not self.keeps_tags_in(window, group),
            ),
        )
        self.take(best, group)
        if best.hour.month != month:
            self.report_other_month(group, best.hour)

    def keeps_tags_in(self, window: Window, group: Group) -> bool:
        draft = self.drafts.get(window)
        return draft is None or draft.keeps_tags_of(group, self.policy.tag_sets_max)

    def displaces(self, window: Window, group: Group) -> bool:
        """Whether usage of the window's own hour would lose its place, or its tags, to the group.

        Only earlier hours have been planned when this is asked: no claim is in a draft yet.
        """
        if self.identities_claimed.get(window.hour, set()) - {group.meter.is_licensed}:
            return True
        claim = self.claims.get(window)
        draft = self.drafts.get(window, _Draft(window))
        return claim is not None and not claim.fits_beside(draft, group, self.policy.tag_sets_max)

    def later_hours(self, used_in: UsageHour) -> list[UsageHour]:
        """Closed hours after the usage that AWS may still accept, the newest first."""
        newest = UsageHour.of(self.now)
        oldest = UsageHour.of(self.now - self.policy.window_length)
        return [
            UsageHour(number)
            for number in range(newest.number, max(oldest.number, used_in.number + 1) - 1, -1)
            if self.is_closed(UsageHour(number))
        ]

    def is_closed(self, hour: UsageHour) -> bool:
        if self.scope is Scope.EVERYTHING:
            return hour.start <= self.now
        return hour.end + self.policy.grace <= self.now

    def is_open_for(self, window: Window, group: Group) -> bool:
        identity = self.identity_by_hour.get(window.hour, window.meter.is_licensed)
        if window in self.book.live or identity != window.meter.is_licensed:
            return False
        owner = self.owner_of(window.meter)
        if owner is not None and window.hour < owner.since:
            return False
        draft = self.drafts.get(window)
        if draft is not None and not draft.has_room_for(group):
            return False
        return self.is_in_time(window, group)

    def is_in_time(self, window: Window, group: Group) -> bool:
        stamp = self.drafts.get(window, _Draft(window)).stamp_with(group)
        deadline = deadline_of(stamp, self.policy.window_length)
        return self.now < deadline - self.policy.safety_margin

    def take(self, window: Window, group: Group) -> None:
        self.drafts.setdefault(window, _Draft(window)).take(group)
        self.identity_by_hour[window.hour] = window.meter.is_licensed

    def reject(self, group: Group) -> None:
        text = (
            f"usage of {group.hour} was recorded after its hour had been sealed, and late usage of "
            f"product {group.meter.product} is rejected by your setting. To bill it later, set "
            "late to carry and retry it"
        )
        self.rejected.append((group, text))
        self.raise_alarm(AlarmKind.LATE_REJECTED, group, group.hour, text)

    def refuse(self, group: Group, owner: Owner) -> None:
        """Usage of a licence that is metered under another product code."""
        assert group.meter.license_arn is not None, "not refused for it"
        text = refusal(group.meter.license_arn, group.meter.product, owner)
        self.rejected.append((group, text))
        self.raise_alarm(AlarmKind.REFUSED_INPUT, group, group.hour, text)

    def report_other_month(self, group: Group, billed_in: UsageHour) -> None:
        text = (
            f"usage of {group.hour} found no free window in {group.hour.month} and is billed in "
            f"{billed_in.month}, in the window {billed_in}"
        )
        self.raise_alarm(AlarmKind.CARRIED_ACROSS_MONTH, group, billed_in, text)

    def raise_alarm(self, kind: AlarmKind, group: Group, hour: UsageHour, text: str) -> None:
        self.tell(kind, Window(group.meter, hour), group.quantity, text)

    def tell(self, kind: AlarmKind, window: Window, quantity: Quantity, text: str) -> None:
        what = (kind, window, text)
        self.alarms[what] = self.alarms.get(what, 0) + quantity.micros

    def report_tags(self, draft: _Draft, allocated: Allocated) -> None:
        text = (
            f"the window has {allocated.sets} sets of tags, and AWS takes "
            f"{self.policy.tag_sets_max} with {TAGS_MAX} different keys and "
            f"{ENTRY_BYTES_MAX // 1_000} KB: {allocated.sets_without} sets with "
            f"{allocated.quantity_without} of {Quantity(draft.micros)} are billed without tags, "
            "the smallest first. The sum is billed in full. Use fewer tag values and keys in an "
            "hour, such as a team in the place of a request"
        )
        self.tell(AlarmKind.WITHOUT_TAGS, draft.window, allocated.quantity_without, text)

    def finish(self) -> Plan:
        sealings = tuple(self.seal(draft) for draft in self.drafts.values())
        alarms = tuple(
            Alarm(kind, window, Quantity(micros), text, self.now)
            for (kind, window, text), micros in self.alarms.items()
        )
        return Plan(self.book, sealings, tuple(self.rejected), tuple(self.waiting), alarms)

    def seal(self, draft: _Draft) -> Sealing:
        stamp = draft.stamp()
        serial = sum(key.window == draft.window for key in self.book.released)
        allocated = allocate(draft.micros_by_tags, self.policy.tag_sets_max)
        if allocated.sets_without:
            self.report_tags(draft, allocated)
        entry = Entry(
            window=draft.window,
            serial=serial,
            quantity=Quantity(draft.micros),
            stamp=stamp,
            deadline=deadline_of(stamp, self.policy.window_length),
            lines=_lines(draft.groups),
            allocations=allocated.allocations,
            retry_at=stamp + self.policy.clock_margin,
        )
        return Sealing(entry, tuple(draft.groups))


def _lines(groups: Sequence[Group]) -> tuple[Line, ...]:
    hours = sorted({group.hour for group in groups})
    return tuple(
        Line(
            hour,
            total(group.quantity for group in groups if group.hour == hour),
            sum(group.record_count for group in groups if group.hour == hour),
        )
        for hour in hours
    )
