"""The requests that clients send, and DynamoDB's request units for them by AWS's rules.

Requests are counted where all of them leave: in botocore's HTTP session, repetitions included. An
emulator's own units are not to be trusted, so units are worked out from the items. Each write is
repeated on a copy of the tables in this process, which knows the items before and after it.

Writes [P6]: one unit for each started KB of the larger of both items, two of them in
a transaction. An index pays one for each started KB of an entry that comes, goes or changes, for
both where its key changes, and nothing for an item that is in it neither before nor after.
Reads [P6]: one unit for each started 4 KB, half of it if it need not be consistent; a Query
rounds up its page, a BatchGetItem each of its items.
"""

from __future__ import annotations

import json
from base64 import b64decode
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from threading import Lock
from typing import Any
from unittest.mock import patch

from botocore import xform_name
from botocore.awsrequest import AWSPreparedRequest, AWSResponse
from botocore.exceptions import ClientError
from botocore.httpsession import URLLib3Session

from marketplace_metering.adapters.dynamodb.api.attributes import size_of
from marketplace_metering.proof.fake_dynamodb import FakeDynamoDb, Faults
from marketplace_metering.proof.fake_dynamodb.client import READING, FaultInjector
from marketplace_metering.proof.fake_dynamodb.expressions import Item
from marketplace_metering.proof.fake_dynamodb.tables import Table

OK = 200
SERVICES = {
    "DynamoDB_20120810": "DynamoDB",
    "AmazonSQS": "SQS",
    "AWSMPMeteringService": "Marketplace",
}
DEFINING = ("CreateTable", "DescribeTable")
KILOBYTE = 1_024
READ_BYTES = 4 * KILOBYTE


class _CountingTable(Table):
    """A table that pays for what is put into it."""

    def __init__(self, definition: Mapping[str, Any]) -> None:
        super().__init__(definition)
        self.units: Counter[str] = Counter()  # by table or index
        self.factor = 1
        self._indexes = definition.get("GlobalSecondaryIndexes", [])

    def pay_for(self, refused: Item) -> None:
        """Count what is not written."""
        self.units[self.name] += _kilobytes(refused)

    def keep(self, kept: Item, visible_at: Callable[[], int]) -> None:
        """Count, and write."""
        old = self.get(self.key_of(kept))
        self.units[self.name] += self.factor * max(_kilobytes(old), _kilobytes(kept))
        for index in self._indexes:
            self.units[index["IndexName"]] += _index_units(self._entry(index, old, kept))
        super().keep(kept, visible_at)

    def _entry(
        self, index: Mapping[str, Any], *items: Item | None
    ) -> tuple[Sequence[str], list[Item | None]]:
        """What stands in an index for some items."""
        keys = [each["AttributeName"] for each in index["KeySchema"]]
        projection = index["Projection"]
        shown = {*keys, self.partition, self.sort, *projection.get("NonKeyAttributes", ())}
        has_all = projection["ProjectionType"] == "ALL"
        entries: list[Item | None] = [
            {name: value for name, value in item.items() if has_all or name in shown}
            if item is not None and all(key in item for key in keys)
            else None
            for item in items
        ]
        return keys, entries


def _index_units(found: tuple[Sequence[str], list[Item | None]]) -> int:
    keys, (was, now) = found
    if was == now:
        return 0
    if was and now and all(was[key] == now[key] for key in keys):
        return max(_kilobytes(was), _kilobytes(now))
    return _kilobytes(was) + _kilobytes(now)


def _kilobytes(item: Item | None) -> int:
    return 0 if item is None else -(-size_of(item) // KILOBYTE)


class _Alone:
    """Nothing happens between the requests to the copy."""

    def between(self, place: str) -> None:
        """Not before and after one."""

    def inside(self, place: str) -> None:
        """Nor inside."""


class RequestUnits:
    """What clients of this process send while it watches."""

    def __init__(self, definitions: Sequence[Mapping[str, Any]]) -> None:
        self.requests: Counter[str] = Counter()  # by service and operation
        self.read_units = 0.0
        self._tables = {each["TableName"]: _CountingTable(each) for each in definitions}
        self._copy = FakeDynamoDb(dict(self._tables), FaultInjector(Faults(), seed=0), _Alone())
        self._lock = Lock()

    @property
    def write_units(self) -> Counter[str]:
        """Those of every table and index."""
        return sum((table.units for table in self._tables.values()), Counter())

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Count what is sent meanwhile."""
        send = URLLib3Session.send

        def watched(session: URLLib3Session, request: AWSPreparedRequest) -> AWSResponse:
            response: AWSResponse = send(session, request)
            with self._lock:
                self._saw(request, response)
            return response

        with patch.object(URLLib3Session, "send", watched):
            yield

    def _saw(self, request: AWSPreparedRequest, response: AWSResponse) -> None:
        target = request.headers["X-Amz-Target"]
        service, operation = (target if isinstance(target, str) else target.decode()).split(".")
        name = SERVICES[service]
        self.requests[f"{name} {operation}"] += 1
        if name != "DynamoDB" or operation in DEFINING:
            return
        assert isinstance(request.body, bytes)
        parameters = json.loads(request.body, object_hook=with_bytes)
        if operation in READING:
            answer = json.loads(response.content, object_hook=with_bytes)
            self.read_units += _read_units(operation, parameters, answer)
        else:
            self._repeat(operation, parameters, response.status_code == OK)

    def _repeat(self, operation: str, parameters: dict[str, Any], is_done: bool) -> None:
        for table in self._tables.values():
            table.factor = 2 if operation == "TransactWriteItems" else 1
        try:
            getattr(self._copy, xform_name(operation))(**parameters)
            is_repeated = True
        except ClientError:
            is_repeated = False
        assert is_done == is_repeated, f"{operation}: {is_done} there, {is_repeated} in the copy"
        if not is_done:  # What is refused costs, too; nobody else is at work, only the mark is new
            assert operation == "PutItem", f"{operation} is refused"
            self._tables[parameters["TableName"]].pay_for(parameters["Item"])


def with_bytes(value: dict[str, Any]) -> dict[str, Any]:
    """A binary attribute as boto3 has it."""
    content = value.get("B")
    return {"B": b64decode(content)} if len(value) == 1 and isinstance(content, str) else value


def _read_units(operation: str, parameters: dict[str, Any], parsed: dict[str, Any]) -> float:
    if operation == "BatchGetItem":
        ((table, asked),) = parameters["RequestItems"].items()
        found = [_reads(size_of(item)) for item in parsed["Responses"].get(table, ())]
        units = sum(found) + len(asked["Keys"]) - len(found)  # one for a key that nothing has
        return units if asked.get("ConsistentRead") else units / 2
    items = [parsed.get("Item", {})] if operation == "GetItem" else parsed["Items"]
    units = _reads(sum(map(size_of, items)))
    return units if parameters.get("ConsistentRead") else units / 2


def _reads(size: int) -> int:
    return max(1, -(-size // READ_BYTES))
