"""A copy is not the original (money rule 14): telling a restored store, and what it must hold.

A store counts the times at which something was sent from it, and a mark outside of the store
keeps the highest count. The count in the store is raised first, then the mark, then the request
leaves. So a store that is ahead of its mark lost nothing, and one that is behind it was restored:
what it shows as pending, unsettled or listed may have been billed since it was copied.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from typing import NamedTuple, Self

from marketplace_metering.core.allocations import allocate
from marketplace_metering.core.hours import UsageHour, deadline_of, epoch_ms, from_ms, stamp_of
from marketplace_metering.core.identity import Window
from marketplace_metering.core.ledger import Alarm, AlarmKind, Entry, Line, State
from marketplace_metering.core.limits import QUANTITY_MICROS_MAX
from marketplace_metering.core.plan import Book, Group, Plan, Sealing
from marketplace_metering.core.policy import Policy
from marketplace_metering.core.quantity import Quantity, total
from marketplace_metering.core.record import Tags

SENDING = "sending"  # the name of the fact that is compared with the mark
BEGUN = 0  # the number of a mark of which nothing was sent yet


class Sending(NamedTuple):
    """One time at which something was about to be sent: how many there were, and by whom."""

    number: int
    restores: int  # how often a person has said that the store was restored
    by: str  # a process's own sign: two copies may count alike, but never by the same one
    at: datetime

    def is_same(self, other: Self) -> bool:
        """Whether both are one: an instant may have been kept to the millisecond."""
        return self[:3] == other[:3]

    def __str__(self) -> str:
        return f"{self.number} {self.restores} {self.by} {epoch_ms(self.at)}"

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read back what `str` wrote; raises ValueError."""
        number, restores, by, at_ms = text.split(" ")
        return cls(int(number), int(restores), by, from_ms(int(at_ms)))


class MarkUnusableError(Exception):
    """The mark could not be read or raised just now; nothing may be sent without it."""


class Mark(NamedTuple):
    """What stands outside of a store."""

    sending: Sending
    is_of_this_store: bool = True  # False: it was made for another file than the one beside it


class Standing(Enum):
    """A store beside its mark."""

    LEVEL = "level"  # or ahead: nothing was sent that it does not know
    NEW = "new"  # nothing was ever sent from it, and there is no mark
    UNMARKED = "unmarked"  # something was sent from it, and its mark is missing
    BEHIND = "behind"  # it was restored: the mark knows of sendings that it does not
    ELSEWHERE = "elsewhere"  # level with a mark of another file: both were moved, or both copied


def standing(known: Sending | None, mark: Mark | None) -> Standing:
    """How a store that knows of a sending stands beside its mark."""
    if mark is None:
        return Standing.NEW if known is None else Standing.UNMARKED
    if known is None and mark.sending.number == BEGUN:
        return Standing.LEVEL if mark.is_of_this_store else Standing.ELSEWHERE
    if known is None or not (known.number > mark.sending.number or known.is_same(mark.sending)):
        return Standing.BEHIND
    return Standing.LEVEL if mark.is_of_this_store else Standing.ELSEWHERE


# --- What a restored store holds ------------------------------------------------------------------


@dataclass(slots=True)
class _Held:
    """A window to be: what was pending or listed in the copy, in an entry that nobody sends."""

    window: Window
    groups: list[Group] = field(default_factory=list)
    micros: int = 0
    micros_by_tags: dict[Tags, int] = field(default_factory=dict)

    def fits(self, group: Group) -> bool:
        return self.micros + group.quantity.micros <= QUANTITY_MICROS_MAX

    def take(self, group: Group) -> None:
        self.groups.append(group)
        self.micros += group.quantity.micros
        so_far = self.micros_by_tags.get(group.tags, 0)
        self.micros_by_tags[group.tags] = so_far + group.quantity.micros


def hold(
    book: Book, groups: Sequence[Group], until_ns: int, why: str, now: datetime, policy: Policy
) -> Plan:
    """Put usage of up to an instant into entries that are unresolved from the beginning.

    Each in its own window; where that is taken, in the next one that is free. `book` knows every
    live window from the oldest of these groups on.
    """
    held: dict[Window, _Held] = {}
    licensed = {window.hour: window.meter.is_licensed for window in book.live}
    for group in sorted(groups, key=_age):
        if group.earliest_ns > until_ns:
            continue
        hour = group.hour
        while True:
            window = Window(group.meter, hour)
            is_free = window not in book.live
            is_free &= licensed.get(hour, group.meter.is_licensed) == group.meter.is_licensed
            draft = held.get(window) or _Held(window)
            if is_free and draft.fits(group):
                break
            hour = hour.plus(1)
        licensed[hour] = group.meter.is_licensed
        held.setdefault(window, draft).take(group)
    sealings = tuple(_sealing(each, book, why, policy) for each in held.values())
    alarms = tuple(alarm for sealing in sealings for alarm in _alarms(sealing.entry, why, now))
    return Plan(book, sealings, alarms=alarms)


def _age(group: Group) -> tuple[object, ...]:
    licence = group.meter.license_arn or ""
    return (group.hour, group.earliest_ns, licence, group.tags, group.quantity, group.record_count)


def _sealing(held: _Held, book: Book, why: str, policy: Policy) -> Sealing:
    hour = held.window.hour
    own = [group.earliest_ns for group in held.groups if group.hour == hour]
    stamp = stamp_of(hour, min(own, default=None))
    entry = Entry(
        window=held.window,
        serial=sum(key.window == held.window for key in book.released),
        quantity=Quantity(held.micros),
        stamp=stamp,
        deadline=deadline_of(stamp, policy.window_length),
        lines=tuple(_lines(held.groups)),
        allocations=allocate(held.micros_by_tags, policy.tag_sets_max).allocations,
        retry_at=stamp + policy.clock_margin,
        state=State.UNRESOLVED,
        begun=1,  # what may have been sent of it since the copy
        reason=why,
    )
    return Sealing(entry, tuple(held.groups))


def _alarms(entry: Entry, why: str, now: datetime) -> Iterator[Alarm]:
    yield Alarm(AlarmKind.UNRESOLVED, entry.window, entry.quantity, why, now)
    month = entry.window.hour.month
    if any(line.hour.month != month for line in entry.lines):
        text = f"usage of another month is held in the window {entry.window.hour}. {why}"
        yield Alarm(AlarmKind.CARRIED_ACROSS_MONTH, entry.window, entry.carried, text, now)


def _lines(groups: Sequence[Group]) -> Iterator[Line]:
    by_hour: dict[UsageHour, list[Group]] = {}
    for group in groups:
        by_hour.setdefault(group.hour, []).append(group)
    for hour, some in sorted(by_hour.items()):
        quantity = total(group.quantity for group in some)
        yield Line(hour, quantity, sum(group.record_count for group in some))
