"""The guide's format, written; `record_rules` reads it."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from marketplace_metering.core.hours import NS_PER_MS
from marketplace_metering.core.record import UsageRecord
from marketplace_metering.core.record_rules import PENDING


def timestamp_text(ns: int) -> str:
    """`create_timestamp` of an instant: milliseconds, with six decimals where there are any."""
    ms, rest = divmod(ns, NS_PER_MS)
    return f"{ms}.{rest:06d}".rstrip("0") if rest else str(ms)


def item_of(record: UsageRecord, ns: int | None = None, pending: str = PENDING) -> dict[str, Any]:
    """A usage record in the guide's format, standing at `ns`; the seller's own attributes are
    not among it. Every number is a Decimal, so that it can be written exactly."""
    item: dict[str, Any] = {
        "customerAWSAccountId": record.account,
        "productCode": record.product,
        "create_timestamp": Decimal(timestamp_text(record.created_ns if ns is None else ns)),
        "dimension": record.dimension,
        "quantity": Decimal(str(record.quantity)),
        "metering_pending": pending,
    }
    if record.event_id is not None:
        item["event_id"] = record.event_id
    if record.license_arn is not None:
        item["licenseArn"] = record.license_arn
    if record.tags:
        item["tags"] = dict(record.tags)
    return item
