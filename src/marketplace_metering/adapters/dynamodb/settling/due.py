"""Which unsettled entries are to be looked at, through the sparse index.

Sealed entries stand in it by their deadline. Parked ones, of which there may be very many, stand
by when they are next looked at, so that waiting costs nothing; among those due, the earliest
deadline of one page is taken. An index is a moment behind: what this process wrote itself is laid
over it, and entries are read from the table before they are answered.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from datetime import datetime
from heapq import merge
from itertools import chain, islice
from typing import Any

from marketplace_metering.adapters.dynamodb.api.apart import is_broken
from marketplace_metering.adapters.dynamodb.api.attributes import Attributes, number, text
from marketplace_metering.adapters.dynamodb.api.requests import Calls
from marketplace_metering.adapters.dynamodb.items import keys, tables
from marketplace_metering.adapters.dynamodb.items.entry import PARKED, SEALED
from marketplace_metering.adapters.dynamodb.settling.broken_entries import BrokenEntries
from marketplace_metering.adapters.dynamodb.settling.change import Changes
from marketplace_metering.adapters.dynamodb.settling.recent_writes import Memory, Row
from marketplace_metering.core.hours import epoch_ms, from_ms
from marketplace_metering.core.ledger import Entry, EntryKey, is_sendable
from marketplace_metering.core.limits import BATCH_RECORDS_MAX
from marketplace_metering.core.policy import Policy

FIRST_PAGE_ROWS = 100
ROWS_LOOKED_THROUGH = 10_000  # for more entries of the first one's lane
PARKED_LOOKED_THROUGH = 5_000  # about one page


class DueEntries:
    """The outbox of a store."""

    def __init__(
        self, calls: Calls, table: str, memory: Memory, broken: BrokenEntries, changes: Changes
    ) -> None:
        self._calls = calls
        self._table = table
        self._memory = memory
        self._broken = broken
        self._changes = changes

    def due(self, now: datetime, policy: Policy, without_products: Collection[str]) -> list[Entry]:
        """At most 25 sendable entries of one lane; a parked one, alone, only if there are none."""
        return self._sealed(now, policy, without_products) or self._parked(
            now, policy, without_products
        )

    def _sealed(
        self, now: datetime, policy: Policy, without_products: Collection[str]
    ) -> list[Entry]:
        now_ms, latest_ms = epoch_ms(now), epoch_ms(now + policy.safety_margin)
        rows: Iterator[Row] = (
            row
            for row in self._rows(SEALED, after=latest_ms, limit=FIRST_PAGE_ROWS)
            if row.retry_at_ms <= now_ms and _product(row) not in without_products
        )
        while True:
            # What turns out to be settled already is left out, and the next ones are looked at.
            lane, passed = _one_lane(rows)
            if not lane:
                return []
            entries = self._sendable(lane, now, policy)
            if entries:
                return entries
            rows = chain(passed, rows)

    def _parked(
        self, now: datetime, policy: Policy, without_products: Collection[str]
    ) -> list[Entry]:
        now_ms, latest_ms = epoch_ms(now), epoch_ms(now + policy.safety_margin)
        rows = [
            row
            for row in islice(self._rows(PARKED, until=now_ms), PARKED_LOOKED_THROUGH)
            if row.retry_at_ms <= now_ms
            and row.deadline_ms > latest_ms
            and _product(row) not in without_products
        ]
        by_deadline = sorted(rows, key=lambda row: (row.deadline_ms, row.place))
        for start in range(0, len(by_deadline), BATCH_RECORDS_MAX):
            part = by_deadline[start : start + BATCH_RECORDS_MAX]
            entries = self._sendable(part, now, policy)
            if entries:
                return entries[:1]
        return []

    def _sendable(self, rows: list[Row], now: datetime, policy: Policy) -> list[Entry]:
        """Those that are as the index said, as they are now."""
        # An entry whose place in the index changes while the index is read comes up twice.
        queue_of = {row.place: row.queue for row in rows}
        found = self._changes.read(queue_of)
        entries: list[Entry] = []
        for place, queue in queue_of.items():
            stored = found.get(place)
            if stored is None or stored.entry.state != queue:
                self._memory.forget(place)
            elif is_sendable(stored.entry, now, policy):
                entries.append(stored.entry)
        return sorted(entries, key=lambda entry: entry.deadline)

    def next_due_at(self, now: datetime, without_products: Collection[str]) -> datetime | None:
        """The earliest `retry_at` that lies ahead."""
        now_ms = epoch_ms(now)
        earliest: int | None = None
        for row in (*self._rows(SEALED, retry_after=now_ms), *self._rows(PARKED, after=now_ms)):
            # Parked ones come in the order of their next try.
            if row.queue == PARKED and earliest is not None and row.due_order >= earliest:
                break
            if row.retry_at_ms > now_ms and _product(row) not in without_products:
                earliest = row.retry_at_ms if earliest is None else min(earliest, row.retry_at_ms)
        return None if earliest is None else from_ms(earliest)

    def expired(self, now: datetime) -> Iterator[EntryKey]:
        """Unsettled entries whose deadline has passed, page by page: there may be very many."""
        now_ms = epoch_ms(now)
        for queue in (SEALED, PARKED):
            for row in self._rows(queue, until=now_ms):
                if row.deadline_ms <= now_ms:
                    yield keys.entry_key(row.place, row.license_arn)

    def _rows(
        self,
        queue: str,
        after: int | None = None,
        until: int | None = None,
        retry_after: int | None = None,
        limit: int | None = None,
    ) -> Iterator[Row]:
        """Rows of the index in its order, corrected by what this process wrote itself."""
        own = self._memory.rows()
        corrections = sorted(
            row
            for row in own.values()
            if row is not None
            and row.queue == queue
            and (after is None or row.due_order > after)
            and (until is None or row.due_order <= until)
        )
        rows = (row for row in self._indexed(queue, after, until, limit) if row.place not in own)
        together = (row for row in merge(rows, corrections) if row.place not in self._broken)
        if retry_after is None:
            return together
        return (row for row in together if row.retry_at_ms > retry_after)

    def _indexed(
        self, queue: str, after: int | None, until: int | None, limit: int | None
    ) -> Iterator[Row]:
        condition = "unsettled = :queue"
        values = {":queue": text(queue)}
        if after is not None:
            condition += " AND due_order > :after"
            values[":after"] = number(after)
        elif until is not None:
            condition += " AND due_order <= :until"
            values[":until"] = number(until)
        query: dict[str, Any] = {
            "TableName": self._table,
            "IndexName": tables.UNSETTLED_INDEX,
            "KeyConditionExpression": condition,
            "ExpressionAttributeValues": values,
        }
        if limit is not None:
            # Nearly always enough: no need to read a megabyte for each batch.
            answer = self._calls.one("query", **query, Limit=limit)
            yield from self._readable(answer["Items"])
            if "LastEvaluatedKey" not in answer:
                return
            query["ExclusiveStartKey"] = answer["LastEvaluatedKey"]
        yield from self._readable(self._calls.items(**query))

    def _readable(self, items: Iterable[Attributes]) -> Iterator[Row]:
        for item in items:
            try:
                yield _row(item)
            except Exception as error:
                if not is_broken(error):
                    raise
                self._broken.tell(keys.place_of(item), error)


def _row(item: Attributes) -> Row:
    row = Row(
        item["unsettled"]["S"],
        int(item["due_order"]["N"]),
        keys.place_of(item),
        int(item["deadline"]["N"]),
        int(item["retry_at"]["N"]),
        item["lane"]["S"],
        item["license_arn"]["S"] if "license_arn" in item else None,
    )
    keys.entry_key(row.place, row.license_arn)  # or it is no entry
    return row


def _product(row: Row) -> str:
    return row.lane.split("#")[0]


def _one_lane(rows: Iterator[Row]) -> tuple[list[Row], list[Row]]:
    """As many rows of the first one's lane as fit into a batch, and those passed over."""
    lane: list[Row] = []
    passed: list[Row] = []
    for row in islice(rows, ROWS_LOOKED_THROUGH):
        if not lane or row.lane == lane[0].lane:
            lane.append(row)
            if len(lane) == BATCH_RECORDS_MAX:
                break
        else:
            passed.append(row)
    return lane, passed
