"""The books of each product, recounted from the usage records themselves.

Usage records that are neither pending nor failed were settled, so only the others are looked up
in the ledger. It is read while others may write: it balances when nothing runs.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

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
from marketplace_metering.core.balance import Balance, Sum
from marketplace_metering.core.ledger import State
from marketplace_metering.core.quantity import Quantity
from marketplace_metering.core.record import UsageRecord

LOCATED_AT_ONCE = 1_000
FIELD_OF_STATE = {
    State.SEALED: "sealed",
    State.PARKED: "parked",
    State.BILLED: "billed",
    State.PRESUMED: "presumed",
    State.UNRESOLVED: "unresolved",
    State.WRITTEN_OFF: "written_off",
}
DONE = (State.BILLED, State.PRESUMED)


class _Books:
    """Sums by product and field."""

    def __init__(self) -> None:
        self.sums: defaultdict[str | None, defaultdict[str, list[int]]]
        self.sums = defaultdict(lambda: defaultdict(lambda: [0, 0]))
        self.carried: defaultdict[str | None, int] = defaultdict(int)
        self.unreadable: defaultdict[str | None, int] = defaultdict(int)
        self.marked_done: defaultdict[str | None, list[int]] = defaultdict(lambda: [0, 0])

    def add(self, product: str | None, field: str, micros: int, records: int = 1) -> None:
        total = self.sums[product][field]
        total[0] += micros
        total[1] += records

    def add_refused(self, product: str | None, quantity: Quantity | None) -> None:
        if quantity is None:
            self.unreadable[product] += 1
            self.sums[product].setdefault("refused_input", [0, 0])
        else:
            self.add(product, "refused_input", quantity.micros)
            self.add(product, "recorded", quantity.micros)

    def add_entry(self, stored: Stored) -> None:
        entry = stored.entry
        product = entry.window.meter.product
        if not entry.state.is_live:
            return
        count = entry.record_count
        self.add(product, FIELD_OF_STATE[entry.state], entry.quantity.micros, count)
        self.carried[product] += entry.carried.micros
        if entry.state in DONE and stored.marks_due_at_ms is None:
            self.marked_done[product][0] += entry.quantity.micros
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

    def balances(self) -> list[Balance]:
        return [
            Balance(
                product=product,
                carried=Quantity(self.carried[product]),
                unreadable_inputs=self.unreadable[product],
                **_fields(parts),
            )
            for product, parts in sorted(self.sums.items(), key=lambda e: e[0] or "\U0010ffff")
        ]


def _fields(parts: dict[str, list[int]]) -> dict[str, Any]:
    return {name: Sum(Quantity(micros), count) for name, (micros, count) in parts.items()}


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
        books.add_entry(stored)
    for refused in refused_input.read(calls, names.ledger):
        books.add_refused(refused.product, refused.quantity)
    done: defaultdict[str, list[int]] = defaultdict(lambda: [0, 0])
    open_ones = _count_settled(calls, names, now, books, done)
    for part in portions(open_ones, LOCATED_AT_ONCE):
        for located in locate(calls, names, part):
            books.add_located(located)
    if billed_are_deleted:
        for product, (micros, records) in books.marked_done.items():
            there_micros, there = done[product or ""]
            gone = max(micros - there_micros, 0), max(records - there, 0)
            books.add(product, "recorded", *gone)
    return books.balances()


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
            books.add_refused(readable_product(item), readable_quantity(item))
        elif is_open:
            yield item, record
        else:
            books.add(record.product, "recorded", record.micros)
            done[record.product][0] += record.micros
            done[record.product][1] += 1
