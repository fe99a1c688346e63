"""What restored tables can say of themselves: usage records and ledger side by side.

Both are read whole, from the tables themselves: an index may be behind, and shows nothing of usage
records that are marked as settled.
"""

from __future__ import annotations

from array import array
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime

from marketplace_metering.adapters.dynamodb.api.attributes import Attributes, text, timestamp_ns
from marketplace_metering.adapters.dynamodb.api.requests import GET_KEYS_MAX, Calls, portions
from marketplace_metering.adapters.dynamodb.items import keys
from marketplace_metering.adapters.dynamodb.items.book_head import Head, read_heads
from marketplace_metering.adapters.dynamodb.items.chunks import read_contents
from marketplace_metering.adapters.dynamodb.items.entry import Stored
from marketplace_metering.adapters.dynamodb.items.member_list import MemberColumns, MemberList
from marketplace_metering.adapters.dynamodb.items.tables import TableNames
from marketplace_metering.adapters.dynamodb.items.usage_record import (
    EXPIRES,
    MARKED_BY,
    MARKS,
    is_moved,
    is_pending,
    key_of,
)
from marketplace_metering.adapters.dynamodb.operators.balances import scan_entries
from marketplace_metering.adapters.dynamodb.operators.locate import entry_view
from marketplace_metering.adapters.dynamodb.sealing.compare_with_ledger import (
    Match,
    compare,
    is_as_sealed,
)
from marketplace_metering.adapters.dynamodb.sealing.pending_reader import (
    GroupKey,
    PendingBook,
    Reader,
    groups_of,
)
from marketplace_metering.core.hours import UsageHour, epoch_ms
from marketplace_metering.core.identity import BookKey
from marketplace_metering.core.plan import Book, Group
from marketplace_metering.core.quantity import Quantity
from marketplace_metering.core.record_rules import PENDING
from marketplace_metering.core.views import Gone

Books = Mapping[BookKey, PendingBook]


class DynamoRecovery:
    """See `ports.Recovery`."""

    def __init__(self, calls: Calls, names: TableNames) -> None:
        self._calls = calls
        self._names = names

    def open_usage(self, now: datetime) -> Iterator[tuple[Book, Sequence[Group]]]:
        """What is pending, and what is marked as settled by entries that the ledger lacks."""
        pending, settled = Reader(now), Reader(now)
        for item in self._calls.scan(TableName=self._names.records, ConsistentRead=True):
            if is_pending(item):
                pending.take([item])
            elif MARKED_BY in item and not is_moved(item):
                settled.take([_as_pending(item)])
        together = sorted({*pending.reading.books, *settled.reading.books})
        for part in portions(together, GET_KEYS_MAX):
            some = [
                {key: each.reading.books[key] for key in part if key in each.reading.books}
                for each in (pending, settled)
            ]
            yield from self._unknown(part, *some)

    def _unknown(
        self, part: Sequence[BookKey], pending: Books, settled: Books
    ) -> Iterator[tuple[Book, Sequence[Group]]]:
        """Of some books, what no entry holds."""
        pks = {keys.book_pk(key): key for key in part}
        heads = read_heads(self._calls, self._names.ledger, pks)
        by_key = {pks[pk]: head for pk, head in heads.items()}
        open_ones = self._not_held(pending, by_key, are_settled=False)
        lost = self._not_held(settled, by_key, are_settled=True)
        joined = {key: _joined(open_ones.get(key), lost.get(key)) for key in part}
        both = {key: book for key, book in joined.items() if book.groups}
        # Once more for both, so that each book knows its windows from the oldest hour on.
        comparison = compare(self._calls, self._names.ledger, both, by_key)
        for key, book in both.items():
            known = by_key[key].book(comparison.older[key], UsageHour(0))
            yield known, list(groups_of(key, book))

    def _not_held(
        self, books: Books, heads: Mapping[BookKey, Head], are_settled: bool
    ) -> dict[BookKey, PendingBook]:
        comparison = compare(self._calls, self._names.ledger, books, heads)
        held = defaultdict(set, {key: set(times) for key, times in comparison.held.items()})
        for match in comparison.doubtful:
            if _is_known(match, books[match.book], are_settled):
                held[match.book].add(match.ns)
        return {key: _without(book, held[key]) for key, book in books.items()}

    def gone(self, since: datetime) -> Iterator[Gone]:
        """Members of entries, looked up among the usage records."""
        since_ms = epoch_ms(since)
        for stored in scan_entries(self._calls, self._names.ledger):
            if stored.entry.state.is_live and stored.sealed_at_ms >= since_ms:
                micros = self._gone_of(stored)
                if micros:
                    yield Gone(entry_view(stored), Quantity(sum(micros)), len(micros))

    def _gone_of(self, stored: Stored) -> list[int]:
        """The quantities of those members that are no more."""
        attributes = [(stored.place, stored.members)]
        content = read_contents(self._calls, self._names.ledger, attributes)[stored.place]
        members = dict(MemberList.decode(content).pairs())
        account = stored.entry.window.meter.account
        wanted = (key_of(account, ns) for ns in members)
        for item in self._calls.get(self._names.records, wanted):
            ns = timestamp_ns(item["create_timestamp"]["N"])
            assert ns is not None, "it was asked for by its nanoseconds"
            members.pop(ns, None)
        return list(members.values())


def _is_known(match: Match, book: PendingBook, is_settled: bool) -> bool:
    """Whether the ledger still has the entry or the rejection that a usage record is about."""
    if not is_settled:
        # What was given back and is pending again may have been billed since, and so may what was
        # put over other usage. What is covered is the next run's to settle.
        return not match.is_free and not match.is_other_use
    if book.marked_by.get(match.ns) == str(match.covering.place):
        return True
    # Another one marked it, which the ledger has lost; unless a mark was late.
    is_same = is_as_sealed(match.covering, match.said, match.book, match.group, match.micros)
    return is_same and not match.is_free


def _as_pending(item: Attributes) -> Attributes:
    """A usage record as it was before it was marked, but for what marked it."""
    gone = (MARKS - {MARKED_BY}) | {EXPIRES}
    said = {name: value for name, value in item.items() if name not in gone}
    return {**said, "metering_pending": text(PENDING)}


def _joined(one: PendingBook | None, other: PendingBook | None) -> PendingBook:
    joined = PendingBook()
    for book in (one, other):
        for group, columns in book.groups.items() if book is not None else ():
            into = joined.columns(group)
            into.ns.extend(columns.ns)
            into.micros.extend(columns.micros)
    return joined


def _without(book: PendingBook, held: set[int]) -> PendingBook:
    left: dict[GroupKey, MemberColumns] = {}
    for group, columns in book.groups.items():
        pairs = zip(columns.ns, columns.micros, strict=True)
        kept = [(ns, micros) for ns, micros in pairs if ns not in held]
        if kept:
            times, quantities = zip(*kept, strict=True)
            left[group] = MemberColumns(array("q", times), array("q", quantities))
    return PendingBook(left)
