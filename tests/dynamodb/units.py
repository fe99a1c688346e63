"""Write units by AWS's rules, from the items before and after each write.

[P6] One unit for each started KB of the larger of both items; two in a transaction;
an index pays for what changes in it: one unit per KB for an entry that comes, goes or changes, both
where its key changes. No emulator's own figures are used.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

from marketplace_metering.adapters.dynamodb.api.attributes import size_of

Item = dict[str, Any]


class UnitMeter:
    """Watches every write of a client."""

    def __init__(self, client: Any, definitions: list[dict[str, Any]]) -> None:
        self.client = client
        self.tables = {each["TableName"]: each for each in definitions}
        self.units: Counter[str] = Counter()  # by table or table/index

    @property
    def total(self) -> int:
        return self.units.total()

    def watch(self, operation: str, call: Callable[..., Any], parameters: dict[str, Any]) -> Any:
        keys = [(table, key) for table, key in self._written(operation, parameters)]
        before = [self._get(table, key) for table, key in keys]
        answer = call(**parameters)
        factor = 2 if operation.startswith("transact") else 1
        for (table, key), old in zip(keys, before, strict=True):
            self._count(table, old, self._get(table, key), factor)
        return answer

    def _written(self, operation: str, parameters: dict[str, Any]) -> Iterator[tuple[str, Item]]:
        match operation:
            case "put_item":
                yield self._key(parameters["TableName"], parameters["Item"])
            case "batch_write_item":
                for table, requests in parameters["RequestItems"].items():
                    for request in requests:
                        yield self._key(table, request["PutRequest"]["Item"])
            case "transact_write_items":
                for write in parameters["TransactItems"]:
                    ((_kind, what),) = write.items()
                    yield self._key(what["TableName"], what.get("Item") or what["Key"])
            case "batch_execute_statement":
                for statement in parameters["Statements"]:
                    yield self._key_of_statement(statement)
            case _:
                assert operation in ("query", "scan", "batch_get_item", "get_item"), operation

    def _key_of_statement(self, statement: dict[str, Any]) -> tuple[str, Item]:
        words, parameters = statement["Statement"], statement["Parameters"]
        table = words.split('"')[1]
        names = [each["AttributeName"] for each in self.tables[table]["KeySchema"]]
        if words.startswith("INSERT"):
            written = [part.split("'")[1] for part in words.split("{")[1].split(", ")]
            item = dict(zip(written, parameters, strict=True))
            return self._key(table, item)
        assert words.startswith("UPDATE")
        first = words.split("WHERE")[0].count("?")
        return table, dict(zip(names, parameters[first : first + 2], strict=True))

    def _key(self, table: str, item: Item) -> tuple[str, Item]:
        names = [each["AttributeName"] for each in self.tables[table]["KeySchema"]]
        return table, {name: item[name] for name in names}

    def _get(self, table: str, key: Item) -> Item | None:
        item: Item | None = self.client.get_item(TableName=table, Key=key).get("Item")
        return item

    def _count(self, table: str, old: Item | None, new: Item | None, factor: int) -> None:
        larger = max(_kilobytes(old), _kilobytes(new), 1)
        self.units[table] += factor * larger
        for index in self.tables[table]["GlobalSecondaryIndexes"]:
            was, now = self._entry(table, index, old), self._entry(table, index, new)
            name = f"{table}/{index['IndexName']}"
            if was == now:
                continue
            keys = [each["AttributeName"] for each in index["KeySchema"]]
            if was and now and all(was[key] == now[key] for key in keys):
                self.units[name] += max(_kilobytes(was), _kilobytes(now))
            else:
                self.units[name] += _kilobytes(was) + _kilobytes(now)

    def _entry(self, table: str, index: dict[str, Any], item: Item | None) -> Item | None:
        keys = [each["AttributeName"] for each in index["KeySchema"]]
        if item is None or not all(key in item for key in keys):
            return None
        projection = index["Projection"]
        if projection["ProjectionType"] == "ALL":
            return item
        own = [each["AttributeName"] for each in self.tables[table]["KeySchema"]]
        shown = {*keys, *own, *projection.get("NonKeyAttributes", ())}
        return {name: item[name] for name in item if name in shown}


def _kilobytes(item: Item | None) -> int:
    return 0 if item is None else -(-size_of(item) // 1024)
