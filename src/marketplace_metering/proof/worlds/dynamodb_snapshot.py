"""The books of the store on AWS, read from the items of its tables behind the product's back.

An auditor looks after every run, and a run changes few items: what an item says is kept until it
is written again.
"""

from __future__ import annotations

import json
import zlib
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from marketplace_metering.adapters.dynamodb.items.member_list import MemberList, SealedContent
from marketplace_metering.core.record_rules import PENDING_VALUES
from marketplace_metering.proof.fake_dynamodb.expressions import Item, comparable
from marketplace_metering.proof.fake_dynamodb.tables import Key, Table
from marketplace_metering.proof.worlds.snapshot import (
    AlarmRow,
    EntryRow,
    EventName,
    MeterName,
    Snapshot,
    Tags,
    UsageRow,
    allocations_of,
    lines_of,
)

HOUR_NS = 3_600_000_000_000
UNBILLED = ("sealed", "parked", "unresolved", "written off")
Place = tuple[str, int]  # a buyer and a nanosecond


@dataclass(slots=True)
class Holder:
    """An item of the ledger that has usage records as members."""

    name: str
    meter: MeterName
    item: Item

    @property
    def is_entry(self) -> bool:
        """Whether it is an entry, not a rejection, which names no licence."""
        return "state" in self.item

    @property
    def is_live(self) -> bool:
        """Whether it holds its members."""
        return self.is_entry and self.item["state"]["S"] != "released"


