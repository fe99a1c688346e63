"""The store on AWS over the in-process stand-in for DynamoDB, with the world between requests."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from random import Random
from typing import Any

from marketplace_metering.adapters.dynamodb import DynamoReports, DynamoStore, StoreBusyError
from marketplace_metering.adapters.dynamodb.api.requests import Calls
from marketplace_metering.adapters.dynamodb.items import keys
from marketplace_metering.adapters.dynamodb.items.tables import (
    PENDING_INDEX,
    definitions,
    mark_definition,
    table_names,
)
from marketplace_metering.adapters.dynamodb.mark import TableMark
from marketplace_metering.core.identity import BookKey
from marketplace_metering.core.record import UsageRecord
from marketplace_metering.core.record_rules import SHARDS
from marketplace_metering.ports import Clock, OpenStore
from marketplace_metering.proof.fake_dynamodb import FakeDynamoDb, Faults, limits
from marketplace_metering.proof.fake_dynamodb.client import FaultInjector
from marketplace_metering.proof.fake_dynamodb.expressions import Item
from marketplace_metering.proof.fake_dynamodb.tables import Table
from marketplace_metering.proof.worlds.dynamodb_snapshot import DynamoBooks
from marketplace_metering.proof.worlds.fault_injection import Steps, StoreFailure
from marketplace_metering.proof.worlds.snapshot import Snapshot
from marketplace_metering.proof.worlds.stores import GuideTable, Shop
from marketplace_metering.recorder.sinks.dynamodb import DynamoDBSink

PREFIX = "Simulated"


def draw_faults(seed: int) -> Faults:
    """DynamoDB's injector in the world of a seed."""
    random = Random(f"injector {seed}")  # noqa: S311 - repeatable, no secrets

    def some(*percent: int) -> int:
        return random.choice((0, *percent))

    return Faults(
        throttled=some(2, 10),
        conflicts=some(5, 20),
        partly=some(2, 10),
        repeated=some(2, 10),
        lagging=some(10, 50, 90),
        page=random.choice((2, 1_000, 1_000, 1_000)),
    )


class Client(FakeDynamoDb):
    """The stand-in, where nothing happens while a shard of the pending index is found empty.

    A job looks into all twenty. Worlds write to few of them, and most of what may happen to a job
    would happen there.
    """

    full: str | None = None  # the partition of a book whose entries are too large

    def query(self, **wanted: Any) -> dict[str, Any]:  # noqa: ANN401 - as boto3
        """One page of a query."""
        values = wanted["ExpressionAttributeValues"]
        shard = values.get(":pending", {}).get("S", "")
        if shard in SHARDS and wanted.get("IndexName") == PENDING_INDEX:
            index = self.tables[wanted["TableName"]].indexes[PENDING_INDEX]
            if not index.rows.in_order(shard):
                return {"Items": [], "Count": 0}
        return super().query(**wanted)

    def _fault(self, write: Mapping[str, Any], kind: str) -> str | None:
        if self.full is not None and kind == "Put":
            item = write["Item"]
            if item.get("pk") == {"S": self.full} and "bills" in item:
                return limits.TOO_LARGE
        return super()._fault(write, kind)


class DynamoShop(Shop):
    """See `Shop`."""

    failures = (StoreFailure, StoreBusyError)
    keeps_parts_of_inputs = True

    def __init__(self, steps: Steps, seed: int, faults: Faults) -> None:
        made = [Table(each) for each in (*definitions(PREFIX), mark_definition(PREFIX))]
        self._names = table_names(PREFIX)
        self._injector = FaultInjector(faults, seed)
        self.index_lags = faults.lagging > 0  # by requests, and there may be few in an hour
        self.client = Client({table.name: table for table in made}, self._injector, steps)
        self.table = GuideTable(self.client, self._names.records)
        tables = self.client.tables
        self._books = DynamoBooks(tables[self._names.ledger], tables[self._names.records])

    def open(self, clock: Clock) -> OpenStore:
        """A process of its own remembers nothing of the others."""
        store = DynamoStore(
            self.client,
            self._names,
            now=clock.now,
            pause=clock.sleep,
            workers=1,
        )
        reports = DynamoReports(self.client, self._names, now=clock.now)
        reports._calls = Calls(self.client, clock.sleep)  # its pauses pass in simulated time, too
        return OpenStore(
            store,
            reports,
            store.corrections(),
            recovery=store.recovery(),
            mark=TableMark(self.client, self._names),
        )

    def flush(self, opened: OpenStore, clock: Clock, records: Sequence[UsageRecord]) -> None:
        """Through PutItem alone, and one after the other: threads would have an order of their
        own."""
        sink = DynamoDBSink(self._names.records, client=self.client)
        for record in records:
            delivered = sink.put([record])
            if delivered.left:
                raise StoreBusyError(delivered.reason)
            assert not delivered.clashes, delivered.clashes

    def copy(self) -> dict[str, list[Item]]:
        """The items of both tables of the store at this instant."""
        of_store = {"records": self._names.records, "ledger": self._names.ledger}
        return {which: list(self.client.tables[of_store[which]].items()) for which in of_store}

    def restore(self, copy: object, only: str | None = None) -> None:
        """Point-in-time recovery of both tables, or of one."""
        assert isinstance(copy, dict)
        for which, items in copy.items():
            if only in (None, which):
                self.client.tables[getattr(self._names, which)].restore(items)
        tables = self.client.tables
        for each in (self._names.records, self._names.ledger):
            tables[each].written = dict.fromkeys(map(tables[each].key_of, tables[each].items()))
        self._books = DynamoBooks(tables[self._names.ledger], tables[self._names.records])

    def fill(self, book: BookKey | None) -> None:
        """DynamoDB counts each of its entries as above 400 KB."""
        self.client.full = None if book is None else keys.book_pk(book)

    def changes(self) -> int:
        """How often something was written."""
        return sum(table.writes for table in self.client.tables.values())

    def faults(self) -> Mapping[str, int]:
        """As DynamoDB counts them."""
        return self._injector.injected

    def heal(self) -> None:
        """DynamoDB is well, and its indexes show all that was written."""
        self._injector.heal()
        self.fill(None)
        for table in self.client.tables.values():
            for index in table.indexes.values():
                index.catch_up(sys.maxsize)

    def books(self) -> Snapshot:
        """All items of both tables."""
        return self._books.read()
