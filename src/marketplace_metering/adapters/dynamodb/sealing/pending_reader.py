"""Reading every pending usage record through the guide's index and grouping it.

A million of them are read in one go, so a plain one takes a short path: its names were looked at
when the first of its buyer, product and dimension came by, and what is left are two columns of
numbers. One in the guide's own format takes the shortest, because the index has them in order of
time: most belong to the hour of the one before. Any other one takes the careful path through
`core.record`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Set
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple

from marketplace_metering.adapters.dynamodb.api.attributes import Attributes
from marketplace_metering.adapters.dynamodb.items.member_list import MemberColumns
from marketplace_metering.adapters.dynamodb.items.usage_record import MARKED_BY, MARKS, parse
from marketplace_metering.core.event import place_test
from marketplace_metering.core.hours import NS_PER_HOUR, NS_PER_MS, UsageHour, epoch_ns
from marketplace_metering.core.identity import BookKey, Meter
from marketplace_metering.core.limits import MICROS_PER_UNIT, QUANTITY_MICROS_MAX
from marketplace_metering.core.plan import Group
from marketplace_metering.core.quantity import Quantity
from marketplace_metering.core.record import Tags, UsageRecord
from marketplace_metering.core.record_rules import (
    EARLIEST_NS,
    EVENT_ID_LENGTH_MAX,
    KNOWN,
    REQUIRED,
    latest_plausible_ns,
    looks_like_license,
)

UNITS_MAX = QUANTITY_MICROS_MAX // MICROS_PER_UNIT
SHAPES_MAX = 1_000
SHORT_MAX = 500_000
DECIMALS = 6
# A run lists so many: a bug that writes seconds for milliseconds leaves a million an hour, each up
# to 400 KB. It takes a minute, and the honest usage beside it is sealed before.
MALFORMED_MAX = 20_000
MS_PER_HOUR = NS_PER_HOUR // NS_PER_MS


class GroupKey(NamedTuple):
    """What the usage records of a group have in common, within one book."""

    license_arn: str | None
    hour: int
    tags: Tags


@dataclass(slots=True)
class PendingBook:
    """The pending usage records of one book."""

    groups: dict[GroupKey, MemberColumns] = field(default_factory=dict)
    marked_by: dict[int, str] = field(default_factory=dict)  # by time, for those marked before
    away: dict[int, str] = field(default_factory=dict)  # events, by time, that are not at its place

    def columns(self, key: GroupKey) -> MemberColumns:
        """The columns of a group."""
        columns = self.groups.get(key)
        if columns is None:
            columns = self.groups[key] = MemberColumns()
        return columns

    @property
    def first_hour(self) -> int:
        """The hour of the oldest of them."""
        return min(key.hour for key in self.groups)


@dataclass(slots=True)
class Reading:
    """What the index showed."""

    books: dict[BookKey, PendingBook] = field(default_factory=dict)
    malformed: list[tuple[str, str]] = field(default_factory=list)  # keys of some thousands


@dataclass(slots=True)
class _Short:
    """Where plain usage records of one meter with the same tags go."""

    book: PendingBook
    license_arn: str | None
    tags: Tags
    by_hour: dict[int, MemberColumns] = field(default_factory=dict)


class _Shape(NamedTuple):
    """What the names of an item's attributes tell about the item."""

    is_plain: bool
    has_tags: bool
    has_license: bool
    has_event: bool


_Names = tuple[str, str, str, str | None, Tags]


