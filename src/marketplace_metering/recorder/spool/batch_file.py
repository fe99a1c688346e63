"""Frozen usage records on their way to the store, as JSON Lines in the guide's format.

What a batch holds never changes, so that a put after a crash writes the very same usage records.
A batch that no recorder will deliver any more can be given to `metering record` as it is: the ids
see to it that nothing counts twice.
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from typing import Any

from marketplace_metering.core.quantity import micros_of
from marketplace_metering.core.record import UsageRecord
from marketplace_metering.core.record_item import item_of


class DamagedBatchError(Exception):
    """What the file holds is not what was written to it."""


def text_of(records: Iterable[UsageRecord]) -> bytes:
    """The lines of a batch."""
    from marketplace_metering.core.exact_json import exact_json

    return b"".join(exact_json(item_of(record)).encode() + b"\n" for record in records)


def read_text(text: bytes) -> list[UsageRecord]:
    """Read back what `text_of` wrote; raises DamagedBatchError."""
    import json

    try:
        return [
            _record(json.loads(line, parse_float=Decimal, parse_int=Decimal))
            for line in text.splitlines()
        ]
    except (ValueError, KeyError, TypeError) as error:
        raise DamagedBatchError(str(error)) from error


def _record(item: dict[str, Any]) -> UsageRecord:
    # Not through read_record: these were checked when they were recorded, and a clock that was
    # set back since must not refuse them now.
    created_ns = micros_of(item["create_timestamp"])
    micros = micros_of(item["quantity"])
    if created_ns is None or micros is None:
        raise ValueError(item)
    return UsageRecord(
        account=item["customerAWSAccountId"],
        product=item["productCode"],
        dimension=item["dimension"],
        created_ns=created_ns,
        micros=micros,
        license_arn=item.get("licenseArn"),
        tags=tuple(sorted(item.get("tags", {}).items())),
        event_id=item["event_id"],
    )
