"""The head of a book: its version, and which recent windows the ledger covers.

A change to what a book covers writes its head in the same transaction, on the condition that
the version is still the one that was read. So one small read, for a hundred books at a time, tells
the whole recent book: pending usage is compared with entries only where their times overlap.
Older windows than `since` are not in the head; they are looked up where usage is that old. A head
that would grow too large [P3] forgets its oldest hours in the same way, and licences with them.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from itertools import groupby
from typing import Any, NamedTuple

from marketplace_metering.adapters.dynamodb.api.attributes import Attributes, number, text
from marketplace_metering.adapters.dynamodb.api.requests import Calls
from marketplace_metering.adapters.dynamodb.items import keys
from marketplace_metering.adapters.dynamodb.items.buyer_books import Buyer
from marketplace_metering.adapters.dynamodb.items.keys import Place
from marketplace_metering.adapters.dynamodb.items.versions import put_after
from marketplace_metering.core.hours import NS_PER_HOUR, NS_PER_S, UsageHour
from marketplace_metering.core.identity import Meter, Window
from marketplace_metering.core.ledger import EntryKey
from marketplace_metering.core.license_owners import NOBODY, Owners
from marketplace_metering.core.plan import Book

HOURS_KEPT = 27  # AWS accepts a window for 24 hours after its stamp; a little for unlike clocks
BY_PRODUCT = 0  # in `Cover.identity`; n is the n-th licence of the head
BYTES_MAX = 100_000  # ours: it is read and written with every change of its book
COVER_BYTES = 48  # at most, as it is written
SURELY_SMALL = 200  # this many covers and licences
NO_WINDOW = -1  # late usage that was rejected: it fills no window


class Holding(StrEnum):
    """What the ledger does with usage records."""

    LIVE = "L"  # an entry holds them
    FREED = "F"  # an entry held them: they are free
    LISTED = "X"  # refused or rejected: marked as failed, then free


class Cover(NamedTuple):
    """One window, or rejected usage: what of it is covered, in seconds from the hour's start."""

    hour: int
    identity: int
    serial: int
    holding: Holding
    first_s: int
    last_s: int

    def overlaps(self, first_ns: int, last_ns: int) -> bool:
        """Whether usage between two instants may be among its members."""
        start = self.hour * NS_PER_HOUR
        return (
            start + self.first_s * NS_PER_S <= last_ns and first_ns < start + self.last_s * NS_PER_S
        )


def cover(
    hour: int, identity: int, serial: int, holding: Holding, first_ns: int, last_ns: int
) -> Cover:
    """A cover whose members lie between two instants."""
    start = hour * NS_PER_HOUR
    first_s = (first_ns - start) // NS_PER_S
    last_s = (last_ns - start) // NS_PER_S + 1
    return Cover(hour, identity, serial, holding, first_s, last_s)


