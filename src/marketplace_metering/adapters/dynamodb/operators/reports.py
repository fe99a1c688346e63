"""Reports from DynamoDB; see `reports.Reports`.

They run under an operator's role: unlike the metering functions they may scan both tables.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Any

from marketplace_metering.adapters.aws.clients import AwsClient
from marketplace_metering.adapters.dynamodb.api.attributes import (
    TRUE,
    Attributes,
    number,
    python_attributes,
    text,
)
from marketplace_metering.adapters.dynamodb.api.requests import GET_KEYS_MAX, Calls, portions
from marketplace_metering.adapters.dynamodb.items import fact, keys, refused_input
from marketplace_metering.adapters.dynamodb.items.book_head import read_heads
from marketplace_metering.adapters.dynamodb.items.entry import Stored, covering_of, read_covering
from marketplace_metering.adapters.dynamodb.items.tables import TableNames, pending_pages
from marketplace_metering.adapters.dynamodb.items.usage_record import (
    OURS,
    parse,
    readable_product,
    readable_quantity,
)
from marketplace_metering.adapters.dynamodb.operators.balances import count_balances, scan_entries
from marketplace_metering.adapters.dynamodb.operators.locate import entry_view, locate, read_settled
from marketplace_metering.adapters.dynamodb.sealing.compare_with_ledger import compare
from marketplace_metering.adapters.dynamodb.sealing.pending_reader import Reader
from marketplace_metering.core.balance import Balance
from marketplace_metering.core.charter import charter_in
from marketplace_metering.core.hours import NS_PER_HOUR, UsageHour, from_ms, instant
from marketplace_metering.core.identity import BookKey, Meter
from marketplace_metering.core.ledger import EntryKey
from marketplace_metering.core.record import RefusedInput, UsageRecord
from marketplace_metering.core.record_item import timestamp_text
from marketplace_metering.core.views import AttemptLog, EntryFilter, EntryView, RecordView


def _utc_now() -> datetime:
    return datetime.now(UTC)


class DynamoReports:
    """Reads what the store wrote.

    The ledger says whether billed usage records are deleted after a time, or `billed_are_deleted`.
    """

    def __init__(
        self,
        client: AwsClient,
        names: TableNames,
        *,
        now: Callable[[], datetime] = _utc_now,
        billed_are_deleted: bool = False,
    ) -> None:
        self._calls = Calls(client)
        self._names = names
        self._now = now
        self._billed_are_deleted = billed_are_deleted

    def balances(self) -> Sequence[Balance]:
        """The books of each product."""
        charter = charter_in(fact.facts(self._calls, self._names.ledger))
        retention = timedelta(0) if self._billed_are_deleted else None
        if charter is not None and charter.has_deleted:
            retention = charter.retention
        return count_balances(self._calls, self._names, self._now(), retention)

    def entries(self, which: EntryFilter) -> Iterator[EntryView]:
        """Entries by product, account, dimension and hour."""
        found = [stored for stored in self._entries(which) if which.fits(stored.entry)]
        found.sort(key=_order)
        return islice(map(entry_view, found), which.limit)

    def _entries(self, which: EntryFilter) -> Iterator[Stored]:
        if which.product is None or which.account is None or which.dimension is None:
            yield from scan_entries(self._calls, self._names.ledger)
            return
        pk = keys.book_pk(BookKey(which.product, which.account, which.dimension))
        hour = "hour#" if which.hour is None else f"hour#{which.hour.number:07d}#"
        items = self._calls.items(
            TableName=self._names.ledger,
            KeyConditionExpression="pk = :pk AND begins_with(sk, :hour)",
            ExpressionAttributeValues={":pk": text(pk), ":hour": text(hour)},
            ConsistentRead=True,
        )
        for part in portions(items, GET_KEYS_MAX):
            for covering in covering_of(self._calls, self._names.ledger, part).values():
                if isinstance(covering, Stored):
                    yield covering

    def attempts(self, key: EntryKey) -> Sequence[AttemptLog]:
        """The latest logged tries of an entry, oldest first."""
        place = keys.entry_place(key)
        stored = read_covering(self._calls, self._names.ledger, [place]).get(place)
        if not isinstance(stored, Stored):
            return []
        return [
            AttemptLog(
                each.number,
                from_ms(each.begun_at_ms),
                None if each.answered_at_ms is None else from_ms(each.answered_at_ms),
                each.answer,
                each.words,
            )
            for each in stored.attempts
        ]

    def records_at(self, account: str, from_ns: int, to_ns: int) -> Sequence[RecordView]:
        """The usage records of a buyer from an instant up to, not including, another."""
        if from_ns >= to_ns:
            return []
        items = self._calls.items(
            TableName=self._names.records,
            KeyConditionExpression=(
                "customerAWSAccountId = :account AND create_timestamp BETWEEN :first AND :last"
            ),
            ExpressionAttributeValues={
                ":account": text(account),
                ":first": number(timestamp_text(from_ns)),
                ":last": number(timestamp_text(to_ns - 1)),
            },
            ConsistentRead=True,
        )
        now = self._now()
        records = ((item, record) for item in items if (record := read_settled(item, now)))
        views = [located.view for located in locate(self._calls, self._names, records)]
        return sorted(
            views, key=lambda v: (v.record.created_ns, v.record.product, v.record.dimension)
        )

    def waiting(self, meter: Meter, hour: UsageHour) -> Sequence[RecordView]:
        """The usage records of a meter and hour that no live entry covers."""
        start = hour.number * NS_PER_HOUR
        views = self.records_at(meter.account, start, start + NS_PER_HOUR)
        return [view for view in views if view.entry is None and view.record.meter == meter]

    def refused_inputs(self, limit: int | None = None) -> Sequence[RefusedInput]:
        """Input that is no usage record, newest first; then what of the table is none."""
        refused = refused_input.read(self._calls, self._names.ledger)
        if limit is None or len(refused) < limit:
            refused.extend(self._malformed())
        return refused[:limit]

    def _malformed(self) -> list[RefusedInput]:
        items = self._calls.scan(
            TableName=self._names.records,
            FilterExpression="metering_failed = :failed",
            ExpressionAttributeValues={":failed": TRUE},
        )
        now = self._now()
        malformed = [item for item in items if read_settled(item, now) is None]
        malformed.sort(key=lambda item: int(item["create_timestamp"]["N"].split(".")[0]))
        return [_as_input(item, now) for item in reversed(malformed)]

    def oldest_pending_at(self) -> datetime | None:
        """When the oldest usage happened that no entry covers and nobody refused."""
        reader = Reader(self._now())
        for page in pending_pages(self._calls, self._names.records):
            reader.take(page)
        oldest: int | None = None
        for part in portions(reader.reading.books.items(), GET_KEYS_MAX):
            books = dict(part)
            pks = {keys.book_pk(key): key for key in books}
            heads = read_heads(self._calls, self._names.ledger, pks)
            by_key = {pks[pk]: head for pk, head in heads.items()}
            comparison = compare(self._calls, self._names.ledger, books, by_key)
            known = {(match.book, match.ns) for match in comparison.doubtful if not match.is_free}
            for key, book in books.items():
                held = comparison.held.get(key, set())
                times = (ns for columns in book.groups.values() for ns in columns.ns)
                free = (ns for ns in times if ns not in held and (key, ns) not in known)
                oldest = min([*free, *([] if oldest is None else [oldest])], default=None)
        return None if oldest is None else instant(oldest)


def _order(stored: Stored) -> tuple[object, ...]:
    entry = stored.entry
    meter = entry.window.meter
    names = (meter.product, meter.account, meter.dimension, meter.license_arn or "")
    return (*names, entry.window.hour, entry.serial)


def _as_input(item: Attributes, now: datetime) -> RefusedInput:
    said: dict[str, Any] = python_attributes(item)
    written = {name: said[name] for name in said if name not in OURS}
    problems = parse({**item, "metering_pending": text("true")}, now)
    assert not isinstance(problems, UsageRecord), "only what is malformed is shown as such"
    key = f"{item['customerAWSAccountId']['S']} {item['create_timestamp']['N']}"
    return RefusedInput(
        f"the usage record {key}",
        json.dumps(written, default=str),
        problems,
        readable_product(item),
        readable_quantity(item),
    )
