"""Usage records as items of the guide's table."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from marketplace_metering.adapters.dynamodb.api.attributes import (
    Attributes,
    attribute_of,
    number,
    python_attributes,
    python_number,
    python_value,
    text,
    timestamp_text,
)
from marketplace_metering.core.limits import QUANTITY_MICROS_MAX
from marketplace_metering.core.quantity import Quantity, micros_of
from marketplace_metering.core.record import Problem, UsageRecord
from marketplace_metering.core.record_rules import read_record

MARKED_BY = "metering_entry"  # what covered a usage record when it was last marked
SOURCE = "metering_source"  # where a recorded input came from
REPLACES = "metering_replaces"  # what a corrected usage record said before each correction
EXPIRES = "expires_at"  # when DynamoDB may delete it
MARKS = frozenset({"metering_failed", "metering_response", MARKED_BY})
# What the store adds to what the application wrote.
OURS = MARKS | {SOURCE, REPLACES, EXPIRES}

Content = Mapping[str, object]


def item_of(record: UsageRecord, ns: int, source: str | None = None) -> Attributes:
    """The item of a usage record that is pending; raises UnstorableError."""
    item: Attributes = {
        **{name: attribute_of(value) for name, value in record.extras.items() if name not in OURS},
        "customerAWSAccountId": text(record.account),
        "productCode": text(record.product),
        "create_timestamp": number(timestamp_text(ns)),
        "dimension": text(record.dimension),
        "quantity": number(str(record.quantity)),
        "metering_pending": text("true"),
    }
    if record.license_arn is not None:
        item["licenseArn"] = text(record.license_arn)
    if record.tags:
        item["tags"] = {"M": {key: text(value) for key, value in record.tags}}
    if record.event_id is not None:
        item["event_id"] = text(record.event_id)
    if source is not None:
        item[SOURCE] = text(source)
    return item


def key_of(account: str, ns: int) -> Attributes:
    """The key of a usage record."""
    return {
        "customerAWSAccountId": text(account),
        "create_timestamp": number(timestamp_text(ns)),
    }


def content_of(item: Attributes) -> Content:
    """What a usage record says whatever became of it, to be compared; its time left out."""
    said: dict[str, Any] = python_attributes(item)
    left_out = OURS | {"create_timestamp", "metering_pending"}
    return {name: said[name] for name in said if name not in left_out}


def replaced_by(item: Attributes) -> list[Content]:
    """What a usage record said before each of its corrections."""
    if REPLACES not in item:
        return []
    said: Any = python_value(item[REPLACES])
    return said if isinstance(said, list) else [said]


def parse(item: Attributes, now: datetime) -> UsageRecord | tuple[Problem, ...]:
    """The usage record that an item of the table is, or what is wrong with it."""
    said = python_attributes(item)
    return read_record({name: said[name] for name in said if name not in OURS}, now)


def readable_quantity(item: Attributes) -> Quantity | None:
    """The quantity of a malformed usage record, if it names one that could be billed at all."""
    digits = item.get("quantity", {}).get("N")
    micros = None if digits is None else micros_of(python_number(digits))
    return Quantity(micros) if micros is not None and 0 <= micros <= QUANTITY_MICROS_MAX else None


def readable_product(item: Attributes) -> str | None:
    """The product of a malformed usage record, if it can be read."""
    product = item.get("productCode", {}).get("S")
    return product if isinstance(product, str) and product.isascii() else None
