"""The store on AWS over the in-process stand-in for DynamoDB, with the world between requests."""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterator, Mapping
from functools import lru_cache
from random import Random
from typing import Any

from botocore.exceptions import ClientError

from marketplace_metering.adapters.dynamodb import DynamoReports, DynamoStore, StoreBusyError
from marketplace_metering.adapters.dynamodb.calls import Calls
from marketplace_metering.adapters.dynamodb.members import Members, Said
from marketplace_metering.adapters.dynamodb.schema import definitions, table_names
from marketplace_metering.adapters.dynamodb.values import attribute_of, timestamp_text
from marketplace_metering.ports import Clock
from marketplace_metering.simulation import shops
from marketplace_metering.simulation.books import (
    AlarmRow,
    Books,
    EntryRow,
    MeterName,
    Tags,
    UsageRow,
)
from marketplace_metering.simulation.fake_dynamodb import FakeDynamoDb, Faults
from marketplace_metering.simulation.fake_dynamodb.client import Moods
from marketplace_metering.simulation.fake_dynamodb.expressions import Item, comparable
from marketplace_metering.simulation.fake_dynamodb.tables import Table
from marketplace_metering.simulation.perils import Steps, StoreFailure
from marketplace_metering.simulation.shops import Opened, Shop

PREFIX = "Simulated"
HOUR_NS = 3_600_000_000_000
Holder = tuple[str, Item]  # an item of the ledger that has usage records as members, and its name


def draw_faults(seed: int) -> Faults:
    """DynamoDB's moods in the world of a seed."""
    random = Random(f"moods {seed}")  # noqa: S311 - repeatable, no secrets

    def some(*percent: int) -> int:
        return random.choice((0, *percent))

    return Faults(
        throttled=some(2, 10),
        conflicts=some(5, 20),
        partly=some(2, 10),
        repeated=some(2, 10),
        lagging=some(10, 50, 90),
        page=random.choice((2, 5, 1_000, 1_000)),
    )


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
        values = {":right": {"S": dimension}, ":failed": {"BOOL": True}}
        try:
            self._update(clock, row, steps, values, "metering_failed = :failed")
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
        self._call(
            clock,
            "update_item",
            Key=key,
            UpdateExpression=steps,
            ConditionExpression=condition,
            ExpressionAttributeValues={
                ":true": {"S": "true"},
                ":no": {"BOOL": False},
                **(values or {}),
            },
        )

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
        self._moods = Moods(faults, seed)
        self._client = FakeDynamoDb({table.name: table for table in made}, self._moods, steps)
        self.table: shops.Table | None = GuideTable(self._client, self._names.records)

    def open(self, clock: Clock) -> Opened:
        """A process of its own remembers nothing of the others."""
        store = DynamoStore(self._client, self._names, now=clock.now, pause=clock.sleep, workers=1)
        reports = DynamoReports(self._client, self._names, now=clock.now)
        reports._calls = Calls(self._client, clock.sleep)  # its pauses pass in simulated time, too
        return Opened(store, reports, store.corrections())

    def changes(self) -> int:
        """How often something was written."""
        return sum(table.writes for table in self._client.tables.values())

    def faults(self) -> Mapping[str, int]:
        """As DynamoDB counts them."""
        return self._moods.injected

    def calm(self) -> None:
        """DynamoDB is well."""
        self._moods.calm()

    def close(self) -> None:
        """Nothing is left open."""

    def books(self) -> Books:
        """All items of both tables."""
        ledger = self._client.tables[self._names.ledger]
        records = self._client.tables[self._names.records]
        items = ledger.items()
        entries = [item for item in items if "state" in item]
        holders = [item for item in items if "members" in item]
        holding = _holding(ledger, holders)
        return Books(
            [_usage(item, holding) for item in records.items() if _is_usage(item)],
            [_entry(ledger, item) for item in entries],
            [_alarm(item) for item in items if item["pk"]["S"] == "alarm"],
            [
                *(_refused(ledger, item) for item in items if _is_refused_input(item)),
                *(("the table", _request(item)) for item in records.items() if _is_failed(item)),
            ],
        )


def open_dynamodb(steps: Steps, seed: int) -> Shop:
    """See `OpenShop`."""
    return DynamoShop(steps, seed, draw_faults(seed))


def _content(ledger: Table, item: Item, name: str) -> bytes:
    """An attribute that is kept in the item, or in parts of its own."""
    attribute: Any = item[name]
    if "B" in attribute:
        return bytes(attribute["B"])
    digest, _slash, count = attribute["S"].partition("/")
    parts = (f"part#{digest}#{number:03d}" for number in range(int(count)))
    found = [ledger.get((item["pk"]["S"], part)) for part in parts]
    return b"".join(part["content"]["B"] for part in found if part is not None)


def _name(item: Item) -> str:
    return f"{item['pk']['S']}|{item['sk']['S']}"


@lru_cache(maxsize=8_192)
def _members(content: bytes) -> tuple[tuple[int, Said], ...]:
    return tuple(Members.decode(content).said().items())


