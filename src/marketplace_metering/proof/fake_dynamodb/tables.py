"""Tables with their items, and indexes that show them a moment later."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from operator import itemgetter
from typing import Any

from marketplace_metering.proof.fake_dynamodb.expressions import Item, comparable, normal

Key = tuple[Any, Any]  # partition and sort key, comparable
Position = tuple[Any, ...]  # the sort key, and in an index the table's key behind it


class Rows:
    """Items by partition, in each partition by what tells them apart."""

    def __init__(self) -> None:
        self.of_partition: dict[object, dict[Position, Item]] = {}
        self._sorted: dict[object, list[tuple[Position, Item]]] = {}

    def put(self, partition: object, position: Position, item: Item) -> None:
        """Write an item, over anything that is there."""
        self.of_partition.setdefault(partition, {})[position] = item
        self._sorted.pop(partition, None)

    def drop(self, partition: object, position: Position) -> None:
        """Forget an item, if it is there."""
        self.of_partition.get(partition, {}).pop(position, None)
        self._sorted.pop(partition, None)

    def in_order(self, partition: object) -> list[tuple[Position, Item]]:
        """Those of one partition in the order of their sort key; not to be changed."""
        known = self._sorted.get(partition)
        if known is None:
            items = self.of_partition.get(partition, {})
            known = self._sorted[partition] = sorted(items.items(), key=itemgetter(0))
        return known

    def all_in_order(self) -> list[tuple[Position, Item]]:
        """All of them, one partition after the other; what tells them apart begins with it."""
        rows = [
            ((partition, *position), item)
            for partition, items in self.of_partition.items()
            for position, item in items.items()
        ]
        return sorted(rows, key=itemgetter(0))


class Index:
    """A secondary index: what it shows, and what it will show later."""

    def __init__(self, definition: Mapping[str, Any], table_key: Key) -> None:
        self.partition, self.sort = _names(definition)
        self.rows = Rows()
        self._shown: dict[Key, tuple[Any, Position]] = {}
        self._waiting: list[tuple[int, Key, Item]] = []
        self._waits_until: dict[Key, int] = {}  # when the latest change of an item is shown
        self.behind_until: int | None = None  # the next request that sees more of it
        projection = definition["Projection"]
        own = frozenset({self.partition, self.sort, *table_key})
        self._keeps = {
            "ALL": None,
            "KEYS_ONLY": own,
            "INCLUDE": own.union(projection.get("NonKeyAttributes", ())),
        }[projection["ProjectionType"]]

    def write(self, visible_at: int, key: Key, item: Item) -> None:
        """Take a change of the table; one item's changes become visible in their order."""
        is_in = self.partition in item and self.sort in item
        if is_in or key in self._shown or self._waiting:
            shown_at = max(visible_at, self._waits_until.get(key, 0))
            self._waits_until[key] = shown_at
            self._waiting.append((shown_at, key, item))
            self.behind_until = min(shown_at, self.behind_until or shown_at)

    def catch_up(self, now: int) -> None:
        """Show what is old enough."""
        for shown_at, key, item in self._waiting:
            if shown_at <= now:
                self._show(key, item)
        self._waiting = later = [change for change in self._waiting if change[0] > now]
        self._waits_until = {change[1]: change[0] for change in later}
        self.behind_until = min((change[0] for change in later), default=None)

    def _show(self, key: Key, item: Item) -> None:
        shown = self._shown.pop(key, None)
        if shown is not None:
            self.rows.drop(*shown)
        if self.partition in item and self.sort in item:
            if self._keeps is not None:
                item = {name: value for name, value in item.items() if name in self._keeps}
            place = comparable(item[self.partition]), (comparable(item[self.sort]), *key)
            self._shown[key] = place
            self.rows.put(*place, item)


class Table:
    """All items of one table."""

    def __init__(self, definition: Mapping[str, Any]) -> None:
        self.name: str = definition["TableName"]
        self._definition = definition
        self.partition, self.sort = _names(definition)
        self.key_types: dict[str, str] = {
            each["AttributeName"]: each["AttributeType"]
            for each in definition["AttributeDefinitions"]
        }
        self.rows = Rows()
        self.writes = 0
        self.largest = 0  # bytes of the largest item that was ever written
        self.written: dict[Key, None] = {}  # since an auditor looked
        own = (self.partition, self.sort)
        self.indexes = {
            each["IndexName"]: Index(each, own)
            for each in definition.get("GlobalSecondaryIndexes", ())
        }

    def key_of(self, item: Item) -> Key:
        """The key of an item."""
        return comparable(item[self.partition]), comparable(item[self.sort])

    def get(self, key: Key) -> Item | None:
        """The item as it is."""
        return self.rows.of_partition.get(key[0], {}).get((key[1],))

    def items(self) -> list[Item]:
        """All items."""
        return [item for items in self.rows.of_partition.values() for item in items.values()]

    def put(self, item: Item, visible_at: Callable[[], int]) -> None:
        """Write an item, over anything that is there."""
        self.keep({name: normal(value) for name, value in item.items()}, visible_at)

    def keep(self, kept: Item, visible_at: Callable[[], int]) -> None:
        """Write an item whose values are as DynamoDB keeps them."""
        key = self.key_of(kept)
        self.rows.put(key[0], (key[1],), kept)
        self.writes += 1
        self.written[key] = None
        for index in self.indexes.values():
            index.write(visible_at(), key, kept)

    def restore(self, items: Iterable[Item]) -> None:
        """Hold these items and no others, as a table does that was made from a backup."""
        self.rows = Rows()
        own = (self.partition, self.sort)
        for each in self._definition.get("GlobalSecondaryIndexes", ()):
            self.indexes[each["IndexName"]] = Index(each, own)
        for item in items:
            self.keep(dict(item), lambda: 0)
        for index in self.indexes.values():
            index.catch_up(0)


def _names(definition: Mapping[str, Any]) -> Key:
    partition, sort = (each["AttributeName"] for each in definition["KeySchema"])
    return partition, sort
