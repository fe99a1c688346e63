"""The client: the operations that the store uses, answered as DynamoDB does, faults included."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any

from botocore.exceptions import ClientError

from marketplace_metering.proof.fake_dynamodb import limits
from marketplace_metering.proof.fake_dynamodb.expressions import (
    Condition,
    Item,
    comparable,
    normal,
    placeholders,
    statement,
    terms,
    updated,
)
from marketplace_metering.proof.fake_dynamodb.tables import Index, Table
from marketplace_metering.proof.worlds.fault_injection import (
    AFTER_READING,
    BEFORE_STORE,
    COMMITTED,
    Steps,
)

READING = frozenset({"Query", "Scan", "GetItem", "BatchGetItem"})
Response = dict[str, Any]
INVALID = "ValidationException"
REFUSED = "The conditional request failed"


@dataclass(frozen=True, slots=True)
class Faults:
    """DynamoDB's own injector, in a hundred requests."""

    throttled: int = 0
    conflicts: int = 0  # transactions
    partly: int = 0  # batches
    repeated: int = 0  # the answer is lost, and the SDK sends the request again
    lagging: int = 0  # writes that an index shows only some requests later
    page: int = 1_000  # items


class FaultInjector:
    """What DynamoDB does with the requests of all processes."""

    def __init__(self, faults: Faults, seed: int) -> None:
        self.faults = faults
        self.random = Random(f"dynamodb {seed}")  # noqa: S311 - repeatable, no secrets
        self.requests = 0
        self.injected: dict[str, int] = {}

    def fires(self, kind: str) -> bool:
        """Whether a fault of this kind happens now."""
        percent: int = getattr(self.faults, kind)
        if not percent or self.random.random() * 100 >= percent:
            return False
        self.injected[f"DynamoDB: {kind}"] = self.injected.get(f"DynamoDB: {kind}", 0) + 1
        return True

    def visible_at(self) -> int:
        """After which request an index shows a write."""
        lag = int(self.random.expovariate(1 / 30)) if self.fires("lagging") else 0
        return self.requests + lag

    def heal(self) -> None:
        """No more faults; only pages stay as short as they were."""
        self.faults = Faults(page=self.faults.page)


