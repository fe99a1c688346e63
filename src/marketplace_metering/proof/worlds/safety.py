"""The auditor: keeps books of its own and compares. Shares no code with `core`.

It knows what the writers wrote and what AWS accepted, and reads the store's tables. From that
follows what must hold at every instant, after any history.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime, timedelta

from marketplace_metering.proof.worlds.aws import SimulatedAws
from marketplace_metering.proof.worlds.expected_usage import Recorded, Window, shown
from marketplace_metering.proof.worlds.fault_mix import Mix
from marketplace_metering.proof.worlds.lateness import Lateness
from marketplace_metering.proof.worlds.restores import SETTLED_FOR_GOOD, BilledUnits
from marketplace_metering.proof.worlds.snapshot import (
    EntryRow,
    MeterName,
    Snapshot,
    Tags,
    UsageRow,
)
from marketplace_metering.proof.worlds.timeline import at as instant
from marketplace_metering.proof.worlds.timeline import month_of
from marketplace_metering.simulator.audit import Accepted

WHOLE_MAX = 2_147_483_647_000_000
MONTH_CLOSES = timedelta(hours=6)
TAG_KEYS_MAX = 5  # [Q11] of one window
# Where an entry may be found later, from where it was seen.
LATER: Mapping[str, frozenset[str]] = {
    "billed": frozenset(),
    "released": frozenset(),
    "written off": frozenset({"billed"}),
    "presumed": frozenset({"billed", "unresolved"}),
    "unresolved": frozenset({"billed", "released", "written off"}),
}
EVERY_STATE = frozenset({"sealed", "parked", "presumed", *LATER})


class Violation(BaseException):
    """A promise is broken. No handler of the product may swallow it."""


class Auditor:
    """What must be true, and the exception when it is not."""

    def __init__(self, aws: SimulatedAws, mix: Mix) -> None:
        self._aws = aws
        self.mix = mix
        self.without_tags: set[str] = set()  # entries of which some usage lost its tags
        self.may_seal_open_hours = False  # somebody asked for it
        self._accepted_seen = 0
        self.accepted: dict[Window, Accepted] = {}
        self._frozen: dict[str, tuple[object, ...]] = {}
        self.states: dict[str, str] = {}
        self.marks: Counter[str] = Counter()
        self.recorded = Recorded(self.marks)
        self.lateness = Lateness(mix.policy, mix.off_s, self.marks)
        self.billed_units = BilledUnits()
        self.waits_for_word = False  # nobody has said yet what a restored store is
        self._new: list[tuple[Window, Accepted]] = []  # since the books were looked at

    def lose(self, lost: Snapshot, copy: Snapshot, are_records_lost: bool) -> None:
        """A copy takes the place of the store: what it forgot is another program's to it."""
        own = {w: each for w, each in self.accepted.items() if w not in self._aws.elsewhere}
        unknown = self.billed_units.lose(lost, own, self._accepted_seen)
        known = {
            entry.window
            for entry in copy.entries
            if entry.state in SETTLED_FOR_GOOD and entry.window in self.accepted
        }
        self._aws.foreign |= unknown - known
        self._new.clear()
        self._frozen.clear()
        self.states.clear()
        self.waits_for_word = True
        self.lateness.lose()
        if are_records_lost:
            self.recorded.lose(copy.usage)
        else:
            self.recorded.slots.is_ledger_restored = True

    def look_at_aws(self) -> None:
        """After every request: no usage accepted late or twice."""
        simulator = self._aws.simulator
        for each in simulator.accepted[self._accepted_seen :]:
            self._accepted_seen += 1
            window = (self._aws.product_of(each), each.window.hour)
            is_ours = window not in self._aws.foreign
            if is_ours and window in self.accepted:
                raise Violation(f"{shown(window)} is billed twice")
            self.accepted[window] = each
            if window not in self._aws.elsewhere:
                self._new.append((window, each))
            if is_ours:
                self._check_in_time(window, each)
        for twice in simulator.audit.billed_twice:
            windows = {(self._aws.product_of(each), each.window.hour) for each in twice.records}
            if not windows & self._aws.foreign:
                raise Violation(f"billed twice, {twice.kind}: {twice.records}")
        foreign_hours = {hour for _meter, hour in self._aws.foreign}
        for changed in simulator.audit.windows_with_two_contents():
            if changed.unsafe and changed.window.hour not in foreign_hours:
                raise Violation(
                    f"{changed.window} was sent with another content after one that may be billed: "
                    f"{changed.contents}"
                )

    def _check_in_time(self, window: Window, each: Accepted) -> None:
        stamp, at = instant(each.content.stamp), instant(each.at)
        first = datetime(stamp.year + stamp.month // 12, stamp.month % 12 + 1, 1, tzinfo=UTC)
        deadline = min(stamp + self.mix.policy.window_length, first + MONTH_CLOSES)
        if at >= deadline:
            # Another reading of AWS took it; ours never risks that, but a process may stand still.
            self.marks["accepted after our deadline"] += 1
            is_extended = self._aws.simulator.readings.month_end_grace == "extends" and at >= first
            latest = first + MONTH_CLOSES if is_extended else stamp + timedelta(hours=24)
            if at >= min(latest, first + MONTH_CLOSES):
                raise Violation(f"{shown(window)} was billed at {at}, after {deadline}")

    def look(self, books: Snapshot, now_s: int) -> None:
        """After a run: the store's books against ours."""
        held: set[str] = set()
        if self.billed_units.is_restored:
            held = {entry.name for entry in books.entries if entry.state == "unresolved"}
            twice = self.billed_units.look(self._new, books)
            if twice is not None:
                raise Violation(twice)
        self._new.clear()
        fault = self.recorded.fault_in(books.usage, held)
        if fault is not None:
            raise Violation(fault)
        is_carried = self.mix.policy.late == "carry" or self.billed_units.is_restored
        fault = self.lateness.fault_in(books, (now_s + 1) * 1_000_000, is_carried)
        if fault is not None:
            raise Violation(fault)
        # What was edited there and back stands for two uses; the one that is billed may be deleted.
        vanishing = [row for row in books.vanishing if not self.lateness.was_edited(row)]
        if vanishing and not self.waits_for_word:
            raise Violation(f"unbilled usage may be deleted by the store: {vanishing[0]}")
        self._check_members(books)
        self._check_windows(books.entries)
        self._check_events(books)
        self._check_history(books.entries, now_s)
        self._check_law(books)

    def _check_members(self, books: Snapshot) -> None:
        """An entry bills exactly its members, and says from which hours and for which tags."""
        by_entry: defaultdict[str, list[UsageRow]] = defaultdict(list)
        for row in books.usage:
            if row.entry is not None:
                by_entry[row.entry].append(row)
        for entry in books.entries:
            members = by_entry.pop(entry.name, [])
            if not entry.is_live:
                if members:
                    raise Violation(f"a released entry still holds usage: {_said(entry)}")
                continue
            _check_sums(entry, members)
            if _check_allocations(entry, members, self.mix.policy.tag_sets_max):
                self.without_tags.add(entry.name)
        if by_entry:
            raise Violation(f"usage is covered by entries that do not exist: {list(by_entry)}")

    def _check_events(self, books: Snapshot) -> None:
        """An event that stands at several places is billed at one of them."""
        if self.billed_units.is_restored:
            return  # of two that a copy showed as pending, both are held for a person
        for name, rows in books.events.items():
            live = [row for row in rows if row.entry is not None]
            if len({row.created_ns for row in live}) > 1:
                raise Violation(f"event {name.event_id} counts twice: {live}")

    def _check_windows(self, entries: Iterable[EntryRow]) -> None:
        """One live entry for each window, one identity for each buyer, dimension and hour."""
        live: set[Window] = set()
        identity: dict[tuple[str, str, str, int], bool] = {}
        codes: dict[tuple[object, ...], str] = {}  # by what AWS counts
        for entry in entries:
            if not entry.is_live:
                continue
            if entry.window in live:
                raise Violation(f"two live entries of one window: {shown(entry.window)}")
            live.add(entry.window)
            place = (*entry.meter[:3], entry.hour)
            is_licensed = entry.meter.license_arn is not None
            if identity.setdefault(place, is_licensed) != is_licensed:
                raise Violation(f"an hour by product code and by licence: {shown(entry.window)}")
            if is_licensed and not self.billed_units.is_restored:
                counted = (*entry.meter[1:], entry.hour)
                if codes.setdefault(counted, entry.meter.product) != entry.meter.product:
                    raise Violation(f"an hour of a licence in two books: {shown(entry.window)}")

    def _check_history(self, entries: Iterable[EntryRow], now_s: int) -> None:
        """What is frozen stays; what is settled stays settled."""
        names = set()
        for entry in entries:
            names.add(entry.name)
            if entry.name not in self._frozen:
                self.marks.update(_peculiarities(entry))
                is_over = (entry.hour + 1) * 3_600 <= now_s + self.mix.off_s
                is_held = self.billed_units.is_restored and entry.state == "unresolved"
                if not is_over and not self.may_seal_open_hours and not is_held:
                    raise Violation(f"an hour that is not over was sealed: {_said(entry)}")
            if self._frozen.setdefault(entry.name, entry.frozen) != entry.frozen:
                raise Violation(
                    f"a sealed entry changed: {self._frozen[entry.name]} is {entry.frozen}"
                )
            before = self.states.get(entry.name)
            if before != entry.state:
                if entry.state == "unresolved" and entry.begun - entry.refused == 1:
                    self.marks["unresolved after a single unanswered attempt"] += 1
                if before is not None and entry.state not in LATER.get(before, EVERY_STATE):
                    raise Violation(f"{_said(entry)} was {before}")
                self.marks[f"{before or 'new'} → {entry.state}"] += 1
                self.states[entry.name] = entry.state
        gone = self._frozen.keys() - names
        if gone:
            raise Violation(f"entries are gone: {sorted(gone)}")

    def _check_law(self, books: Snapshot) -> None:
        """What AWS accepted is what the ledger holds, and every unit of usage is in one place."""
        live = {entry.window: entry for entry in books.entries if entry.is_live}
        for window, accepted in self.accepted.items():
            if window in self._aws.foreign:
                continue
            entry = live.get(window)
            if entry is None:
                raise Violation(
                    f"AWS bills {shown(window)}, and the ledger gave its usage back: it will be "
                    "billed twice"
                )
            self._check_billed(entry, accepted)
        billed_elsewhere = self.billed_units.holders(books)
        for window, entry in live.items():
            if entry.name in billed_elsewhere:
                continue  # a person found it in another window, which a lost store had sent
            is_accepted = window in self.accepted or self._is_accepted_elsewhere(window)
            if entry.state in ("billed", "presumed") and not is_accepted:
                raise Violation(f"{_said(entry)}, and AWS has nothing of it")
            if entry.state == "presumed" and entry.begun - entry.refused - entry.duplicates < 1:
                raise Violation(f"{_said(entry)}, but none of its attempts may have been accepted")
        self._check_sums(books)

    def _is_accepted_elsewhere(self, window: Window) -> bool:
        """Whether a lost store or another program had sent that hour of the licence, by another
        product code: a copy does not know whose it was, and AWS is not told."""
        meter, hour = window
        is_possible = self.billed_units.is_restored or window in self._aws.foreign
        if meter.license_arn is None or not is_possible:
            return False
        return any(
            hour == other_hour and meter._replace(product=other.product) == other
            for other, other_hour in self.accepted
        )

    def _check_billed(self, entry: EntryRow, accepted: Accepted) -> None:
        content = accepted.content
        allocations = tuple(sorted((part.tags, part.quantity) for part in content.allocations))
        sent = (content.quantity, content.stamp // 1_000_000, allocations)
        promised = (entry.micros, entry.stamp_s, tuple(sorted(entry.allocations)))
        if sent != promised:
            raise Violation(f"AWS bills {sent} for {_said(entry)}")
        if entry.state == "written off":
            raise Violation(f"AWS bills what was given up: {_said(entry)}")
        if entry.state in ("sealed", "parked") and entry.begun == entry.refused:
            raise Violation(f"AWS bills what no attempt accounts for: {_said(entry)}")

    def _check_sums(self, books: Snapshot) -> None:
        """recorded = accepted + sealed + unresolved + written off + pending and listed."""
        balance: Counter[MeterName] = Counter()
        for row in books.usage:
            balance[row.meter] += row.micros
            if row.entry is None:
                balance[row.meter] -= row.micros
        for entry in books.entries:
            is_ours = entry.window not in self.accepted or entry.window in self._aws.foreign
            if entry.is_live and is_ours:
                balance[entry.meter] -= entry.micros
        for window, accepted in self.accepted.items():
            if window not in self._aws.foreign:
                balance[window[0]] -= accepted.content.quantity
        for meter, micros in balance.items():
            if micros:
                raise Violation(
                    f"the books of {meter} are off by {micros} millionths: recorded is not "
                    "accepted + sealed + unresolved + listed + pending"
                )


def _check_sums(entry: EntryRow, members: list[UsageRow]) -> None:
    lines: dict[int, list[int]] = {}
    for row in members:
        if row.meter != entry.meter or row.hour > entry.hour:
            raise Violation(f"{row} is billed in a window of another meter or an earlier hour")
        if row.failure is not None:
            raise Violation(f"{row} is listed as not billed and in {_said(entry)}")
        line = lines.setdefault(row.hour, [0, 0])
        line[0] += row.micros
        line[1] += 1
    found = tuple((hour, *line) for hour, line in sorted(lines.items()))
    if found != entry.lines or sum(line[1] for line in entry.lines) != entry.micros:
        raise Violation(f"{_said(entry)} has members {found} and lines {entry.lines}")


def _check_allocations(entry: EntryRow, members: list[UsageRow], sets_max: int) -> bool:
    """Each set of tags has its usage; what AWS's limits leave out is untagged: was there such?"""
    used: Counter[Tags] = Counter()
    for row in members:
        used[row.tags] += row.micros
    if set(used) == {()}:
        if entry.allocations:
            raise Violation(f"{_said(entry)} has allocations without any tag")
        return False
    allocated = dict(entry.allocations)
    is_too_much = len(used) > sets_max or len(_tag_keys(used)) > TAG_KEYS_MAX
    if not is_too_much and allocated == dict(used):
        return False
    untagged = allocated.pop((), 0)
    is_right = (
        is_too_much
        and len(allocated) < sets_max
        and len(_tag_keys(allocated)) <= TAG_KEYS_MAX
        and all(used[tags] == micros for tags, micros in allocated.items())
        and untagged == entry.micros - sum(allocated.values())
    )
    if not is_right:
        raise Violation(f"{_said(entry)} allocates {entry.allocations} of {dict(used)}")
    return True


def _tag_keys(sets: Iterable[Tags]) -> set[str]:
    return {key for tags in sets for key, _value in tags}


def _peculiarities(entry: EntryRow) -> Iterator[str]:
    """Rare shapes of an entry, to be counted when it is seen first."""
    hours = [line[0] for line in entry.lines]
    if entry.serial:
        yield "window sealed again after a release"
    if any(hour != entry.hour for hour in hours):
        yield "usage carried"
    if len(set(hours)) > 1:
        yield "usage of several hours in one window"
    if any(month_of(hour) != month_of(entry.hour) for hour in hours):
        yield "usage carried across a month"
    if entry.allocations:
        yield "window with tags"
    if entry.micros % 1_000_000:
        yield "window with a fraction"
    if entry.micros > WHOLE_MAX:
        yield "window above what Quantity holds"
    if entry.stamp_s // 3_600 == entry.hour and entry.stamp_s % 3_600 == 0:
        yield "window stamped with its hour's start"


def _said(entry: EntryRow) -> str:
    return (
        f"entry {entry.serial} of {shown(entry.window)} with {entry.micros} "
        f"millionths, {entry.state}, {entry.refused} of {entry.begun} attempts refused, "
        f"{entry.duplicates} answered as duplicate"
    )
