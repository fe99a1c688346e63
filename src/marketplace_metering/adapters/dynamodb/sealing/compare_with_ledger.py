"""What the ledger already holds of pending usage.

The index of pending usage is a moment behind, the marks are written after the ledger, and a person
may set a usage record pending again: what stands there as pending may be anything. So each is
looked up in the ledger where its time falls into a window's members, or where it says that it was
marked before. Only what needs it is read again from the table itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import NamedTuple

from marketplace_metering.adapters.dynamodb.api.attributes import text
from marketplace_metering.adapters.dynamodb.api.requests import Calls
from marketplace_metering.adapters.dynamodb.items import keys
from marketplace_metering.adapters.dynamodb.items.book_head import Head
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


class Verdict(Enum):
    """What a pending usage record is, given that something in the ledger knows it."""

    HELD = "held"  # its outcome is still open: not pending, although the index may show it
    DOUBTFUL = "doubtful"  # an old picture of it, or a person's retry: the table will tell


class Match(NamedTuple):
    """A pending usage record among the members of an entry or a rejection."""

    book: BookKey
    ns: int
    group: GroupKey  # these two as the index shows it
    micros: int
    covering: Covering
    said: SealedContent  # when it was sealed

    @property
    def is_free(self) -> bool:
        """Whether nothing holds it any more: it is planned like any other."""
        return not isinstance(self.covering, Stored) or _is_released(self.covering)


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
    calls: Calls, table: str, books: Mapping[BookKey, PendingBook], heads: Mapping[BookKey, Head]
) -> Comparison:
    """Look up the pending usage of some books in the ledger."""
    comparison = Comparison()
    found: dict[Place, Covering] = {}
    for key, book in books.items():
        older = _read_older(calls, table, heads[key], book)
        found.update(older)
        comparison.older[key] = [
            (each.entry.key, each.entry.state.is_live)
            for each in older.values()
            if isinstance(each, Stored)
        ]
    wanted = {place: None for key in books for place in _may_hold(heads[key], books[key])}
    missing = [place for place in wanted if place not in found]
    found.update(read_covering(calls, table, missing))
    members = _Unpacked(calls, table, found)
    for key, book in books.items():
        _compare_book(key, book, members, comparison)
    return comparison


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


def _may_hold(head: Head, book: PendingBook) -> Iterator[Place]:
    """What may hold some of the book's pending usage."""
    spans = [(min(columns.ns), max(columns.ns)) for columns in book.groups.values() if columns]
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

    def said(self, covering: Covering) -> dict[int, SealedContent]:
        """What the members said when they were sealed, by their time."""
        members = self._members.get(covering.place)
        if members is None:
            members = self._members[covering.place] = MemberList.decode(
                self._contents[covering.place]
            )
        return members.said()


def _compare_book(
    key: BookKey, book: PendingBook, members: _Unpacked, comparison: Comparison
) -> None:
    coverings = list(members.by_book.get(keys.book_pk(key), ()))
    for written in set(book.marked_by.values()):
        place = keys.parse_place(written)
        elsewhere = members.found.get(place) if place is not None else None
        if elsewhere is not None and elsewhere.place.pk != keys.book_pk(key):
            coverings.append(elsewhere)
    if not coverings:
        return
    pending = {
        ns: (group, micros)
        for group, columns in book.groups.items()
        for ns, micros in zip(columns.ns, columns.micros, strict=True)
    }
    held: set[int] = set()
    doubtful: dict[int, Match] = {}
    # A correction may have moved usage since, but it left the mark.
    marks = {ns: keys.parse_place(written) for ns, written in book.marked_by.items()}
    given_back = {
        ns for ns, place in marks.items() if place and _is_released(members.found.get(place))
    }
    # The live entry decides, not an earlier one; or what owes marks, the latest first.
    for covering in sorted(coverings, key=_latest_first):
        said = members.said(covering)
        gives_back = _is_released(covering)
        for ns in _in_both(pending, said):
            if gives_back:
                given_back.add(ns)
            if ns in held or ns in doubtful:
                continue
            group, micros = pending[ns]
            is_same = is_as_sealed(covering, said[ns], key, group, micros)
            match verdict(covering, is_same):
                case Verdict.HELD:
                    held.add(ns)
                case Verdict.DOUBTFUL:
                    doubtful[ns] = Match(key, ns, group, micros, covering, said[ns])
    comparison.held[key] = held
    comparison.given_back[key] = given_back
    comparison.doubtful.extend(doubtful.values())


def _is_released(covering: Covering | None) -> bool:
    return isinstance(covering, Stored) and covering.entry.state is State.RELEASED


def _in_both(some: Mapping[int, object], others: Mapping[int, object]) -> Iterable[int]:
    few, many = (some, others) if len(some) < len(others) else (others, some)
    return [ns for ns in few if ns in many]


def _latest_first(covering: Covering) -> tuple[bool, int]:
    is_live = isinstance(covering, Stored) and covering.entry.state.is_live
    return not is_live, -(covering.marks_due_at_ms or 0)


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