class DynamoBooks:
    """See above."""

    def __init__(self, ledger: Table, records: Table) -> None:
        self._ledger = ledger
        self._records = records
        self._entries: dict[Key, EntryRow] = {}
        self._alarms: dict[Key, AlarmRow] = {}
        self._refused: dict[Key, tuple[str, str]] = {}
        self._usage: dict[Key, list[UsageRow]] = {}
        self._vanishing: dict[Key, list[UsageRow]] = {}
        self._key_of: dict[Place, Key] = {}
        self._holders: dict[Key, Holder] = {}
        self._holding: dict[Place, list[tuple[SealedContent, Holder]]] = {}
        self._events: dict[EventName, dict[Key, None]] = {}

    def read(self) -> Snapshot:
        """All that is stored at this instant."""
        stale: dict[Place, None] = {}
        for key, item in _taken(self._records):
            place = key[0], int(key[1] * 1_000_000)
            self._key_of[place] = key
            stale[place] = None
            if "event_id" in item:
                name = EventName(key[0], item["event_id"]["S"], place[1] // 1_000_000_000)
                self._events.setdefault(name, {})[key] = None
            if "made_wrong" in item and item.get("metering_failed") == {"BOOL": True}:
                self._refused[key] = ("the table", f"request {item['request']['N']}")
            else:
                self._refused.pop(key, None)
        for key, item in _taken(self._ledger):
            stale.update(self._take(key, item))
        for place in stale:
            if place in self._key_of:
                key = self._key_of[place]
                item, holding = _item(self._records, key), self._holding.get(place, ())
                self._usage[key] = _usage(item, place, holding)
                self._vanishing[key] = _vanishing(item, self._usage[key], holding)
        return Snapshot(
            [row for rows in self._usage.values() for row in rows],
            list(self._entries.values()),
            list(self._alarms.values()),
            list(self._refused.values()),
            [row for rows in self._vanishing.values() for row in rows],
            {
                name: [row for key in standing for row in self._usage[key]]
                for name, standing in self._events.items()
            },
        )

    def _take(self, key: Key, item: Item) -> dict[Place, None]:
        """Read an item of the ledger; answers the usage records of which it tells."""
        if key[0] == "alarm":
            self._alarms[key] = _alarm(item)
        elif key[0] == "refused" and "source" in item:
            text = zlib.decompress(_content(self._ledger, item, "input")).decode()
            self._refused[key] = item["source"]["S"], text
        if "state" in item:
            self._entries[key] = _entry(self._ledger, item)
        if "members" not in item:
            return {}
        members = _members(_content(self._ledger, item, "members"))
        account = item["pk"]["S"].split("#")[2]
        holder = self._holders.get(key)
        if holder is None:
            holder = self._holders[key] = Holder(_name(item), _meter_of(item), item)
            for ns, said in members:
                self._holding.setdefault((account, ns), []).append((said, holder))
        holder.item = item
        return dict.fromkeys((account, ns) for ns, _said in members)


def _taken(table: Table) -> list[tuple[Key, Item]]:
    """What was written since the last time."""
    written = [(key, _item(table, key)) for key in table.written]
    table.written.clear()
    return written


def _item(table: Table, key: Key) -> Item:
    item = table.get(key)
    assert item is not None, "nothing is ever deleted"
    return item


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
def _members(content: bytes) -> tuple[tuple[int, SealedContent], ...]:
    return tuple(MemberList.decode(content).said().items())


@lru_cache(maxsize=8_192)
def _read(written: str) -> dict[str, Any]:
    return dict(json.loads(written))


def _usage(
    item: Item, place: Place, holding: list[tuple[SealedContent, Holder]] | tuple[()]
) -> list[UsageRow]:
    """What the ledger holds of a usage record, and what it says now if that is something else."""
    ns = place[1]
    rows = []
    free = []
    for said, holder in holding:
        held = UsageRow(holder.meter, ns // HOUR_NS, said.tags, said.micros, ns)
        if holder.is_live:
            rows.append(held._replace(entry=holder.name))
        else:
            free.append((held, holder))
    if "productCode" not in item or "made_wrong" in item:
        return rows
    stands = _standing(item, ns)
    if any(stands == row._replace(entry=None) for row in rows):
        return rows
    own = [holder for held, holder in free if _is_of(stands, held, holder)]
    return [*rows, stands._replace(failure=_failure(item, own))]


def _vanishing(
    item: Item, rows: list[UsageRow], holding: list[tuple[SealedContent, Holder]] | tuple[()]
) -> list[UsageRow]:
    """What DynamoDB may delete although nobody was billed; marks that are due still change it."""
    holders = [holder for _said, holder in holding]
    if "expires_at" not in item or any("outbox" in holder.item for holder in holders):
        return []
    unbilled = {h.name for h in holders if h.is_entry and h.item["state"]["S"] in UNBILLED}
    for row in rows:
        is_it = row._replace(entry=None, failure=None) == _standing(item, row.created_ns)
        if is_it and (row.failure is not None or row.entry in unbilled):
            return [row]  # what it was put over is gone already
    return []


def _standing(item: Item, ns: int) -> UsageRow:
    meter = MeterName(
        item["productCode"]["S"],
        item["customerAWSAccountId"]["S"],
        item["dimension"]["S"],
        item["licenseArn"]["S"] if "licenseArn" in item else None,
    )
    tags: Tags = tuple(
        sorted((key, value["S"]) for key, value in item.get("tags", {"M": {}})["M"].items())
    )
    micros = int(comparable(item["quantity"]) * 1_000_000)
    return UsageRow(meter, ns // HOUR_NS, tags, micros, ns)


def _is_of(stands: UsageRow, held: UsageRow, holder: Holder) -> bool:
    """Whether it is what was rejected, or sealed and given back."""
    if not holder.is_entry:
        held = held._replace(meter=held.meter._replace(license_arn=stands.meter.license_arn))
    return stands == held


def _failure(item: Item, holders: list[Holder]) -> str | None:
    """Why it is listed: its own mark says so, unless a mark that is still to come says better."""
    for holder in holders:
        if "outbox" in holder.item:
            is_listed = holder.item.get("frees", {"S": "failed"})["S"] == "failed"
            return str(holder.item["reason"]["S"]) if is_listed else None
    if item.get("metering_pending", {"S": ""})["S"] in PENDING_VALUES:
        return None
    return str(item.get("metering_response", {"S": "no mark"})["S"])


def _meter_of(item: Item, key: str = "pk") -> MeterName:
    _book, product, account, dimension = item[key]["S"].split("#", 3)
    arn = item["license_arn"]["S"] if "license_arn" in item else None
    return MeterName(product, account, dimension, arn)


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
        lines_of(bills["lines"]),
        allocations_of(bills.get("allocations", ())),
        item["state"]["S"],
        int(item["begun"]["N"]),
        int(item["refused"]["N"]),
        sum(answer == "Duplicate" for *_log, answer, _words, _by in _attempts(item)),
        item["reason"]["S"] if "reason" in item else None,
    )


def _attempts(item: Item) -> list[list[Any]]:
    return list(json.loads(item["attempts"]["S"])) if "attempts" in item else []


def _alarm(item: Item) -> AlarmRow:
    meter = hour = micros = None
    if "book" in item:
        meter, hour = _meter_of(item, "book"), int(item["hour"]["N"])
    if "quantity" in item:
        micros = int(comparable(item["quantity"]) * 1_000_000)
    text = item["words"]["S"]
    return AlarmRow(item["kind"]["S"], meter, hour, micros, text, "outbox" not in item)
