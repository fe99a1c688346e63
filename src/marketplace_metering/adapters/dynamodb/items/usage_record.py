"""Usage records as items of the guide's table."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

from marketplace_metering.adapters.dynamodb.api.attributes import (
    Attributes,
    attribute_of,
    name_of,
    number,
    python_attributes,
    python_number,
    python_value,
    text,
)
from marketplace_metering.adapters.dynamodb.api.requests import Statement
from marketplace_metering.core import record_item
from marketplace_metering.core.hours import instant
from marketplace_metering.core.quantity import Quantity, micros_of
from marketplace_metering.core.record import Problem, UsageRecord
from marketplace_metering.core.record_item import timestamp_text
from marketplace_metering.core.record_rules import (
    KNOWN,
    PENDING,
    PENDING_VALUES,
    is_billable_micros,
    read_record,
)

MARKED_BY = "metering_entry"  # what covered a usage record when it was last marked
SOURCE = "metering_source"  # where a recorded input came from
CORRECTION_OF = "a correction of "
REPLACES = "metering_replaces"  # what a corrected usage record said before each correction
EXPIRES = "expires_at"  # when DynamoDB may delete it
STANDS_AT = "metering_event_at"  # the time of the usage record whose event belongs here
MARKS = frozenset({"metering_failed", "metering_response", MARKED_BY})
# What the store adds to what the application wrote.
OURS = MARKS | {SOURCE, REPLACES, EXPIRES, STANDS_AT}

Content = Mapping[str, object]


def item_of(
    record: UsageRecord, ns: int, source: str | None = None, pending: str = PENDING
) -> Attributes:
    """The item of a usage record that is pending and stands at `ns`; raises UnstorableError."""
    own = {name: value for name, value in record.extras.items() if name not in OURS}
    written = own | record_item.item_of(record, ns, pending)
    if source is not None:
        written[SOURCE] = source
    return {name_of(name): attribute_of(value) for name, value in written.items()}


def inserting(table: str, item: Attributes) -> Statement:
    """Puts an item where nothing stands: PartiQL's INSERT refuses to overwrite."""
    names = ", ".join("'{}': ?".format(name.replace("'", "''")) for name in item)
    return Statement(f'INSERT INTO "{table}" VALUE {{{names}}}', list(item.values()))


def key_of(account: str, ns: int) -> Attributes:
    """The key of a usage record."""
    return {
        "customerAWSAccountId": text(account),
        "create_timestamp": number(timestamp_text(ns)),
    }


def content_of(item: Attributes) -> Content:
    """The content of a usage record without its outcome and its time, to be compared."""
    said: dict[str, Any] = python_attributes(item)
    left_out = OURS | {"create_timestamp", "metering_pending"}
    return {name: said[name] for name in said if name not in left_out}


def replaced_by(item: Attributes) -> list[Content]:
    """What a usage record said before each of its corrections."""
    if REPLACES not in item:
        return []
    said = python_value(item[REPLACES])
    # A seller's own application may have written anything there.
    return [each for each in (said if isinstance(said, list) else [said]) if isinstance(each, dict)]


def corrected_source(source: str) -> str:
    """The source of a corrected usage record; `first_source` takes it apart again."""
    return CORRECTION_OF + source


def first_source(item: Attributes) -> str | None:
    """The input that brought a usage record, before any correction; None for an application's."""
    source: str | None = item.get(SOURCE, {}).get("S")
    while source is not None and source.startswith(CORRECTION_OF):
        source = source.removeprefix(CORRECTION_OF)
    return source


def moved_item(item: Attributes, now_at: str) -> Attributes:
    """What stays where a usage record was that a correction moved: nothing is deleted, and an
    event that comes again is known there."""
    names = ("customerAWSAccountId", "create_timestamp", "event_id", SOURCE)
    kept: Attributes = {name: item[name] for name in names if name in item}
    replaced = [*replaced_by(item), content_of(item)]
    moved = text(f"corrected: it is the usage record {now_at} now")
    return {**kept, REPLACES: attribute_of(replaced), "metering_response": moved}


def is_pending(item: Attributes) -> bool:
    """Whether it says that it is to be metered, as the index of pending usage shows it."""
    return item.get("metering_pending", {}).get("S") in PENDING_VALUES


def is_moved(item: Attributes) -> bool:
    """Whether a correction moved what stood there: it stands elsewhere now."""
    return REPLACES in item and "productCode" not in item


def signpost(item: Attributes, place_ns: int) -> Attributes:
    """What is put at an event's place for one that an application put elsewhere: any later writer
    comes by, sees that the event is recorded, and writes nothing."""
    account, at = (item[name] for name in ("customerAWSAccountId", "create_timestamp"))
    said = content_of({name: value for name, value in item.items() if name in KNOWN})
    return {
        **key_of(account["S"], place_ns),
        "event_id": item["event_id"],
        STANDS_AT: at,
        REPLACES: attribute_of([said]),
        "metering_response": text(
            f"no usage: event {item['event_id']['S']} is the usage record {account['S']} {at['N']}"
        ),
    }


def event_stands_at(item: Attributes) -> str | None:
    """The time of the usage record that a signpost points at; None for any other item."""
    time: str | None = item.get(STANDS_AT, {}).get("N") if is_moved(item) else None
    return time


def events_at(item: Attributes, ns: int) -> dict[str, list[UsageRecord | None]]:
    """What was recorded at this place under which event id: as it is now, then as it was before
    each correction, the latest first; None for what cannot be read."""
    found: defaultdict[str, list[UsageRecord | None]] = defaultdict(list)
    now = [] if is_moved(item) else [content_of(item)]
    place = {"create_timestamp": Decimal(timestamp_text(ns)), "metering_pending": PENDING}
    for content in (*now, *reversed(replaced_by(item))):
        event_id = content.get("event_id")
        if isinstance(event_id, str):
            record = read_record({**content, **place}, instant(ns))
            found[event_id].append(record if isinstance(record, UsageRecord) else None)
    return found


def parse(item: Attributes, now: datetime) -> UsageRecord | tuple[Problem, ...]:
    """The usage record that an item of the table is, or what is wrong with it."""
    said = python_attributes(item)
    return read_record({name: said[name] for name in said if name not in OURS}, now)


def readable_quantity(item: Attributes) -> Quantity | None:
    """The quantity of a malformed usage record, if it names one that could be billed at all."""
    digits = item.get("quantity", {}).get("N")
    micros = None if digits is None else micros_of(python_number(digits))
    return Quantity(micros) if micros is not None and is_billable_micros(micros) else None


def readable_product(item: Attributes) -> str | None:
    """The product of a malformed usage record, if it can be read."""
    product = item.get("productCode", {}).get("S")
    return product if isinstance(product, str) and product.isascii() else None
