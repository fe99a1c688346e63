"""Core values as columns, and back."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from marketplace_metering.core.hours import UsageHour, from_ms, from_s
from marketplace_metering.core.identity import Meter, Window
from marketplace_metering.core.ledger import Allocation, Entry, Line, State
from marketplace_metering.core.quantity import Quantity
from marketplace_metering.core.record import Tags

Row = Mapping[str, Any]


def tags_text(tags: Tags) -> str:
    """Tags as they are stored: JSON of sorted pairs."""
    return json.dumps(tags) if tags else "[]"


def tags_of(text: str) -> Tags:
    """The tags that `tags_text` wrote."""
    return () if text == "[]" else tuple((key, value) for key, value in json.loads(text))


def lines_text(lines: tuple[Line, ...]) -> str:
    """Lines as they are stored: JSON of hour, millionths and number of records."""
    return json.dumps([[hour.number, quantity.micros, n] for hour, quantity, n in lines])


def lines_of(text: str) -> tuple[Line, ...]:
    """The lines that `lines_text` wrote."""
    return tuple(Line(UsageHour(h), Quantity(micros), n) for h, micros, n in json.loads(text))


def allocations_text(allocations: tuple[Allocation, ...]) -> str | None:
    """Allocations as they are stored: JSON of tags and millionths, None without any."""
    if not allocations:
        return None
    return json.dumps([[tags, quantity.micros] for tags, quantity in allocations])


def allocations_of(text: str | None) -> tuple[Allocation, ...]:
    """The allocations that `allocations_text` wrote."""
    if text is None:
        return ()
    return tuple(
        Allocation(tuple((key, value) for key, value in tags), Quantity(micros))
        for tags, micros in json.loads(text)
    )


_ENTRY = "SELECT * FROM entry{index} JOIN named_meter USING (meter_id)"
ENTRY = _ENTRY.format(index="")
IS_METER = "product = ? AND account = ? AND dimension = ? AND license_arn = ?"
IS_UNSETTLED = "state IN ('sealed', 'parked')"
UNSETTLED_ENTRY = _ENTRY.format(index=" INDEXED BY entry_unsettled")


def entry_of(row: Row) -> Entry:
    """The entry of a row that ENTRY selected."""
    return Entry(
        window=Window(meter_of(row), UsageHour(row["hour"])),
        serial=row["serial"],
        quantity=Quantity(row["quantity_micros"]),
        stamp=from_s(row["stamp_s"]),
        deadline=from_s(row["deadline_s"]),
        lines=lines_of(row["lines"]),
        allocations=allocations_of(row["allocations"]),
        retry_at=from_ms(row["retry_at_ms"]),
        state=State(row["state"]),
        begun=row["begun"],
        refused=row["refused"],
        duplicates=row["duplicates"],
        metering_record_id=row["metering_record_id"],
        reason=row["reason"],
    )


def renewed(entry: Entry, row: Row) -> Entry:
    """An entry that was read before, as its row is now: what it promised AWS never changes."""
    retry_at = from_ms(row["retry_at_ms"])
    if (
        entry.state == row["state"]
        and entry.retry_at == retry_at
        and entry.begun == row["begun"]
        and entry.refused == row["refused"]
        and entry.duplicates == row["duplicates"]
        and entry.metering_record_id == row["metering_record_id"]
        and entry.reason == row["reason"]
    ):
        return entry
    return replace(
        entry,
        retry_at=retry_at,
        state=State(row["state"]),
        begun=row["begun"],
        refused=row["refused"],
        duplicates=row["duplicates"],
        metering_record_id=row["metering_record_id"],
        reason=row["reason"],
    )


def meter_of(row: Row) -> Meter:
    """The meter of a row with the columns of `named_meter`."""
    return Meter(row["product"], row["account"], row["dimension"], row["license_arn"] or None)


def meter_values(meter: Meter) -> tuple[str, str, str, str]:
    """The values that IS_METER binds, in its order."""
    return meter.product, meter.account, meter.dimension, meter.license_arn or ""