@dataclass
class FakeDynamoDb:
    """Stands for a boto3 client; several of them may share their tables."""

    tables: dict[str, Table]
    injector: FaultInjector
    steps: Steps

    def _request(self, operation: str, done: Callable[[], Response]) -> Response:
        """One request: the world before and after it, and botocore, which repeats what is
        throttled."""
        self.steps.between(BEFORE_STORE)
        self.injector.requests += 1
        for table in self.tables.values():
            for index in table.indexes.values():
                if index.behind_until is not None and index.behind_until <= self.injector.requests:
                    index.catch_up(self.injector.requests)
        if self.injector.fires("throttled"):
            return self._request(operation, done)
        answer = done()
        self.steps.between(AFTER_READING if operation in READING else COMMITTED)
        return answer

    # Reading

    def query(self, **wanted: Any) -> Response:  # noqa: ANN401 - as boto3
        """One page of a query."""
        return self._request("Query", lambda: self._page(wanted, wanted["KeyConditionExpression"]))

    def scan(self, **wanted: Any) -> Response:  # noqa: ANN401 - as boto3
        """One page of a scan."""
        return self._request("Scan", lambda: self._page(wanted, None))

    def _page(self, wanted: Mapping[str, Any], condition: str | None) -> Response:
        _valid("Query", limits.expression_fault(wanted))
        table = self.tables[wanted["TableName"]]
        index = table.indexes[wanted["IndexName"]] if "IndexName" in wanted else None
        assert index is None or not wanted.get("ConsistentRead"), "an index is never consistent"
        shown = index or table
        if condition is None:
            rows = shown.rows.all_in_order()
        else:
            first, (names, values) = terms(condition)[0], placeholders(wanted)
            assert (names.get(first.name, first.name), first.op) == (shown.partition, "=")
            rows = shown.rows.in_order(comparable(values[first.values[0]]))
            if len(terms(condition)) > 1:
                fits = Condition(condition, wanted).holds
                rows = [row for row in rows if fits(row[1])]
        if "FilterExpression" in wanted:
            fits = Condition(wanted["FilterExpression"], wanted).holds
            rows = [row for row in rows if fits(row[1])]
        if "ExclusiveStartKey" in wanted:
            key = wanted["ExclusiveStartKey"]
            after = _position(table, index, key)
            if condition is None:
                after = (comparable(key[shown.partition]), *after)
            rows = [row for row in rows if row[0] > after]
        limit = min(wanted.get("Limit", 10**9), self.injector.faults.page)
        shown_rows = limits.page(rows, limit, table.largest)
        page = [dict(item) for _position_, item in shown_rows]
        answer: Response = {"Items": page, "Count": len(page)}
        if len(rows) > len(page):
            answer["LastEvaluatedKey"] = _key_attributes(table, index, page[-1])
        return answer

    def get_item(self, **wanted: Any) -> Response:  # noqa: ANN401 - as boto3
        """One item."""
        table = self.tables[wanted["TableName"]]

        def done() -> Response:
            _valid("GetItem", limits.key_fault(table, wanted["Key"]))
            found = table.get(table.key_of(wanted["Key"]))
            return {} if found is None else {"Item": dict(found)}

        return self._request("GetItem", done)

    def batch_get_item(self, **wanted: Any) -> Response:  # noqa: ANN401 - as boto3
        """Items by key; some of them may be left for another request."""

        def done() -> Response:
            ((name, asked),) = wanted["RequestItems"].items()
            table, keys = self.tables[name], asked["Keys"]
            _valid("BatchGetItem", limits.count_fault("keys", keys, limits.GETS))
            for key in keys:
                _valid("BatchGetItem", limits.key_fault(table, key))
            _no_twice("BatchGetItem", [table.key_of(key) for key in keys])
            now = self._part_of(keys)
            found = [table.get(table.key_of(key)) for key in now]
            left = keys[len(now) :]
            return {
                "Responses": {name: [dict(item) for item in found if item is not None]},
                "UnprocessedKeys": {name: {**asked, "Keys": left}} if left else {},
            }

        return self._request("BatchGetItem", done)

    # Writing

    def put_item(self, **wanted: Any) -> Response:  # noqa: ANN401 - as boto3
        """One item, on its condition."""
        return self._request("PutItem", lambda: self._write_alone("PutItem", "Put", wanted))

    def update_item(self, **wanted: Any) -> Response:  # noqa: ANN401 - as boto3
        """Change one item, on its condition."""
        return self._request(
            "UpdateItem", lambda: self._write_alone("UpdateItem", "Update", wanted)
        )

    def _write_alone(self, operation: str, kind: str, wanted: Mapping[str, Any]) -> Response:
        _valid(operation, self._fault(wanted, kind))
        refusal = self._refusal(wanted, kind)
        if refusal is not None:
            there = {"Item": refusal["Item"]} if "Item" in refusal else {}
            raise _error(operation, "ConditionalCheckFailedException", REFUSED, **there)
        _valid(operation, self._fault_after(wanted, kind))
        self._write(wanted, kind)
        return {}

    def batch_write_item(self, **wanted: Any) -> Response:  # noqa: ANN401 - as boto3
        """Write items over anything that is there; some may be left for another request."""

        def done() -> Response:
            ((name, puts),) = wanted["RequestItems"].items()
            _valid("BatchWriteItem", limits.count_fault("items", puts, limits.PUTS))
            table = self.tables[name]
            items = [put["PutRequest"]["Item"] for put in puts]
            for item in items:
                _valid("BatchWriteItem", limits.item_fault(table, item))
            _no_twice("BatchWriteItem", [table.key_of(item) for item in items])
            now = self._part_of(puts)
            for put in now:
                table.put(put["PutRequest"]["Item"], self.injector.visible_at)
            left = puts[len(now) :]
            return {"UnprocessedItems": {name: left} if left else {}}

        return self._request("BatchWriteItem", done)

    def _part_of(self, many: Sequence[Any]) -> Sequence[Any]:
        if not self.injector.fires("partly"):
            return many
        return many[: self.injector.random.randrange(len(many))]

    def transact_write_items(self, **wanted: Any) -> Response:  # noqa: ANN401 - as boto3
        """All writes or none. A repetition of the same request is done once."""
        return self._request("TransactWriteItems", lambda: self._transact(wanted["TransactItems"]))

    def _transact(self, writes: Sequence[Mapping[str, Any]]) -> Response:
        operation = "TransactWriteItems"
        _valid(operation, limits.count_fault("transactItems", writes, limits.WRITES))
        flat = [(kind, write) for each in writes for kind, write in each.items()]
        for kind, write in flat:
            _valid(operation, self._fault(write, kind))
        at_most = len(flat) * max(table.largest for table in self.tables.values())
        if at_most > limits.TRANSACTION_BYTES and (
            sum(self._size(write) for _kind, write in flat) > limits.TRANSACTION_BYTES
        ):
            raise _error(operation, INVALID, limits.TRANSACTION_TOO_LARGE)
        _no_twice(operation, [(write["TableName"], *self._key(write)) for _k, write in flat])
        if self.injector.fires("conflicts"):
            victim = self.injector.random.randrange(len(flat))
            codes = ("TransactionConflict" if n == victim else "None" for n in range(len(flat)))
            raise _cancelled([{"Code": code} for code in codes])
        refusals = [
            self._refusal(write, kind) or self._invalid(write, kind) for kind, write in flat
        ]
        if any(refusal is not None for refusal in refusals):
            raise _cancelled([refusal or {"Code": "None"} for refusal in refusals])
        for kind, write in flat:
            if kind != "ConditionCheck":
                self._write(write, kind)
        return {}

    def _key(self, write: Mapping[str, Any]) -> tuple[Any, Any]:
        return self.tables[write["TableName"]].key_of(write.get("Key") or write["Item"])

    def _size(self, write: Mapping[str, Any]) -> int:
        """What a part of a transaction counts for: the item that it leaves, or looks at."""
        if "Item" in write:
            return limits.size_of(write["Item"])
        there = self.tables[write["TableName"]].get(self._key(write)) or write["Key"]
        return limits.size_of(updated(there, write) if "UpdateExpression" in write else there)

    def _fault(self, write: Mapping[str, Any], kind: str) -> str | None:
        """What is wrong with a write before its condition is looked at."""
        table = self.tables[write["TableName"]]
        item = write["Item"] if kind == "Put" else write["Key"]
        key_or_item = limits.item_fault if kind == "Put" else limits.key_fault
        return key_or_item(table, item) or limits.expression_fault(write)

    def _fault_after(self, write: Mapping[str, Any], kind: str) -> str | None:
        """What is wrong with the item that an update would leave."""
        if kind != "Update":
            return None
        table = self.tables[write["TableName"]]
        there = table.get(self._key(write)) or write["Key"]
        return limits.update_fault(table, updated(there, write))

    def _invalid(self, write: Mapping[str, Any], kind: str) -> Response | None:
        fault = self._fault_after(write, kind)
        return None if fault is None else {"Code": "ValidationError", "Message": fault}

    def _refusal(self, write: Mapping[str, Any], kind: str) -> Response | None:
        there = self.tables[write["TableName"]].get(self._key(write))
        condition = write.get("ConditionExpression")
        if condition is None or Condition(condition, write).holds(there):
            return None
        refusal: Response = {"Code": "ConditionalCheckFailed", "Message": REFUSED}
        wants_item = write.get("ReturnValuesOnConditionCheckFailure") == "ALL_OLD"
        if wants_item and there is not None:
            refusal["Item"] = dict(there)
        return refusal

    def _write(self, write: Mapping[str, Any], kind: str) -> None:
        table = self.tables[write["TableName"]]
        if kind == "Put":
            table.put(write["Item"], self.injector.visible_at)
            return
        key: Item = {name: normal(value) for name, value in write["Key"].items()}
        there = table.get(self._key(write)) or key
        table.keep(updated(there, write), self.injector.visible_at)

    def batch_execute_statement(self, **wanted: Any) -> Response:  # noqa: ANN401 - as boto3
        """PartiQL statements, each by itself."""
        statements = wanted["Statements"]

        def done() -> Response:
            operation = "BatchExecuteStatement"
            _valid(operation, limits.count_fault("statements", statements, limits.STATEMENTS))
            _valid(operation, limits.statement_fault(statements))
            if self.injector.fires("repeated"):
                self._execute(statements)
            return self._execute(statements)

        return self._request("BatchExecuteStatement", done)

    def _execute(self, statements: Sequence[Mapping[str, Any]]) -> Response:
        return {"Responses": [self._execute_one(each) for each in statements]}

    def _execute_one(self, wanted: Mapping[str, Any]) -> Response:
        does = statement(wanted["Statement"], wanted["Parameters"])
        table = self.tables[does.table]
        if self.injector.fires("partly"):
            code = self.injector.random.choice(("ThrottlingError", "TransactionConflict"))
            return {"Error": {"Code": code, "Message": "later"}}
        if does.inserts is not None:
            if table.get(table.key_of(does.inserts)) is not None:
                return {"Error": {"Code": "DuplicateItem", "Message": "there already"}}
            fault = limits.item_fault(table, does.inserts)
            if fault is not None:
                return {"Error": {"Code": "ValidationError", "Message": fault}}
            table.keep(does.inserts, self.injector.visible_at)
            return {"TableName": table.name}
        there = table.get(table.key_of(does.where))
        if there is None or any(
            name not in there or normal(there[name]) != value for name, value in does.where.items()
        ):
            error: Response = {"Code": "ConditionalCheckFailed", "Message": REFUSED}
            if there is not None and wanted.get("ReturnValuesOnConditionCheckFailure"):
                error["Item"] = dict(there)
            return {"Error": error}
        kept = {name: value for name, value in there.items() if name not in does.removes}
        changed = {**kept, **does.sets}
        fault = limits.update_fault(table, changed)
        if fault is not None:
            return {"Error": {"Code": "ValidationError", "Message": fault}}
        table.keep(changed, self.injector.visible_at)
        return {"TableName": table.name}


def _valid(operation: str, fault: str | None) -> None:
    if fault is not None:
        raise _error(operation, INVALID, fault)


def _no_twice(operation: str, keys: Sequence[object]) -> None:
    if len(set(keys)) != len(keys):
        raise _error(operation, INVALID, "one item twice in a request")


def _position(table: Table, index: Index | None, key: Item) -> tuple[Any, ...]:
    table_key = table.key_of(key)
    if index is None:
        return (table_key[1],)
    return (comparable(key[index.sort]), *table_key)


def _key_attributes(table: Table, index: Index | None, item: Item) -> Item:
    names = {table.partition, table.sort}
    if index is not None:
        names |= {index.partition, index.sort}
    return {name: item[name] for name in sorted(names)}


def _error(operation: str, code: str, words: str, **more: Any) -> ClientError:  # noqa: ANN401
    response: Any = {"Error": {"Code": code, "Message": words}, **more}
    return ClientError(response, operation)


def _cancelled(reasons: list[Response]) -> ClientError:
    code, words = "TransactionCanceledException", "Transaction cancelled"
    return _error("TransactWriteItems", code, words, CancellationReasons=reasons)