@lru_cache(maxsize=8_192)
def _read(written: str) -> dict[str, Any]:
    return dict(json.loads(written))


def _is_usage(item: Item) -> bool:
    """Whether it was written as a usage record; what was made wrong says so."""
    return "productCode" in item and "made_wrong" not in item


def _is_failed(item: Item) -> bool:
    return "made_wrong" in item and item.get("metering_failed") == {"BOOL": True}


def _request(item: Item) -> str:
    return f"request {item['request']['N']}"


def _is_refused_input(item: Item) -> bool:
    return bool(item["pk"]["S"] == "refused") and "source" in item


def _refused(ledger: Table, item: Item) -> tuple[str, str]:
    return item["source"]["S"], zlib.decompress(_content(ledger, item, "input")).decode()


def _holding(ledger: Table, holders: list[Item]) -> dict[tuple[str, int], list[tuple[Any, Item]]]:
    """By buyer and nanosecond: what has that usage record among its members, and what it said."""
    found: dict[tuple[str, int], list[tuple[Any, Item]]] = {}
    for item in holders:
        for ns, said in _members(_content(ledger, item, "members")):
            account = item["pk"]["S"].split("#")[2]
            found.setdefault((account, ns), []).append((said, item))
    return found


def _usage(item: Item, holding: Mapping[tuple[str, int], list[tuple[Any, Item]]]) -> UsageRow:
    meter = MeterName(
        item["productCode"]["S"],
        item["customerAWSAccountId"]["S"],
        item["dimension"]["S"],
        item["licenseArn"]["S"] if "licenseArn" in item else None,
    )
    ns = int(comparable(item["create_timestamp"]) * 1_000_000)
    tags: Tags = tuple(
        sorted((key, value["S"]) for key, value in item.get("tags", {"M": {}})["M"].items())
    )
    micros = int(comparable(item["quantity"]) * 1_000_000)
    row = UsageRow(meter, ns // HOUR_NS, tags, micros, ns)
    holders = holding.get((meter.account, ns), [])
    for said, holder in holders:
        if holder.get("state", {"S": "released"})["S"] != "released":
            # Whatever a person made of it since: the ledger holds what it said when it was sealed.
            sealed = _meter_of(holder)
            return row._replace(
                meter=sealed, tags=said.tags, micros=said.micros, entry=_name(holder)
            )
    book = f"book#{meter.product}#{meter.account}#{meter.dimension}"
    own = [holder for said, holder in holders if holder["pk"]["S"] == book]
    return row._replace(failure=_failure(item, own))


def _meter_of(item: Item) -> MeterName:
    _book, product, account, dimension = item["pk"]["S"].split("#", 3)
    arn = item["license_arn"]["S"] if "license_arn" in item else None
    return MeterName(product, account, dimension, arn)


def _failure(item: Item, holders: list[Item]) -> str | None:
    """Why it is listed: its own mark says so, unless a mark that is still to come says better."""
    for holder in holders:
        if "outbox" in holder:
            is_listed = holder.get("frees", {"S": "failed"})["S"] == "failed"
            return holder["reason"]["S"] if is_listed else None
    if item.get("metering_pending") == {"S": "true"}:
        return None
    return str(item.get("metering_response", {"S": "no mark"})["S"])


def _bills(ledger: Table, item: Item) -> dict[str, Any]:
    written = item["bills"]
    if "S" in written:
        return _read(written["S"])
    whole = item if "B" in written else {**item, "bills": written["M"]["part"]}
    return dict(json.loads(zlib.decompress(_content(ledger, whole, "bills"))))


def _entry(ledger: Table, item: Item) -> EntryRow:
    bills = _bills(ledger, item)
    _hour, hour, _identity, serial = item["sk"]["S"].split("#")
    return EntryRow(
        _name(item),
        _meter_of(item),
        int(hour),
        int(serial),
        int(comparable(item["quantity"]) * 1_000_000),
        int(item["stamp"]["N"]) // 1_000,
        int(item["deadline"]["N"]) // 1_000,
        tuple((hour, micros, count) for hour, micros, count in bills["lines"]),
        tuple(_allocations(bills)),
        item["state"]["S"],
        int(item["begun"]["N"]),
        int(item["refused"]["N"]),
        item["reason"]["S"] if "reason" in item else None,
    )


def _allocations(bills: Mapping[str, Any]) -> Iterator[tuple[Tags, int]]:
    for tags, micros in bills.get("allocations", ()):
        yield tuple((key, value) for key, value in tags), micros


def _alarm(item: Item) -> AlarmRow:
    meter = hour = micros = None
    if "book" in item:
        _book, product, account, dimension = item["book"]["S"].split("#", 3)
        arn = item["license_arn"]["S"] if "license_arn" in item else None
        meter, hour = MeterName(product, account, dimension, arn), int(item["hour"]["N"])
    if "quantity" in item:
        micros = int(comparable(item["quantity"]) * 1_000_000)
    return AlarmRow(item["kind"]["S"], meter, hour, micros, "outbox" not in item)
