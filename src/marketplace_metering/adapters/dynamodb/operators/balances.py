"""The books of each product, recounted from the usage records and the ledger.

What a live entry holds was recorded, so the ledger counts it: the table may have other usage in its
place by now, or nothing. Usage records are counted where no entry holds them. One that is settled
says by which entry, so only the others are looked up in the ledger. It is read while others may
write: it balances when nothing runs.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from itertools import islice

from marketplace_metering.adapters.dynamodb.api.attributes import Attributes, text
from marketplace_metering.adapters.dynamodb.api.requests import GET_KEYS_MAX, Calls, portions
from marketplace_metering.adapters.dynamodb.items import keys, refused_input
from marketplace_metering.adapters.dynamodb.items.entry import Stored, covering_of
from marketplace_metering.adapters.dynamodb.items.tables import TableNames
from marketplace_metering.adapters.dynamodb.items.usage_record import (
    MARKED_BY,
    is_moved,
    readable_product,
    readable_quantity,
)
from marketplace_metering.adapters.dynamodb.operators.locate import Located, locate, read_settled
from marketplace_metering.adapters.dynamodb.operators.missing import Tally, missing, tally_of
from marketplace_metering.core.balance import Balance, Balances
from marketplace_metering.core.quantity import Quantity
from marketplace_metering.core.record import UsageRecord

LOCATED_AT_ONCE = 1_000
NAMED_MAX = 1_000  # usage records that are missing


class _Books(Balances):
    """Sums by product, and which entries have found their members."""

    def __init__(self, now: datetime, retention: timedelta | None) -> None:
        super().__init__()
        self._now = now
        self._retention = retention
        self._tallies: dict[str, Tally] = {}  # of live entries, by place
        self._freed: set[str] = set()

    def add_stored(self, stored: Stored) -> None:
        """An entry: what it holds was recorded, although the table may have it no more."""
        entry, place = stored.entry, str(stored.place)
        if not entry.state.is_live:
            self._freed.add(place)
            return
        product, micros, count = (
            entry.window.meter.product,
            entry.quantity.micros,
            entry.record_count,
        )
        self.add_entry(product, entry.state, micros, count, entry.carried.micros)
        self.add(product, "recorded", micros, count)
        self._tallies[place] = tally_of(stored, self._now, self._retention)

    def take_settled(self, record: UsageRecord, name: str | None) -> bool:
        """Whether it is marked by an entry of its book that holds it: it is counted already."""
        if name is None or not name.startswith(f"{keys.book_pk(record.meter.book_key)}|"):
            return False
        tally = self._tallies.get(name)
        if tally is None:
            return False
        tally.found(record.micros)
        return True

    def add_located(self, located: Located) -> None:
        """A usage record that is pending or failed, or that no entry has marked as settled."""
        view, item = located.view, located.item
        product, micros = view.record.product, view.record.micros
        is_open = "metering_pending" in item or "metering_failed" in item
        if view.entry is None:
            self._add_not_covered(located, is_open)
        elif located.is_as_sealed:
            tally = self._tallies.get(str(keys.entry_place(view.entry.entry.key)))
            if tally is not None:  # sealed since the entries were read
                tally.found(micros)
        elif is_open and view.entry.entry.state.is_settled:
            # Changed after it was sealed: what was sealed stays, what it says now is listed.
            self.add(product, "recorded", micros)
            self.add(product, "refused", micros)

    def _add_not_covered(self, located: Located, is_open: bool) -> None:
        view, name = located.view, located.item.get(MARKED_BY, {}).get("S")
        product, micros = view.record.product, view.record.micros
        is_marked = "metering_response" in located.item
        if not is_open and not is_marked:
            self.add_refused_input(product, micros)
            return
        self.add(product, "recorded", micros)
        # What an entry has settled that the ledger does not know is accounted for by nothing.
        if is_open or name in self._freed:
            self.add(product, "pending" if view.failure is None else "refused", micros)

    def not_even(self) -> list[str]:
        """The entries that have not found their members; more than they have are no members."""
        for name, tally in self._tallies.items():
            if tally.records < 0:
                place = keys.parse_place(name)
                assert place is not None, "it was written by `str(place)`"
                product = keys.book_key_of(place.pk).product
                self.add(product, "recorded", -tally.micros, -tally.records)
        return [name for name, tally in self._tallies.items() if not tally.is_even]


def scan_entries(calls: Calls, table: str) -> Iterator[Stored]:
    """Every entry of the ledger, in no order."""
    items = calls.scan(
        TableName=table,
        FilterExpression="begins_with(sk, :hour) AND attribute_exists(begun)",
        ExpressionAttributeValues={":hour": text("hour#")},
        ConsistentRead=True,
    )
    for part in portions(items, GET_KEYS_MAX):
        for covering in covering_of(calls, table, part).values():
            assert isinstance(covering, Stored), f"{covering.place} is no entry"
            yield covering


def count_balances(
    calls: Calls, names: TableNames, now: datetime, retention: timedelta | None
) -> Sequence[Balance]:
    """The books of each product; `retention` after which billed usage records are deleted.

    What an entry holds is counted from the ledger. Its members that are not in the table as they
    were sealed are named.
    """
    books = _Books(now, retention)
    for stored in scan_entries(calls, names.ledger):
        books.add_stored(stored)
    for refused in refused_input.read(calls, names.ledger):
        books.add_refused_input(refused.product, _micros(refused.quantity))
    for part in portions(_not_settled(calls, names, now, books), LOCATED_AT_ONCE):
        for located in locate(calls, names, part):
            books.add_located(located)
    for each in islice(missing(calls, names, books.not_even(), now), NAMED_MAX):
        books.add_missing(each)
    return books.by_product()


def _not_settled(
    calls: Calls, names: TableNames, now: datetime, books: _Books
) -> Iterator[tuple[Attributes, UsageRecord]]:
    """Count what is malformed, and what is settled as its entry says; answers the rest."""
    for item in calls.scan(TableName=names.records, ConsistentRead=True):
        if is_moved(item):
            continue
        record = read_settled(item, now)
        if record is None:
            books.add_refused_input(readable_product(item), _micros(readable_quantity(item)))
            continue
        is_open = "metering_pending" in item or "metering_failed" in item
        if is_open or not books.take_settled(record, item.get(MARKED_BY, {}).get("S")):
            yield item, record


def _micros(quantity: Quantity | None) -> int | None:
    return None if quantity is None else quantity.micros
