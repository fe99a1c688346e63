"""What the ledger already holds of pending usage.

The index of pending usage is a moment behind, the marks are written after the ledger, and a person
may set a usage record pending again: what stands there as pending may be anything. So each is
looked up in the ledger where its time falls into a window's members, or where it says that it was
marked before. A window of another book of the buyer may hold it: it was edited since it was sealed.
Only what needs it is read again from the table itself.
"""

from __future__ import annotations

from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from types import MappingProxyType
from typing import NamedTuple

from marketplace_metering.adapters.dynamodb.api.attributes import text
from marketplace_metering.adapters.dynamodb.api.requests import Calls
from marketplace_metering.adapters.dynamodb.items import keys
from marketplace_metering.adapters.dynamodb.items.book_head import Head, Holding
from marketplace_metering.adapters.dynamodb.items.chunks import read_contents
from marketplace_metering.adapters.dynamodb.items.entry import (
    Covering,
    Rejected,
    Stored,
    covering_of,
    read_covering,
)
from marketplace_metering.adapters.dynamodb.items.keys import Place
from marketplace_metering.adapters.dynamodb.items.member_list import MemberList, SealedContent
from marketplace_metering.adapters.dynamodb.sealing.pending_reader import GroupKey, PendingBook
from marketplace_metering.core import ledger
from marketplace_metering.core.identity import BookKey, Meter
from marketplace_metering.core.ledger import EntryKey, State

KEPT_MAX = 2_000_000  # members unpacked at once, 16 bytes each


class Verdict(Enum):
    """What a pending usage record is, given that something in the ledger knows it."""

    HELD = "held"  # its outcome is still open: not pending, although the index may show it
    DOUBTFUL = "doubtful"  # an old picture of it, or a person's retry: the table will tell


class Match(NamedTuple):
    """A pending usage record among the members of an entry or a rejection."""

    book: BookKey
    ns: int
    group: GroupKey  # these three as the index shows it
    micros: int
    named: str | None  # the place that its mark names
    covering: Covering
    said: SealedContent  # when it was sealed

    @property
    def is_free(self) -> bool:
        """Whether nothing holds it any more: it is planned like any other."""
        return not _is_live(self.covering)

    @property
    def is_elsewhere(self) -> bool:
        """Whether that is in another book than the one that it is in now."""
        return self.covering.place.pk != keys.book_pk(self.book)

    @property
    def is_other_use(self) -> bool:
        """Whether an application put it over what another book has, after that was marked."""
        covering = self.covering
        is_named = self.named == str(covering.place)
        is_marked = isinstance(covering, Stored) and covering.names_members
        return self.is_elsewhere and is_marked and not is_named


@dataclass(slots=True)
class Comparison:
    """The outcome for some books."""

    held: dict[BookKey, set[int]] = field(default_factory=dict)
    doubtful: list[Match] = field(default_factory=list)
    older: dict[BookKey, list[tuple[EntryKey, bool]]] = field(default_factory=dict)
    given_back: dict[BookKey, set[int]] = field(default_factory=dict)  # by released entries


def verdict(covering: Covering, is_same: bool) -> Verdict:
    """What a member of an entry or a rejection is, when it is seen as pending."""
    is_behind = covering.marks_due_at_ms is not None
    if isinstance(covering, Rejected):
        return Verdict.HELD if is_behind else Verdict.DOUBTFUL
    assert isinstance(covering, Stored)
    if covering.entry.state is State.RELEASED:
        is_listed = covering.frees is not ledger.AfterRelease.PENDING
        return Verdict.HELD if is_listed and is_behind else Verdict.DOUBTFUL
    is_as_recorded = covering.entry.state is State.SEALED or is_behind
    return Verdict.HELD if is_same and is_as_recorded else Verdict.DOUBTFUL


