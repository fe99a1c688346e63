"""Alarms: stored with what raised them, so that a crash cannot silence one."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from datetime import datetime

from marketplace_metering.adapters.sqlite import row_codec
from marketplace_metering.adapters.sqlite.connection import writing
from marketplace_metering.core.hours import UsageHour, epoch_ms, from_ms
from marketplace_metering.core.identity import Window
from marketplace_metering.core.ledger import Alarm, AlarmKind
from marketplace_metering.core.quantity import Quantity

# Not with the view `named_meter`: SQLite would make a list of all meters for a LEFT JOIN with it.
SELECT = """
SELECT alarm.*, book.product, book.account, book.dimension, meter.license_arn
FROM alarm LEFT JOIN meter ON meter.id = alarm.meter_id
LEFT JOIN book ON book.id = meter.book_id
"""


def raise_alarm(connection: sqlite3.Connection, alarm: Alarm, meter_id: int | None) -> None:
    """Store an alarm in the transaction of its cause."""
    connection.execute(
        "INSERT INTO alarm (kind, meter_id, hour, micros, text, raised_at_ms) "
        "VALUES (?, ?, ?, ?, ?, ?)",
        (
            alarm.kind,
            meter_id,
            alarm.window.hour.number if alarm.window is not None else None,
            alarm.quantity.micros if alarm.quantity is not None else None,
            alarm.text,
            epoch_ms(alarm.raised_at),
        ),
    )


def alarm_of(row: row_codec.Row) -> Alarm:
    """The alarm of a row that SELECT selected."""
    window = None
    if row["meter_id"] is not None:
        window = Window(row_codec.meter_of(row), UsageHour(row["hour"]))
    quantity = None if row["micros"] is None else Quantity(row["micros"])
    raised_at = from_ms(row["raised_at_ms"])
    return Alarm(AlarmKind(row["kind"]), window, quantity, row["text"], raised_at)


def undelivered(connection: sqlite3.Connection, limit: int | None) -> list[tuple[int, Alarm]]:
    """Alarms whose delivery nobody has confirmed, the oldest first."""
    rows = connection.execute(
        f"{SELECT} WHERE delivered_at_ms IS NULL ORDER BY alarm.id LIMIT ?",
        (-1 if limit is None else limit,),
    )
    return [(row["id"], alarm_of(row)) for row in rows]


def delivered(connection: sqlite3.Connection, numbers: Sequence[int], now: datetime) -> None:
    """Note that the alarms of these numbers were delivered."""
    with writing(connection):
        connection.executemany(
            "UPDATE alarm SET delivered_at_ms = ? WHERE id = ?",
            [(epoch_ms(now), number) for number in numbers],
        )
