"""The books of each product, recounted from the usage records themselves.

Usage records that are neither pending nor failed were settled, so only the others are looked up
in the ledger. It is read while others may write: it balances when nothing runs.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from datetime import datetime

from marketplace_metering.adapters.dynamodb.api.attributes import Attributes, text
from marketplace_metering.adapters.dynamodb.api.requests import GET_KEYS_MAX, Calls, portions
from marketplace_metering.adapters.dynamodb.items import refused_input
from marketplace_metering.adapters.dynamodb.items.entry import Stored, covering_of
from marketplace_metering.adapters.dynamodb.items.tables import TableNames
from marketplace_metering.adapters.dynamodb.items.usage_record import (
    is_moved,
    readable_product,
    readable_quantity,
)
from marketplace_metering.adapters.dynamodb.operators.locate import Located, locate, read_settled
from marketplace_metering.core.balance import Balance, Balances
from marketplace_metering.core.ledger import State
from marketplace_metering.core.quantity import Quantity
from marketplace_metering.core.record import UsageRecord

LOCATED_AT_ONCE = 1_000
DONE = (State.BILLED, State.PRESUMED)


class _Books(Balances):
    """Sums by product, and what of them may be deleted by now."""

    def __init__(self) -> None:
        super().__init__()
        self.marked_done: defaultdict[str, list[int]] = defaultdict(lambda: [0, 0])

    def add_stored(self, stored: Stored) -> None:
        entry = stored.entry
        product, micros, count = (
            entry.window.meter.product,
            entry.quantity.micros,
            entry.record_count,
        )
        if not entry.state.is_live:
            return
        self.add_entry(product, entry.state, micros, count, entry.carried.micros)
        if entry.state in DONE and stored.marks_due_at_ms is None:
            self.marked_done[product][0] += micros
            self.marked_done[product][1] += count

    def add_located(self, located: Located) -> None:
        """A usage record that is pending or failed."""
        view = located.view
        product, micros = view.record.product, view.record.micros
        if view.entry is None:
            self.add(product, "recorded", micros)
            self.add(product, "pending" if view.failure is None else "refused", micros)
        elif located.is_as_sealed:
            self.add(product, "recorded", micros)
        else:
            # Changed after it was sealed: what was sealed stays, what it says now is listed.
            assert located.said is not None
            self.add(view.entry.entry.window.meter.product, "recorded", located.said.micros)
            if view.entry.entry.state.is_settled:
                self.add(product, "recorded", micros)
                self.add(product, "refused", micros)


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
    calls: Calls, names: TableNames, now: datetime, billed_are_deleted: bool
) -> Sequence[Balance]:
    """The books of each product.

    Where billed usage records are deleted after a time, those that are gone are taken from the
    ledger: that they were recorded cannot be recounted.
    """
    books = _Books()
    for stored in scan_entries(calls, names.ledger):
        books.add_stored(stored)
    for refused in refused_input.read(calls, names.ledger):
        books.add_refused_input(refused.product, _micros(refused.quantity))
    done: defaultdict[str, list[int]] = defaultdict(lambda: [0, 0])
    open_ones = _count_settled(calls, names, now, books, done)
    for part in portions(open_ones, LOCATED_AT_ONCE):
        for located in locate(calls, names, part):
            books.add_located(located)
    if billed_are_deleted:
        for product, (micros, records) in books.marked_done.items():
            there_micros, there = done[product]
            gone = max(micros - there_micros, 0), max(records - there, 0)
            books.add(product, "recorded", *gone)
    return books.by_product()


def _count_settled(
    calls: Calls,
    names: TableNames,
    now: datetime,
    books: _Books,
    done: defaultdict[str, list[int]],
) -> Iterator[tuple[Attributes, UsageRecord]]:
    """Count what is settled or malformed; answers the rest."""
    for item in calls.scan(TableName=names.records, ConsistentRead=True):
        if is_moved(item):
            continue
        record = read_settled(item, now)
        is_marked = "metering_response" in item
        is_open = "metering_pending" in item or "metering_failed" in item
        if record is None or not (is_open or is_marked):
            books.add_refused_input(readable_product(item), _micros(readable_quantity(item)))
        elif is_open:
            yield item, record
        else:
            books.add(record.product, "recorded", record.micros)
            done[record.product][0] += record.micros
            done[record.product][1] += 1


def _micros(quantity: Quantity | None) -> int | None:
    return None if quantity is None else quantity.micros
