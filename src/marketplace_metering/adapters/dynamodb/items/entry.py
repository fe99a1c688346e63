"""Entries, and late usage that was rejected, as items of the ledger table."""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any, NamedTuple

from marketplace_metering.adapters.dynamodb.api.attributes import Attributes, number, text
from marketplace_metering.adapters.dynamodb.api.requests import Calls, Statement
from marketplace_metering.adapters.dynamodb.items import keys
from marketplace_metering.adapters.dynamodb.items.chunks import (
    INLINE_BYTES_MAX,
    Parts,
    read_contents,
)
from marketplace_metering.adapters.dynamodb.items.keys import Place
from marketplace_metering.core.batch import lane_of
from marketplace_metering.core.hours import UsageHour, epoch_ms, from_ms
from marketplace_metering.core.ledger import (
    AfterRelease,
    Allocation,
    Attempt,
    Change,
    Entry,
    Line,
    State,
)
from marketplace_metering.core.outcome import Duplicate
from marketplace_metering.core.quantity import Quantity, parse_quantity

ATTEMPTS_KEPT = 20
WORDS_KEPT = 500
SEALED = "sealed"
PARKED = "parked"
MARKS = "marks"


class Logged(NamedTuple):
    """One attempt as it is kept with its entry."""

    number: int
    begun_at_ms: int
    answered_at_ms: int | None = None
    answer: str | None = None
    words: str | None = None
    begun_by: str | None = None  # the revision that it was begun with: whose it is


@dataclass(frozen=True, slots=True, kw_only=True)
class Covering:
    """What covers usage records: an entry, or a rejection; as it was read."""

    place: Place
    revision: str  # another one after every change: a change names the one that it read
    members: Mapping[str, Any]  # the attribute that stands for them, see `parts`
    marks_due_at_ms: int | None = None  # since when its members' marks are behind it
    marks_done: int = 0  # how many members have the new marks, where it was interrupted


class Names(StrEnum):
    """Whether the members of an entry name it, each that was there when it was first marked."""

    ALL = "all"
    NOT_ALL = "not all"  # some have no room for it


@dataclass(frozen=True, slots=True, kw_only=True)
class Rejected(Covering):
    """Late usage that a setting rejects: listed, in no window."""

    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored(Covering):
    """An entry with what the store keeps beside it."""

    entry: Entry
    sealed_at_ms: int
    attempts: tuple[Logged, ...] = ()
    frees: AfterRelease | None = None  # what became of the members of a released one
    is_marked: bool = False  # its members were marked at least once, or were about to be
    names: Names | None = None  # None: as the marks are due or not

    @property
    def names_members(self) -> bool:
        """Whether what stands in a member's place and does not name the entry is other usage.

        It was put there since, by an application that knows nothing of marks.
        """
        is_through = self.is_marked and self.marks_due_at_ms is None
        return is_through if self.names is None else self.names is Names.ALL

    def changed(self, change: Change, revision: str) -> Stored:
        """The entry after a step; whether its marks are due is for `marks` to say."""
        # As it will be read back: the store keeps milliseconds.
        kept_at = from_ms(epoch_ms(change.entry.retry_at))
        return replace(
            self,
            entry=replace(change.entry, retry_at=kept_at),
            revision=revision,
            attempts=_with_attempt(self.attempts, change.attempt, revision),
            frees=change.frees or self.frees,
        )


def _with_attempt(
    logged: tuple[Logged, ...], attempt: Attempt | None, revision: str
) -> tuple[Logged, ...]:
    if attempt is None:
        return logged
    at_ms = epoch_ms(attempt.at)
    if attempt.answer is None:
        return (*logged, Logged(attempt.number, at_ms, begun_by=revision))[-ATTEMPTS_KEPT:]
    words = attempt.words[:WORDS_KEPT] if attempt.words else attempt.words
    return tuple(
        each._replace(answered_at_ms=at_ms, answer=attempt.answer, words=words)
        if each.number == attempt.number
        else each
        for each in logged
    )


def lane_text(entry: Entry) -> str:
    """The lane of an entry in the index; the product comes first."""
    lane = lane_of(entry)
    return f"{lane.product}#{'l' if lane.is_licensed else 'p'}#{lane.month}"


def due_order(entry: Entry) -> int:
    """By what unsettled entries are sorted: the deadline; parked ones by when they are looked at
    again, which is their next try or their deadline, the earlier one."""
    deadline = epoch_ms(entry.deadline)
    return min(epoch_ms(entry.retry_at), deadline) if entry.state is State.PARKED else deadline


