"""The store on AWS over the in-process stand-in for DynamoDB, with the world between requests."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from decimal import Decimal
from random import Random
from typing import Any

from botocore.exceptions import ClientError

from marketplace_metering.adapters.dynamodb import DynamoReports, DynamoStore, StoreBusyError
from marketplace_metering.adapters.dynamodb.api.attributes import attribute_of
from marketplace_metering.adapters.dynamodb.api.requests import Calls
from marketplace_metering.adapters.dynamodb.items.tables import (
    PENDING_INDEX,
    definitions,
    table_names,
)
from marketplace_metering.core.record_item import timestamp_text
from marketplace_metering.core.record_rules import SHARDS
from marketplace_metering.ports import Clock, OpenStore
from marketplace_metering.proof.fake_dynamodb import FakeDynamoDb, Faults
from marketplace_metering.proof.fake_dynamodb.client import FaultInjector
from marketplace_metering.proof.fake_dynamodb.tables import Table
from marketplace_metering.proof.worlds import stores
from marketplace_metering.proof.worlds.dynamodb_snapshot import DynamoBooks
from marketplace_metering.proof.worlds.fault_injection import Steps, StoreFailure
from marketplace_metering.proof.worlds.snapshot import Snapshot, UsageRow
from marketplace_metering.proof.worlds.stores import Shop

PREFIX = "Simulated"
PENDING_AGAIN = {":true": {"S": "true"}, ":no": {"BOOL": False}}


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

    def query(self, **wanted: Any) -> dict[str, Any]:  # noqa: ANN401 - as boto3
        """One page of a query."""
        values = wanted["ExpressionAttributeValues"]
        shard = values.get(":pending", {}).get("S", "")
        if shard in SHARDS and wanted.get("IndexName") == PENDING_INDEX:
            index = self.tables[wanted["TableName"]].indexes[PENDING_INDEX]
            if not index.rows.in_order(shard):
                return {"Items": [], "Count": 0}
        return super().query(**wanted)


class GuideTable:
    """See `Table`; throttled requests are repeated, as an SDK does it."""

    def __init__(self, client: FakeDynamoDb, name: str) -> None:
        self._client = client
        self._name = name

    def put(self, clock: Clock, item: Mapping[str, object]) -> None:
        """See `Table`."""
        attributes = {name: attribute_of(value) for name, value in item.items()}
        self._call(clock, "put_item", Item=attributes)

    def set_pending(self, clock: Clock, row: UsageRow) -> None:
        """See `Table`."""
        self._update(clock, row, "SET metering_pending = :true, metering_failed = :no")

    def correct(self, clock: Clock, row: UsageRow, dimension: str) -> bool:
        """See `Table`."""
        steps = "SET metering_pending = :true, metering_failed = :no, dimension = :right"
        values = {
            ":right": {"S": dimension},
            ":failed": {"BOOL": True},
            ":wrong": {"S": row.meter.dimension},
            ":quantity": attribute_of(Decimal(row.micros) / 1_000_000),
        }
        it_is_the_failed_one = (
            "metering_failed = :failed AND dimension = :wrong AND quantity = :quantity"
        )
        try:
            self._update(clock, row, steps, values, it_is_the_failed_one)
        except ClientError:
            return False
        return True

    def _update(
        self,
        clock: Clock,
        row: UsageRow,
        steps: str,
        values: Mapping[str, object] | None = None,
        condition: str = "attribute_exists(create_timestamp)",
    ) -> None:
        ms = timestamp_text(row.created_ns)
        key = {"customerAWSAccountId": {"S": row.meter.account}, "create_timestamp": {"N": ms}}
        wanted = {
            "UpdateExpression": steps,
            "ConditionExpression": condition,
            "ExpressionAttributeValues": {**PENDING_AGAIN, **(values or {})},
        }
        self._call(clock, "update_item", Key=key, **wanted)

    def _call(self, clock: Clock, operation: str, **parameters: object) -> None:
        calls = Calls(self._client, clock.sleep)
        calls.one(operation, TableName=self._name, **parameters)


class DynamoShop:
    """See `Shop`."""

    failures: tuple[type[Exception], ...] = (StoreFailure, StoreBusyError)
    keeps_parts_of_inputs = True

    def __init__(self, steps: Steps, seed: int, faults: Faults) -> None:
        made = [Table(definition) for definition in definitions(PREFIX)]
        self._names = table_names(PREFIX)
        self._injector = FaultInjector(faults, seed)
        self.client = Client({table.name: table for table in made}, self._injector, steps)
        self.table: stores.Table | None = GuideTable(self.client, self._names.records)
        tables = self.client.tables
        self._books = DynamoBooks(tables[self._names.ledger], tables[self._names.records])

    def open(self, clock: Clock) -> OpenStore:
        """A process of its own remembers nothing of the others."""
        store = DynamoStore(self.client, self._names, now=clock.now, pause=clock.sleep, workers=1)
        reports = DynamoReports(self.client, self._names, now=clock.now)
        reports._calls = Calls(self.client, clock.sleep)  # its pauses pass in simulated time, too
        return OpenStore(store, reports, store.corrections())

    def changes(self) -> int:
        """How often something was written."""
        return sum(table.writes for table in self.client.tables.values())

    def faults(self) -> Mapping[str, int]:
        """As DynamoDB counts them."""
        return self._injector.injected

    def heal(self) -> None:
        """DynamoDB is well, and its indexes show all that was written."""
        self._injector.heal()
        for table in self.client.tables.values():
            for index in table.indexes.values():
                index.catch_up(sys.maxsize)

    def close(self) -> None:
        """Nothing is left open."""

    def books(self) -> Snapshot:
        """All items of both tables."""
        return self._books.read()


def open_dynamodb(steps: Steps, seed: int) -> Shop:
    """See `OpenShop`."""
    return DynamoShop(steps, seed, draw_faults(seed))
