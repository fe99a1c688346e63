"""Which usage is pending: what the index shows, less what the ledger holds."""

from __future__ import annotations

import gc
import logging
from array import array
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import partial
from itertools import chain

from marketplace_metering.adapters.dynamodb.api.apart import apart
from marketplace_metering.adapters.dynamodb.api.attributes import Attributes, number, text
from marketplace_metering.adapters.dynamodb.api.requests import GET_KEYS_MAX, Calls, portions
from marketplace_metering.adapters.dynamodb.items import keys
from marketplace_metering.adapters.dynamodb.items.alarm import Alarms
from marketplace_metering.adapters.dynamodb.items.book_head import Head, read_heads
from marketplace_metering.adapters.dynamodb.items.buyer_books import Buyer, read_buyers
from marketplace_metering.adapters.dynamodb.items.license_owner import read_owners
from marketplace_metering.adapters.dynamodb.items.member_list import MemberColumns
from marketplace_metering.adapters.dynamodb.items.tables import TableNames, pending_pages
from marketplace_metering.adapters.dynamodb.items.usage_record import (
    is_pending,
    parse,
    readable_quantity,
)
from marketplace_metering.adapters.dynamodb.sealing.compare_with_ledger import Comparison, compare
from marketplace_metering.adapters.dynamodb.sealing.events import Events
from marketplace_metering.adapters.dynamodb.sealing.operator_retries import Retries
from marketplace_metering.adapters.dynamodb.sealing.pending_reader import (
    PendingBook,
    Reader,
    groups_of,
)
from marketplace_metering.adapters.dynamodb.sealing.reject_malformed import (
    MalformedRecord,
    mark_refused,
)
from marketplace_metering.core.hours import UsageHour
from marketplace_metering.core.identity import BookKey
from marketplace_metering.core.ledger import Alarm, AlarmKind
from marketplace_metering.core.plan import Book, Group
from marketplace_metering.core.policy import Policy
from marketplace_metering.core.record import UsageRecord

logger = logging.getLogger("marketplace_metering.adapters.dynamodb.pending")

ROUNDS = 3
WORDS_KEPT = 500


@contextmanager
def collecting_nothing() -> Iterator[None]:
    """Without Python's collector of cycles.

    A page is tens of thousands of new dicts, none of them in a cycle. For every few hundred of
    them the collector would walk through others: a third of the time it takes to read a page.
    """
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


@dataclass(slots=True)
class _Run:
    """What one reading of the pending usage has in common."""

    moved: dict[str, set[int]]
    oldest: UsageHour
    now: datetime
    buyers: dict[str, Buyer] = field(default_factory=dict)


class PendingUsage:
    """The pending usage of a store."""

    def __init__(
        self,
        calls: Calls,
        names: TableNames,
        alarms: Alarms,
        retries: Retries,
        clock: Callable[[], datetime],
    ) -> None:
        self._calls = calls
        self._names = names
        self._alarms = alarms
        self._retries = retries
        self._events = Events(calls, names, alarms)
        self._clock = clock
        self._malformed: list[tuple[str, str]] = []

    def books(self, now: datetime, policy: Policy) -> Iterator[tuple[Book, Sequence[Group]]]:
        """Every book with pending groups."""
        oldest = UsageHour.of(now - policy.window_length - timedelta(hours=1))
        reader = Reader(now)
        shards: set[str] = set()
        with collecting_nothing():
            for page in pending_pages(self._calls, self._names.records):
                shards.update(item["metering_pending"]["S"] for item in page[:1])
                reader.take(page)
        reading = reader.reading
        self._malformed = reading.malformed
        moved = _seen_twice(reading.books) if len(shards) > 1 else {}
        run = _Run(moved, oldest, now)
        for part in portions(sorted(reading.books, key=_by_buyer), GET_KEYS_MAX):
            books = {key: reading.books.pop(key) for key in part}
            read = partial(self._read_some, books, run)
            unread = partial(_unread, books)
            for some in apart(list(books), read, unread):
                yield from some

    def refuse_malformed(self, until: datetime | None) -> int:
        """Mark what `books` saw and is malformed still; see `ports.Ledger`."""
        refused = 0
        malformed, self._malformed = self._malformed, []
        for part in portions(malformed, GET_KEYS_MAX):
            # Usage of the time since the run began is not "in the future": the clock judges it.
            now = self._clock()
            if until is not None and now >= until:
                break
            items = self._calls.get(self._names.records, map(_key_of, part))
            judged = [_malformed(item, now) for item in items if is_pending(item)]
            wrong = [each for each in judged if each is not None]
            refused += mark_refused(self._calls, self._names, self._alarms, wrong)
        return refused

    def _read_some(
        self, books: dict[BookKey, PendingBook], run: _Run, some: Sequence[BookKey]
    ) -> list[tuple[Book, Sequence[Group]]]:
        return list(self._some({key: books[key] for key in some}, run))

    def _some(
        self, books: dict[BookKey, PendingBook], run: _Run
    ) -> Iterator[tuple[Book, Sequence[Group]]]:
        # A buyer is read once: what this run seals itself comes from the same picture.
        buyers = run.buyers = self._buyers(books, run.buyers)
        moved, oldest, now = run.moved, run.oldest, run.now
        others = {
            key: buyers[key.account].as_read.others(key, book.first_hour)
            for key, book in books.items()
        }
        for _round in range(ROUNDS):
            # The books are read after the index and the buyers: what was sealed is in them.
            heads = self._heads(dict.fromkeys(chain(books, *others.values())))
            elsewhere = {key: [heads[other] for other in some] for key, some in others.items()}
            comparison = compare(self._calls, self._names.ledger, books, heads, elsewhere)
            retried = self._retries.settle(comparison.doubtful, now)
            if not retried.released:
                break
        held = _not_pending(comparison, retried.free)
        events = self._events.settle(books, held, now)
        unclear = {
            key: _times_of(book, moved.get(key.account)) | events.unclear.get(key, set())
            for key, book in books.items()
        }
        left_of = {
            key: _without(
                book, held.get(key, set()) | unclear[key] | events.repeated.get(key, set())
            )
            for key, book in books.items()
        }
        licenses = {key: _licenses_of(left) for key, left in left_of.items()}
        wanted = sorted(set().union(*licenses.values()))
        owners = read_owners(self._calls, self._names.ledger, wanted)
        for key, left in left_of.items():
            if left.groups or unclear[key]:
                known = {arn: owners[arn] for arn in licenses[key] if arn in owners}
                buyer = buyers[key.account]
                book = heads[key].book(comparison.older[key], oldest, known, buyer)
                groups = groups_of(key, left, comparison.given_back.get(key, set()))
                yield replace(book, is_partial=bool(unclear[key])), list(groups)

    def _buyers(self, books: Iterable[BookKey], known: dict[str, Buyer]) -> dict[str, Buyer]:
        accounts = dict.fromkeys(key.account for key in books)
        new = [account for account in accounts if account not in known]
        read = read_buyers(self._calls, self._names.ledger, new) if new else {}
        return read | {account: known[account] for account in accounts if account in known}

    def _heads(self, books: Iterable[BookKey]) -> dict[BookKey, Head]:
        pks = {keys.book_pk(key): key for key in books}
        heads = read_heads(self._calls, self._names.ledger, pks)
        return {pks[pk]: head for pk, head in heads.items()}