def new_item(stored: Stored, parts: Parts) -> Attributes:
    """A sealed entry as an item; its large parts are added to `parts`."""
    entry = stored.entry
    item: Attributes = {
        **stored.place.key,
        "quantity": number(str(entry.quantity)),
        "stamp": number(epoch_ms(entry.stamp)),
        "deadline": number(epoch_ms(entry.deadline)),
        "sealed_at": number(stored.sealed_at_ms),
        "lane": text(lane_text(entry)),
        "bills": _bills(entry, stored.place.pk, parts),
        "members": dict(stored.members),
        **_mutable(stored),
    }
    if entry.window.meter.license_arn is not None:
        item["license_arn"] = text(entry.window.meter.license_arn)
    return item


def rejected_item(rejected: Rejected) -> Attributes:
    """A rejection as an item."""
    return {
        **rejected.place.key,
        "reason": text(rejected.why),
        "members": dict(rejected.members),
        "revision": text(rejected.revision),
        **_outbox(rejected),
    }


def _bills(entry: Entry, pk: str, parts: Parts) -> dict[str, Any]:
    """What the entry bills: readable where it is short."""
    lines = [[line.hour.number, line.quantity.micros, line.record_count] for line in entry.lines]
    bills: dict[str, Any] = {"lines": lines}
    if entry.allocations:
        bills["allocations"] = [[tags, quantity.micros] for tags, quantity in entry.allocations]
    written = json.dumps(bills, separators=(",", ":"))
    if len(written) <= INLINE_BYTES_MAX:
        return text(written)
    attribute = parts.take(pk, zlib.compress(written.encode()))
    return attribute if "B" in attribute else {"M": {"part": attribute}}


def _mutable(stored: Stored) -> Attributes:
    """The attributes that a change may change."""
    entry = stored.entry
    attributes: Attributes = {
        "state": text(entry.state),
        "retry_at": number(epoch_ms(entry.retry_at)),
        "begun": number(entry.begun),
        "refused": number(entry.refused),
        "revision": text(stored.revision),
        **_outbox(stored),
    }
    if entry.duplicates:
        attributes["duplicates"] = number(entry.duplicates)
    if stored.attempts:
        attributes["attempts"] = text(json.dumps(stored.attempts, separators=(",", ":")))
    if entry.metering_record_id is not None:
        attributes["metering_record_id"] = text(entry.metering_record_id)
    if entry.reason is not None:
        attributes["reason"] = text(entry.reason)
    if stored.frees is not None:
        attributes["frees"] = text(stored.frees)
    if stored.is_marked:
        attributes["is_marked"] = {"BOOL": True}
    if stored.names is not None:
        attributes["names"] = text(stored.names)
    if not entry.state.is_settled:
        attributes["unsettled"] = text(PARKED if entry.state is State.PARKED else SEALED)
        attributes["due_order"] = number(due_order(entry))
    return attributes


def _outbox(covering: Covering) -> Attributes:
    if covering.marks_due_at_ms is None:
        return {}
    attributes: Attributes = {
        "outbox": text(MARKS),
        "outbox_order": number(covering.marks_due_at_ms),
    }
    if covering.marks_done:
        attributes["marks_done"] = number(covering.marks_done)
    return attributes


def _changeable(covering: Covering) -> Attributes:
    if isinstance(covering, Stored):
        return _mutable(covering)
    return {"revision": text(covering.revision), **_outbox(covering)}


def _difference(before: Covering, after: Covering) -> tuple[Attributes, list[str]]:
    old, new = _changeable(before), _changeable(after)
    changed = {name: value for name, value in new.items() if old.get(name) != value}
    return changed, [name for name in old if name not in new]


def update_statement(table: str, before: Covering, after: Covering) -> Statement:
    """The change as a PartiQL statement."""
    changed, gone = _difference(before, after)
    steps = [f'SET "{name}"=?' for name in changed] + [f'REMOVE "{name}"' for name in gone]
    nobody_changed_the_entry = '"revision"=?'
    words = (
        f'UPDATE "{table}" {" ".join(steps)} WHERE "pk"=? AND "sk"=? AND {nobody_changed_the_entry}'
    )
    names = [text(before.place.pk), text(before.place.sk), text(before.revision)]
    return Statement(words, [*changed.values(), *names])


