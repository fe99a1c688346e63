"""Event ids: an event of a buyer counts once, whichever input brings it."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import Any, NamedTuple

from marketplace_metering.adapters.dynamodb.api.attributes import Attributes, number, text
from marketplace_metering.adapters.dynamodb.api.requests import Calls, Refusal
from marketplace_metering.adapters.dynamodb.items import keys
from marketplace_metering.adapters.dynamodb.items.keys import Place
from marketplace_metering.adapters.dynamodb.items.tables import TableNames
from marketplace_metering.core.hours import NS_PER_HOUR
from marketplace_metering.core.quantity import Quantity
from marketplace_metering.core.record import Problem, Tags, UsageRecord


class Meant(NamedTuple):
    """What an event is usage of."""

    product: str
    dimension: str
    license_arn: str | None
    hour: int
    tags: Tags


def meant_by(record: UsageRecord) -> Meant:
    """What a usage record is usage of."""
    hour = record.created_ns // NS_PER_HOUR
    return Meant(record.product, record.dimension, record.license_arn, hour, record.tags)


@dataclass(frozen=True, slots=True)
class Event:
    """What was recorded under an event id, and what it was before each of its corrections."""

    meant: Meant
    micros: int
    ns: int
    replaces: tuple[tuple[Meant, int], ...] = ()

    @classmethod
    def of(cls, record: UsageRecord, ns: int) -> Event:
        """The event of a usage record that stands at that nanosecond."""
        return cls(meant_by(record), record.micros, ns)

    def clash(self, record: UsageRecord) -> Problem | None:
        """What is wrong if the same event id came before with other content (not: with another
        time within its hour, which changes nothing that is billed)."""
        now_meant = meant_by(record)
        if (now_meant, record.micros) in ((self.meant, self.micros), *self.replaces):
            return None
        what = (
            f"with quantity {Quantity(self.micros)}"
            if now_meant == self.meant
            else "for another product, licence, dimension, hour or set of tags"
        )
        return Problem.of(
            "event_id",
            record.event_id,
            f"it was recorded before {what}, and an event counts once",
            "give the new event an id of its own",
        )


def event_place(account: str, event_id: str) -> Place:
    """Where an event id is kept: it may be longer than a key."""
    digest = hashlib.sha256(event_id.encode()).hexdigest()
    return Place(f"event#{account}#{digest}", keys.EVENT)


def event_item(account: str, event_id: str, event: Event) -> Attributes:
    """An event id as an item."""
    item: Attributes = {
        **event_place(account, event_id).key,
        "event_id": text(event_id),
        "meant": text(json.dumps(event.meant)),
        "quantity": number(str(Quantity(event.micros))),
        "micros": number(event.micros),
        "ns": number(event.ns),
    }
    if event.replaces:
        item["replaces"] = text(json.dumps(event.replaces))
    return item


def _meant(read: list[Any]) -> Meant:
    product, dimension, license_arn, hour, tags = read
    return Meant(product, dimension, license_arn, hour, tuple((k, v) for k, v in tags))


def event_of(item: Attributes) -> Event:
    """Read back an event."""
    written = json.loads(item["replaces"]["S"]) if "replaces" in item else []
    replaces = tuple((_meant(meant), micros) for meant, micros in written)
    meant_now = _meant(json.loads(item["meant"]["S"]))
    return Event(meant_now, int(item["micros"]["N"]), int(item["ns"]["N"]), replaces)


class EventLog:
    """The event ids that an input has met or taken."""

    def __init__(self, calls: Calls, names: TableNames) -> None:
        self._calls = calls
        self._table = names.ledger
        self._known: dict[tuple[str, str], Event] = {}

    def known(self, record: UsageRecord) -> Event | None:
        """The event that this input knows of."""
        assert record.event_id is not None
        return self._known.get((record.account, record.event_id))

    def took(self, record: UsageRecord, event: Event) -> None:
        """This input recorded it."""
        assert record.event_id is not None
        self._known[record.account, record.event_id] = event

    def met(self, record: UsageRecord, refusal: Refusal) -> None:
        """Another input had recorded it before."""
        assert record.event_id is not None
        there = refusal.there
        if there is None:
            place = event_place(record.account, record.event_id)
            [there] = self._calls.get(self._table, [place.key])
        self._known[record.account, record.event_id] = event_of(there)

    def write(self, record: UsageRecord, event: Event) -> dict[str, Any]:
        """The part of a transaction that takes an event id, if nobody has."""
        assert record.event_id is not None
        nobody_recorded_the_event = "attribute_not_exists(pk)"
        return {
            "Put": {
                "TableName": self._table,
                "Item": event_item(record.account, record.event_id, event),
                "ConditionExpression": nobody_recorded_the_event,
                "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
            }
        }