def _unread(
    books: dict[BookKey, PendingBook], key: BookKey, error: Exception
) -> list[tuple[Book, Sequence[Group]]]:
    """A book that cannot be read costs only itself."""
    logger.error("the book %s cannot be read; all others are", key, exc_info=error)
    why = f"{type(error).__name__}: {error}"[:WORDS_KEPT]
    book = Book(key, 0, is_partial=True, unreadable=why)
    return [(book, list(groups_of(key, books[key])))]


def _not_pending(comparison: Comparison, free: dict[BookKey, set[int]]) -> dict[BookKey, set[int]]:
    held = {key: set(times) for key, times in comparison.held.items()}
    for match in comparison.doubtful:
        if match.ns not in free.get(match.book, ()):
            held.setdefault(match.book, set()).add(match.ns)
    return held


def _licenses_of(book: PendingBook) -> set[str]:
    return {group.license_arn for group in book.groups if group.license_arn is not None}


def _by_buyer(key: BookKey) -> tuple[str, BookKey]:
    return key.account, key


def _seen_twice(books: Mapping[BookKey, PendingBook]) -> dict[str, set[int]]:
    """Usage records that moved from one shard to another while the shards were being read.

    Perhaps into another book as well. Which of the two pictures is newer, the next run sees.
    """
    times: defaultdict[str, list[int]] = defaultdict(list)
    for key, book in books.items():
        times[key.account] += [ns for columns in book.groups.values() for ns in columns.ns]
    return {
        account: {ns for ns, count in Counter(seen).items() if count > 1}
        for account, seen in times.items()
        if len(set(seen)) < len(seen)
    }


def _times_of(book: PendingBook, among: set[int] | None) -> set[int]:
    if among is None:
        return set()
    return {ns for columns in book.groups.values() for ns in columns.ns if ns in among}


def _without(book: PendingBook, held: set[int]) -> PendingBook:
    if not held:
        return book
    left = PendingBook()
    for group, columns in book.groups.items():
        kept = [
            (ns, micros)
            for ns, micros in zip(columns.ns, columns.micros, strict=True)
            if ns not in held
        ]
        if kept:
            times, quantities = zip(*kept, strict=True)
            left.groups[group] = MemberColumns(array("q", times), array("q", quantities))
    return left


def _key_of(key: tuple[str, str]) -> Attributes:
    account, created = key
    return {"customerAWSAccountId": text(account), "create_timestamp": number(created)}


def _malformed(item: Attributes, now: datetime) -> MalformedRecord | None:
    """What is wrong with it, if anything still is."""
    problems = parse(item, now)
    if isinstance(problems, UsageRecord):
        return None
    why = " ".join(f"{problem}." for problem in problems)
    key = f"{item['customerAWSAccountId']['S']} {item['create_timestamp']['N']}"
    quantity = readable_quantity(item)
    alarm = Alarm(AlarmKind.REFUSED_INPUT, None, quantity, f"usage record {key}: {why}", now)
    return MalformedRecord(item, why, alarm)
