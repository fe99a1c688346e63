"""A buyer's books: which there are, up to which hour each has windows, and one version for all.

A usage record may be edited into another book while an entry of its old one waits to be sent. So
whoever seals usage of a buyer looks into all books that may hold it, and writes this item in the
same transaction: of two jobs that have seen one usage record in two books, the later one has to
look again. The hours tell which books need no look: usage is in no window before its own hour.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from marketplace_metering.adapters.dynamodb.api.attributes import Attributes, number, text
from marketplace_metering.adapters.dynamodb.api.requests import Calls
from marketplace_metering.adapters.dynamodb.items import keys
from marketplace_metering.adapters.dynamodb.items.keys import Place
from marketplace_metering.adapters.dynamodb.items.versions import put_after
from marketplace_metering.core.identity import BookKey

HOURS_KEPT = 31 * 24  # by then every window is marked, and its members name it
BOOKS_MAX = 1_000  # those with the latest windows
BYTES_MAX = 300_000  # of the 400 KB of an item


@dataclass(frozen=True, slots=True)
class BuyerBooks:
    """The books of one buyer, as of a version."""

    account: str
    version: int = 0
    latest: Mapping[BookKey, int] = field(default_factory=dict)  # the hour of the latest window

    def others(self, key: BookKey, first_hour: int) -> list[BookKey]:
        """The books beside this one that may hold usage of that hour, or later usage."""
        return [book for book, hour in self.latest.items() if book != key and hour >= first_hour]

    def sealed(self, windows: Mapping[BookKey, int]) -> BuyerBooks:
        """The next version, in which these books have windows up to these hours."""
        latest = dict(self.latest)
        for key, hour in windows.items():
            latest[key] = max(hour, latest.get(key, hour))
        since = max(latest.values(), default=0) - HOURS_KEPT
        kept = {key: hour for key, hour in latest.items() if hour >= since}
        return replace(self, version=self.version + 1, latest=kept)

    def write(self, table: str, before: BuyerBooks) -> dict[str, Any]:
        """The part of a transaction that replaces `before` by these."""
        return put_after(before.version, table, self.item())

    def item(self) -> Attributes:
        """As it is stored."""
        by_hour = sorted(self.latest.items(), key=lambda each: (-each[1], each[0]))
        rows = [[book.product, book.dimension, hour] for book, hour in by_hour[:BOOKS_MAX]]
        written = json.dumps(rows, separators=(",", ":"))
        while len(written) > BYTES_MAX:  # names of books may be very long
            rows = rows[: len(rows) // 2]
            written = json.dumps(rows, separators=(",", ":"))
        return {
            **_place(self.account).key,
            "version": number(self.version),
            "books": text(written),
        }


def _place(account: str) -> Place:
    return Place(keys.buyer_pk(account), keys.BOOKS)


def _books_of(account: str, item: Attributes) -> BuyerBooks:
    latest = {
        BookKey(product, account, dimension): hour
        for product, dimension, hour in json.loads(item["books"]["S"])
    }
    return BuyerBooks(account, int(item["version"]["N"]), latest)


@dataclass(slots=True)
class Buyer:
    """A buyer as one run goes on with it: what the run seals itself is no reason to look again."""

    as_read: BuyerBooks
    books: BuyerBooks


def read_buyers(calls: Calls, table: str, accounts: Iterable[str]) -> dict[str, Buyer]:
    """The books of buyers as they are now."""
    found = {account: BuyerBooks(account) for account in accounts}
    for item in calls.get(table, [_place(account).key for account in found]):
        account = keys.account_of(item["pk"]["S"])
        found[account] = _books_of(account, item)
    return {account: Buyer(books, books) for account, books in found.items()}