@dataclass(frozen=True, slots=True)
class Head:
    """A book as of a version."""

    pk: str
    version: int = 0
    since: int = 0  # the hour from which on the covers are complete
    licenses: tuple[str, ...] = ()
    covers: tuple[Cover, ...] = ()

    def place_of(self, cover: Cover) -> Place:
        """Where the entry or the rejection is kept."""
        if cover.identity == NO_WINDOW:
            identity = keys.REJECTED
        else:
            identity = keys.identity(self._license(cover))
        return Place(self.pk, keys.hour_sk(cover.hour, identity, cover.serial))

    def _license(self, cover: Cover) -> str | None:
        return None if cover.identity == BY_PRODUCT else self.licenses[cover.identity - 1]

    def with_license(self, license_arn: str | None) -> tuple[Head, int]:
        """The head that knows the licence, and the licence's number in it."""
        if license_arn is None:
            return self, BY_PRODUCT
        if license_arn in self.licenses:
            return self, self.licenses.index(license_arn) + 1
        licenses = (*self.licenses, license_arn)
        return replace(self, licenses=licenses), len(licenses)

    def bumped(self, covers: Iterable[Cover], now: datetime) -> Head:
        """The next version, with these covers and without those that are too old."""
        since = max(self.since, UsageHour.of(now).number - HOURS_KEPT)
        kept = tuple(sorted(cover for cover in covers if cover.hour >= since))
        after = replace(self, version=self.version + 1, since=since, covers=kept)
        is_small = max(len(kept), len(self.licenses)) <= SURELY_SMALL
        return after if is_small else after._without_what_has_no_room()

    def _without_what_has_no_room(self) -> Head:
        """The newest hours of it, as many as fit, with their licences."""
        since, size, licences = self.since, 0, set[int]()
        for hour, of_hour in groupby(reversed(self.covers), key=lambda cover: cover.hour):
            for each in of_hour:
                size += COVER_BYTES
                if each.identity > BY_PRODUCT and each.identity not in licences:
                    licences.add(each.identity)
                    size += len(self.licenses[each.identity - 1])
            if size > BYTES_MAX:
                since = hour + 1
                break
        covers = [cover for cover in self.covers if cover.hour >= since]
        named = sorted({cover.identity for cover in covers if cover.identity > BY_PRODUCT})
        number_of = {old: new for new, old in enumerate(named, start=1)}
        return replace(
            self,
            since=since,
            licenses=tuple(self.licenses[old - 1] for old in named),
            covers=tuple(
                cover._replace(identity=number_of.get(cover.identity, cover.identity))
                for cover in covers
            ),
        )

    def freed(self, places: dict[Place, Holding], now: datetime) -> Head:
        """The next version, in which these entries hold nothing any more."""
        covers = (
            cover._replace(holding=places.get(self.place_of(cover), cover.holding))
            for cover in self.covers
        )
        return self.bumped(covers, now)

    def book(
        self,
        older: Iterable[tuple[EntryKey, bool]],
        oldest: UsageHour,
        owners: Owners = NOBODY,
        buyer: Buyer | None = None,
    ) -> BookAsRead:
        """What the planner needs to know; `older` are entries before `since`: live or not."""
        book_key = keys.book_key_of(self.pk)
        windows = list(older)
        for cover in self.covers:
            if cover.identity == NO_WINDOW or cover.hour < oldest.number:
                continue
            meter = Meter(
                book_key.product, book_key.account, book_key.dimension, self._license(cover)
            )
            key = EntryKey(Window(meter, UsageHour(cover.hour)), cover.serial)
            windows.append((key, cover.holding is Holding.LIVE))
        live = frozenset(key.window for key, is_live in windows if is_live)
        released = tuple(key for key, is_live in windows if not is_live)
        return BookAsRead(book_key, self.version, live, released, owners, head=self, buyer=buyer)

    def write(self, table: str, before: Head) -> dict[str, Any]:
        """The part of a transaction that replaces `before` by this head."""
        return put_after(before.version, table, self._item())

    def _item(self) -> Attributes:
        covers = json.dumps(self.covers, separators=(",", ":"))
        item: Attributes = {
            **Place(self.pk, keys.HEAD).key,
            "version": number(self.version),
            "since": number(self.since),
            "covers": text(covers),
        }
        if self.licenses:
            item["licenses"] = {"L": [text(arn) for arn in self.licenses]}
        return item


def head_of(item: Attributes) -> Head:
    """Read back a head."""
    covers = tuple(
        Cover(hour, identity, serial, Holding(holding), first_s, last_s)
        for hour, identity, serial, holding, first_s, last_s in json.loads(item["covers"]["S"])
    )
    licenses = tuple(arn["S"] for arn in item.get("licenses", {"L": []})["L"])
    return Head(
        item["pk"]["S"], int(item["version"]["N"]), int(item["since"]["N"]), licenses, covers
    )


@dataclass(frozen=True, slots=True)
class BookAsRead(Book):
    """A book with the head that it was read from, and the buyer's other books."""

    head: Head = Head("")
    buyer: Buyer | None = field(default=None, compare=False)


def read_heads(calls: Calls, table: str, pks: Iterable[str]) -> dict[str, Head]:
    """The heads of books as they are now; a book without one is new."""
    heads = {pk: Head(pk) for pk in pks}
    for item in calls.get(table, [Place(pk, keys.HEAD).key for pk in heads]):
        heads[item["pk"]["S"]] = head_of(item)
    return heads