def compare(
    calls: Calls,
    table: str,
    books: Mapping[BookKey, PendingBook],
    heads: Mapping[BookKey, Head],
    elsewhere: Mapping[BookKey, Sequence[Head]] = MappingProxyType({}),
) -> Comparison:
    """Look up the pending usage of some books in the ledger; each also in others of its buyer."""
    comparison = Comparison()
    found: dict[Place, Covering] = {}
    beside = {
        key: _read_beside(calls, table, elsewhere.get(key, ()), book, found)
        for key, book in books.items()
    }
    for key, book in books.items():
        older = _read_older(calls, table, heads[key], book)
        found.update(_of_hours(older, book))
        comparison.older[key] = [
            (each.entry.key, each.entry.state.is_live)
            for each in older.values()
            if isinstance(each, Stored)
        ]
    wanted = {place: None for key in books for place in _may_hold(heads[key], books[key])}
    wanted.update(dict.fromkeys(place for places in beside.values() for place in places))
    missing = [place for place in wanted if place not in found]
    found.update(read_covering(calls, table, missing))
    members = _Unpacked(calls, table, found)
    for key, book in books.items():
        _compare_book(key, book, members, beside[key], comparison)
    return comparison


def _read_beside(
    calls: Calls,
    table: str,
    heads: Sequence[Head],
    book: PendingBook,
    found: dict[Place, Covering],
) -> list[Place]:
    """Which windows of other books may hold some of the book's pending usage."""
    places: dict[Place, None] = {}
    for head in heads:
        older = _of_hours(_read_older(calls, table, head, book), book)
        found.update(older)
        places.update(dict.fromkeys(older))
        spans = _spans(book)
        for cover in head.covers:
            is_live = cover.holding is Holding.LIVE
            if is_live and any(cover.overlaps(first, last) for first, last in spans):
                places[head.place_of(cover)] = None
    return list(places)


def _spans(book: PendingBook) -> list[tuple[int, int]]:
    return [(min(columns.ns), max(columns.ns)) for columns in book.groups.values() if columns]


def _read_older(
    calls: Calls, table: str, head: Head, book: PendingBook
) -> dict[Place, Stored | Rejected]:
    """What the head has dropped, where usage is that old."""
    first_hour = book.first_hour
    if first_hour >= head.since:
        return {}
    items = calls.items(
        TableName=table,
        KeyConditionExpression="pk = :pk AND sk BETWEEN :first AND :last",
        ExpressionAttributeValues={
            ":pk": text(head.pk),
            ":first": text(f"hour#{first_hour:07d}"),
            ":last": text(f"hour#{head.since:07d}"),
        },
        ConsistentRead=True,
    )
    return covering_of(calls, table, items)


def _of_hours(older: Mapping[Place, Covering], book: PendingBook) -> dict[Place, Covering]:
    """What has usage of the hours of pending usage: a single old record unpacks no history."""
    hours = {group.hour for group in book.groups}
    return {
        place: each
        for place, each in older.items()
        if not isinstance(each, Stored)
        or any(line.hour.number in hours for line in each.entry.lines)
    }


def _may_hold(head: Head, book: PendingBook) -> Iterator[Place]:
    """What may hold some of the book's pending usage."""
    spans = _spans(book)
    for cover in head.covers:
        if any(cover.overlaps(first, last) for first, last in spans):
            yield head.place_of(cover)
    for written in set(book.marked_by.values()):
        place = keys.parse_place(written)
        if place is not None:
            yield place


class _Unpacked:
    """Entries and rejections with their members, unpacked when they are needed."""

    def __init__(self, calls: Calls, table: str, found: Mapping[Place, Covering]) -> None:
        self.by_book: dict[str, list[Covering]] = {}
        for covering in found.values():
            self.by_book.setdefault(covering.place.pk, []).append(covering)
        self.found = found
        attributes = ((place, covering.members) for place, covering in found.items())
        self._contents = read_contents(calls, table, attributes)
        self._members: dict[Place, MemberList] = {}
        self._kept = 0

    def said(self, covering: Covering, among: Container[int]) -> dict[int, SealedContent]:
        """What the members at certain times said when they were sealed, by their time."""
        members = self._members.get(covering.place)
        if members is None:
            members = MemberList.decode(self._contents[covering.place])
            self._kept += len(members)
            if self._kept > KEPT_MAX:
                self._members.clear()
                self._kept = len(members)
            self._members[covering.place] = members
        return members.said(among)