class Reader:
    """Takes usage records one page after another."""

    def __init__(self, now: datetime) -> None:
        self.reading = Reading()
        self._now = now
        self._latest_ns = latest_plausible_ns(epoch_ns(now))
        self._shapes: dict[tuple[str, ...], _Shape] = {}
        self._short: dict[_Names, _Short] = {}
        self._this_hour: dict[tuple[str, str, str], MemberColumns] = {}
        self._is_at_its_place = place_test()
        self._begins_ms = self._ends_ms = 0

    def take(self, page: Iterable[Attributes]) -> None:
        """Sort a page of the index into groups."""
        get, begins_ms, ends_ms = self._this_hour.get, self._begins_ms, self._ends_ms
        for item in page:
            if len(item) == len(REQUIRED) and "metering_pending" in item:
                try:
                    ms = int(item["create_timestamp"]["N"])
                    columns = get(
                        (
                            item["customerAWSAccountId"]["S"],
                            item["productCode"]["S"],
                            item["dimension"]["S"],
                        )
                    )
                    units = int(item["quantity"]["N"])
                except (KeyError, ValueError):  # another attribute, another type, or a fraction
                    columns = None
                if columns is not None and begins_ms <= ms < ends_ms and 0 <= units <= UNITS_MAX:
                    columns.ns.append(ms * NS_PER_MS)
                    columns.micros.append(units * MICROS_PER_UNIT)
                    continue
            if not self._take_plain(item):
                self._take_carefully(item)
            begins_ms, ends_ms = self._begins_ms, self._ends_ms

    def _take_plain(self, item: Attributes) -> bool:
        """The short path; False, with nothing done, if the item needs a closer look."""
        names_of_attributes = tuple(item)
        shape = self._shapes.get(names_of_attributes) or self._see_shape(names_of_attributes)
        if not shape.is_plain:
            return False
        try:
            names = _names(item, shape)
            ms = item["create_timestamp"]["N"]
            units = item["quantity"]["N"]
            if shape.has_event and not 1 <= len(item["event_id"]["S"]) <= EVENT_ID_LENGTH_MAX:
                return False
        except KeyError:  # an attribute of another type
            return False
        short = self._short.get(names)
        if short is None:
            return False
        ns = int(ms) * NS_PER_MS if ms.isdecimal() else _millionths(ms)
        micros = int(units) * MICROS_PER_UNIT if units.isdecimal() else _millionths(units)
        if not EARLIEST_NS <= ns <= self._latest_ns or not 0 <= micros <= QUANTITY_MICROS_MAX:
            return False
        hour = ns // NS_PER_HOUR
        columns = short.by_hour.get(hour)
        if columns is None:
            columns = short.book.columns(GroupKey(short.license_arn, hour, short.tags))
            short.by_hour[hour] = columns
        if len(item) == len(REQUIRED):
            self._expect(hour)
            self._this_hour[names[:3]] = columns
        columns.ns.append(ns)
        columns.micros.append(micros)
        if shape.has_event and not self._is_at_its_place(item["event_id"]["S"], ns):
            short.book.away[ns] = item["event_id"]["S"]
        return True

    def _expect(self, hour: int) -> None:
        """Let the usage records of this hour take the shortest path from now on."""
        begins_ms = hour * MS_PER_HOUR
        if begins_ms != self._begins_ms:
            self._this_hour.clear()
            self._begins_ms = begins_ms
            # Never beyond what was just accepted: the latest is judged by the longer path.
            latest_ms = self._latest_ns // NS_PER_MS
            self._ends_ms = min(begins_ms + MS_PER_HOUR, latest_ms)

    def _see_shape(self, names: tuple[str, ...]) -> _Shape:
        own = frozenset(names) - KNOWN
        is_plain = (
            all(name in names for name in REQUIRED)
            and not MARKS.intersection(names)
            and not any(map(looks_like_license, own))
        )
        shape = _Shape(is_plain, "tags" in names, "licenseArn" in names, "event_id" in names)
        if len(self._shapes) >= SHAPES_MAX:
            self._shapes.clear()
        self._shapes[names] = shape
        return shape

    def _take_carefully(self, item: Attributes) -> None:
        found = parse(item, self._now)
        if not isinstance(found, UsageRecord):
            if len(self.reading.malformed) < MALFORMED_MAX:
                place = item["customerAWSAccountId"]["S"], item["create_timestamp"]["N"]
                self.reading.malformed.append(place)
            return
        key = found.meter.book_key
        book = self.reading.books.get(key)
        if book is None:
            book = self.reading.books[key] = PendingBook()
        group = GroupKey(found.license_arn, found.hour.number, found.tags)
        book.columns(group).add(found.created_ns, found.micros)
        marked_by = item.get(MARKED_BY, {}).get("S")
        if marked_by is not None:
            book.marked_by[found.created_ns] = marked_by
        event_id = found.event_id
        if event_id is not None and not self._is_at_its_place(event_id, found.created_ns):
            book.away[found.created_ns] = event_id
        # A null licence or tag is as good as none, but only for the careful path.
        names = (found.account, found.product, found.dimension, found.license_arn, found.tags)
        if names not in self._short and len(self._short) < SHORT_MAX:
            self._short[names] = _Short(book, found.license_arn, found.tags)


def _millionths(digits: str) -> int:
    """Those of a number with up to six decimals, as recorders write times and sums; -1 for others.

    A millisecond has a million nanoseconds, and a unit a million millionths.
    """
    whole, _point, rest = digits.partition(".")
    if not (whole.isdecimal() and rest.isdecimal() and len(rest) <= DECIMALS):
        return -1
    return int(whole + rest + "0" * (DECIMALS - len(rest)))


def _names(item: Attributes, shape: _Shape) -> _Names:
    tags: Tags = ()
    if shape.has_tags:
        tags = tuple(sorted((key, each["S"]) for key, each in item["tags"]["M"].items()))
    return (
        item["customerAWSAccountId"]["S"],
        item["productCode"]["S"],
        item["dimension"]["S"],
        item["licenseArn"]["S"] if shape.has_license else None,
        tags,
    )


def groups_of(
    key: BookKey, book: PendingBook, given_back: Set[int] = frozenset()
) -> Iterator[Group]:
    """The groups of a book; one that is above a window's cap comes in several parts.

    What an entry gave back is apart from usage that no entry ever had.
    """
    for (license_arn, hour, tags), columns in book.groups.items():
        meter = Meter(key.product, key.account, key.dimension, license_arn)
        for was_given_back, some in _apart(columns, given_back):
            for part in _capped(some):
                yield Group(
                    meter=meter,
                    hour=UsageHour(hour),
                    tags=tags,
                    quantity=Quantity(sum(part.micros)),
                    record_count=len(part),
                    earliest_ns=min(part.ns),
                    members=part,
                    was_given_back=was_given_back,
                )


def _apart(columns: MemberColumns, given_back: Set[int]) -> Iterator[tuple[bool, MemberColumns]]:
    if not given_back or given_back.isdisjoint(columns.ns):
        yield False, columns
        return
    for wanted in (True, False):
        part = MemberColumns()
        for ns, micros in zip(columns.ns, columns.micros, strict=True):
            if (ns in given_back) is wanted:
                part.add(ns, micros)
        yield wanted, part


def _capped(columns: MemberColumns) -> Iterator[MemberColumns]:
    if sum(columns.micros) <= QUANTITY_MICROS_MAX:
        if len(columns):
            yield columns
        return
    part, micros = MemberColumns(), 0
    for ns, each in zip(columns.ns, columns.micros, strict=True):
        if micros + each > QUANTITY_MICROS_MAX:
            yield part
            part, micros = MemberColumns(), 0
        part.add(ns, each)
        micros += each
    yield part