def update_write(table: str, before: Stored, after: Stored) -> dict[str, Any]:
    """The change as a part of a transaction."""
    changed, gone = _difference(before, after)
    alias = {name: f"#{n}" for n, name in enumerate([*changed, *gone])}
    sets = ", ".join(f"{alias[name]} = :{n}" for n, name in enumerate(changed))
    removes = ", ".join(alias[name] for name in gone)
    values = {f":{n}": value for n, value in enumerate(changed.values())}
    nobody_changed_the_entry = f"{alias['revision']} = :before"
    return {
        "Update": {
            "TableName": table,
            "Key": before.place.key,
            "UpdateExpression": f"SET {sets}" + (f" REMOVE {removes}" if removes else ""),
            "ConditionExpression": nobody_changed_the_entry,
            "ExpressionAttributeNames": {short: name for name, short in alias.items()},
            "ExpressionAttributeValues": {**values, ":before": text(before.revision)},
            "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
        }
    }


def read_covering(
    calls: Calls, table: str, places: Iterable[Place]
) -> dict[Place, Stored | Rejected]:
    """Entries and rejections as they are now; what does not exist is left out."""
    return covering_of(calls, table, calls.get(table, (place.key for place in places)))


def covering_of(
    calls: Calls, table: str, items: Iterable[Attributes]
) -> dict[Place, Stored | Rejected]:
    """Entries and rejections of items that were read."""
    by_place = {keys.place_of(item): item for item in items}
    large = {
        place: item["bills"]["M"]["part"]
        for place, item in by_place.items()
        if "M" in item.get("bills", ())
    }
    bills = read_contents(calls, table, large.items())
    return {place: _covering(place, item, bills.get(place)) for place, item in by_place.items()}


def _covering(place: Place, item: Attributes, bills: bytes | None) -> Stored | Rejected:
    marks_due_at = int(item["outbox_order"]["N"]) if "outbox_order" in item else None
    marks_done = int(item["marks_done"]["N"]) if "marks_done" in item else 0
    revision = item["revision"]["S"]
    if "state" not in item:
        return Rejected(
            place=place,
            revision=revision,
            members=item["members"],
            marks_due_at_ms=marks_due_at,
            marks_done=marks_done,
            why=item["reason"]["S"],
        )
    logged = json.loads(item["attempts"]["S"]) if "attempts" in item else ()
    attempts = tuple(Logged(*attempt) for attempt in logged)
    return Stored(
        place=place,
        revision=revision,
        members=item["members"],
        marks_due_at_ms=marks_due_at,
        marks_done=marks_done,
        entry=_entry(place, item, attempts, bills),
        sealed_at_ms=int(item["sealed_at"]["N"]),
        attempts=attempts,
        frees=AfterRelease(item["frees"]["S"]) if "frees" in item else None,
        is_marked="is_marked" in item,
        names=Names(item["names"]["S"]) if "names" in item else None,
    )


def _entry(
    place: Place, item: Attributes, attempts: Iterable[Logged], large_bills: bytes | None
) -> Entry:
    key = keys.entry_key(place, item["license_arn"]["S"] if "license_arn" in item else None)
    bills = _read_bills(item["bills"], large_bills)
    state = State(item["state"]["S"])
    return Entry(
        window=key.window,
        serial=key.serial,
        quantity=parse_quantity(item["quantity"]["N"]),
        stamp=from_ms(int(item["stamp"]["N"])),
        deadline=from_ms(int(item["deadline"]["N"])),
        lines=tuple(Line(UsageHour(h), Quantity(micros), n) for h, micros, n in bills["lines"]),
        allocations=tuple(
            Allocation(tuple((key, value) for key, value in tags), Quantity(micros))
            for tags, micros in bills.get("allocations", ())
        ),
        retry_at=from_ms(int(item["retry_at"]["N"])),
        state=state,
        begun=int(item["begun"]["N"]),
        refused=int(item["refused"]["N"]),
        duplicates=_duplicates(item, state, attempts),
        metering_record_id=item["metering_record_id"]["S"]
        if "metering_record_id" in item
        else None,
        reason=item["reason"]["S"] if "reason" in item else None,
    )


def _duplicates(item: Attributes, state: State, attempts: Iterable[Logged]) -> int:
    """As it is stored; 0.1 stored no count, but logged each answer."""
    if "duplicates" in item or state is State.RELEASED:
        return int(item["duplicates"]["N"]) if "duplicates" in item else 0
    return sum(each.answer == Duplicate.stored_as for each in attempts)


def _read_bills(attribute: Mapping[str, Any], large: bytes | None) -> dict[str, Any]:
    if "S" in attribute:
        written = attribute["S"]
    else:
        written = zlib.decompress(attribute["B"] if large is None else large)
    bills: dict[str, Any] = json.loads(written)
    return bills