@dataclass(slots=True)
class _Lookup:
    """The pending usage of one book, and what is found of it."""

    key: BookKey
    pending: Mapping[int, tuple[GroupKey, int]]
    marked_by: Mapping[int, str]
    given_back: set[int]
    members: _Unpacked
    held: set[int] = field(default_factory=set)
    doubtful: dict[int, Match] = field(default_factory=dict)

    def into(
        self,
        covering: Covering,
        decided: Container[int],
        among: Container[int] | None = None,
    ) -> None:
        """See what an entry holds of it, but for what is decided."""
        gives_back = _is_released(covering)
        said = self.members.said(covering, self.pending if among is None else among)
        for ns in said:
            if gives_back:
                self.given_back.add(ns)
            if ns in self.held or ns in decided:
                continue
            group, micros = self.pending[ns]
            is_same = is_as_sealed(covering, said[ns], self.key, group, micros)
            match verdict(covering, is_same):
                case Verdict.HELD:
                    self.held.add(ns)
                case Verdict.DOUBTFUL:
                    named = self.marked_by.get(ns)
                    doubt = Match(self.key, ns, group, micros, named, covering, said[ns])
                    self.doubtful[ns] = doubt


def _compare_book(
    key: BookKey,
    book: PendingBook,
    members: _Unpacked,
    beside: Sequence[Place],
    comparison: Comparison,
) -> None:
    pk = keys.book_pk(key)
    own = list(members.by_book.get(pk, ()))
    named_by = filter(None, map(keys.parse_place, set(book.marked_by.values())))
    others = [
        members.found[place]
        for place in dict.fromkeys([*named_by, *beside])
        if place in members.found and place.pk != pk
    ]
    if not own and not others:
        return
    pending = {
        ns: (group, micros)
        for group, columns in book.groups.items()
        for ns, micros in zip(columns.ns, columns.micros, strict=True)
    }
    # A correction may have moved usage since, but it left the mark.
    marks = {ns: keys.parse_place(written) for ns, written in book.marked_by.items()}
    given_back = {
        ns for ns, place in marks.items() if place and _is_released(members.found.get(place))
    }
    look = _Lookup(key, pending, book.marked_by, given_back, members)
    # The live entry decides, not an earlier one; or what owes marks, the latest first.
    for covering in sorted([*own, *(each for each in others if not _is_live(each))], key=_order):
        look.into(covering, look.doubtful)
    # What its own book holds no more, another one may; the first one is looked into last. The one
    # that a usage record names itself has the last word: its own book may hold what stood there
    # before it.
    decided = {ns for ns, match in look.doubtful.items() if not match.is_free}
    elsewhere = sorted(filter(_is_live, others), key=_order, reverse=True)
    for covering in elsewhere:
        look.into(covering, decided)
    naming = _naming(book)
    for covering in filter(_is_live, (*own, *elsewhere)):
        named = naming.get(str(covering.place))
        if named is not None:
            look.into(covering, (), named)
    comparison.held[key] = look.held
    comparison.given_back[key] = look.given_back
    comparison.doubtful.extend(look.doubtful.values())


def _is_released(covering: Covering | None) -> bool:
    return isinstance(covering, Stored) and covering.entry.state is State.RELEASED


def _naming(book: PendingBook) -> dict[str, dict[int, None]]:
    """Which usage records name the same entry."""
    naming: dict[str, dict[int, None]] = {}
    for ns, name in book.marked_by.items():
        naming.setdefault(name, {})[ns] = None
    return naming


def _order(covering: Covering) -> tuple[bool, bool, int]:
    is_named = isinstance(covering, Stored) and covering.names_members
    return not _is_live(covering), is_named, -(covering.marks_due_at_ms or 0)


def _is_live(covering: Covering) -> bool:
    return isinstance(covering, Stored) and covering.entry.state.is_live


def is_as_sealed(
    covering: Covering, said: SealedContent, book: BookKey, group: GroupKey, micros: int
) -> bool:
    """Whether a usage record still says what it said when it was sealed."""
    if keys.book_key_of(covering.place.pk) != book or said != SealedContent(group.tags, micros):
        return False
    if isinstance(covering, Stored):
        meter = Meter(book.product, book.account, book.dimension, group.license_arn)
        return covering.entry.window.meter == meter
    return True
