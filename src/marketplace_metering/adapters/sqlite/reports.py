"""Reports from the embedded store; see `reports.Reports`."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

from marketplace_metering.adapters.sqlite import row_codec
from marketplace_metering.core.balance import Balance, Balances
from marketplace_metering.core.hours import UsageHour, from_ms, instant
from marketplace_metering.core.identity import Meter
from marketplace_metering.core.ledger import EntryKey, State
from marketplace_metering.core.limits import MICROS_PER_UNIT
from marketplace_metering.core.quantity import Quantity
from marketplace_metering.core.record import Problem, RefusedInput, UsageRecord
from marketplace_metering.core.views import AttemptLog, EntryFilter, EntryView, RecordView

# SQLite's sum() of integers overflows above 2^63, which 923 full windows reach: whole units and
# millionths are summed apart.
RECORDED = f"""
SELECT product, records, units, micros FROM (
  SELECT group_id, count(*) AS records, sum(micros / {MICROS_PER_UNIT}) AS units,
    sum(micros % {MICROS_PER_UNIT}) AS micros
  FROM usage_record GROUP BY group_id
) JOIN named_group USING (group_id)
"""
UNCOVERED = """
SELECT product, failure IS NOT NULL, micros, record_count
FROM tally JOIN named_group USING (group_id) WHERE entry_id IS NULL
"""
COVERED = """
SELECT product, state, hour, quantity_micros, record_count, lines
FROM entry JOIN named_meter USING (meter_id) WHERE state <> 'released'
"""
RECORDS = """
SELECT usage_record.*, named_group.*, entry_id, released_from, failure, source
FROM usage_record JOIN named_group USING (group_id)
JOIN tally ON tally.id = tally_id JOIN input ON input.id = input_id
"""


class SqliteReports:
    """Reports on one SQLite file, beside its store or another process."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def balances(self) -> Sequence[Balance]:
        """The books of each product, all read from one state of the file."""
        books = Balances()
        self._connection.execute("BEGIN")
        try:
            for product, records, units, micros in self._connection.execute(RECORDED):
                books.add(product, "recorded", units * MICROS_PER_UNIT + micros, records)
            for product, is_failed, micros, records in self._connection.execute(UNCOVERED):
                books.add(product, "refused" if is_failed else "pending", micros, records)
            for row in self._connection.execute(COVERED):
                carried = sum(
                    line.quantity.micros
                    for line in row_codec.lines_of(row["lines"])
                    if line.hour.number != row["hour"]
                )
                state, micros = State(row["state"]), row["quantity_micros"]
                books.add_entry(row["product"], state, micros, row["record_count"], carried)
            for refused in self._connection.execute("SELECT product, micros FROM refused_input"):
                books.add_refused_input(*refused)
        finally:
            self._connection.execute("COMMIT")
        return books.by_product()

    def entries(self, which: EntryFilter) -> Iterator[EntryView]:
        """Entries by product, account, dimension and hour."""
        where, values = conditions(which)
        if which.state is not None:
            where, values = f"{where} AND state = ?", (*values, which.state)
        limit = -1 if which.limit is None else which.limit
        rows = self._connection.execute(
            f"{row_codec.ENTRY} WHERE {where} "
            "ORDER BY product, account, dimension, license_arn, hour, serial LIMIT ?",
            (*values, limit),
        )
        return (_entry_view(row) for row in rows)

    def attempts(self, key: EntryKey) -> Sequence[AttemptLog]:
        """The logged tries of an entry, oldest first."""
        meter = row_codec.meter_values(key.window.meter)
        rows = self._connection.execute(
            "SELECT attempt.* FROM entry JOIN named_meter USING (meter_id) "
            "JOIN attempt ON entry_id = entry.id "
            f"WHERE {row_codec.IS_METER} AND hour = ? AND serial = ? ORDER BY number",
            (*meter, key.window.hour.number, key.serial),
        )
        return [
            AttemptLog(
                row["number"],
                from_ms(row["begun_at_ms"]),
                None if row["answered_at_ms"] is None else from_ms(row["answered_at_ms"]),
                row["answer"],
                row["words"],
            )
            for row in rows
        ]

    def records_at(self, account: str, from_ns: int, to_ns: int) -> Sequence[RecordView]:
        """The usage records of a buyer from an instant up to, not including, another."""
        rows = self._connection.execute(
            f"{RECORDS} WHERE account = ? AND created_ns >= ? AND created_ns < ? "
            "ORDER BY created_ns, product, dimension",
            (account, from_ns, to_ns),
        ).fetchall()
        return [self._record_view(row) for row in rows]

    def waiting(self, meter: Meter, hour: UsageHour) -> Sequence[RecordView]:
        """The usage records of a meter and hour that no live entry covers."""
        rows = self._connection.execute(
            f"{RECORDS} WHERE {row_codec.IS_METER} AND hour = ? AND entry_id IS NULL "
            "AND created_ns BETWEEN ? AND ? ORDER BY created_ns",
            (*row_codec.meter_values(meter), hour.number, *hour.bounds_ns),
        ).fetchall()
        return [self._record_view(row) for row in rows]

    def refused_inputs(self, limit: int | None = None) -> Sequence[RefusedInput]:
        """Input that is kept although it is no usage record, newest first."""
        rows = self._connection.execute(
            "SELECT * FROM refused_input ORDER BY id DESC LIMIT ?",
            (-1 if limit is None else limit,),
        )
        return [
            RefusedInput(
                row["source"],
                row["text"],
                tuple(Problem(**problem) for problem in json.loads(row["problems"])),
                row["product"],
                None if row["micros"] is None else Quantity(row["micros"]),
            )
            for row in rows
        ]

    def oldest_pending_at(self) -> datetime | None:
        """When the oldest usage happened that no entry covers and nobody refused."""
        (ns,) = self._connection.execute(
            "SELECT min(earliest_ns) FROM tally WHERE entry_id IS NULL AND failure IS NULL"
        ).fetchone()
        return None if ns is None else instant(ns)

    def _entry(self, number: int | None) -> EntryView | None:
        if number is None:
            return None
        rows = self._connection.execute(f"{row_codec.ENTRY} WHERE entry.id = ?", (number,))
        return _entry_view(rows.fetchone())

    def _record_view(self, row: row_codec.Row) -> RecordView:
        extras: dict[str, Any] = {}
        if row["extras"] is not None:
            extras = json.loads(row["extras"], parse_float=Decimal)
        record = UsageRecord(
            row["account"],
            row["product"],
            row["dimension"],
            row["created_ns"],
            row["micros"],
            row["license_arn"] or None,
            row_codec.tags_of(row["tags"]),
            row["event_id"],
            extras,
        )
        return RecordView(
            record,
            row["source"],
            self._entry(row["entry_id"]),
            self._entry(row["released_from"]),
            row["failure"],
        )


def conditions(which: EntryFilter) -> tuple[str, tuple[object, ...]]:
    """The WHERE clause of a filter's meter and hour, and the values it binds."""
    wanted = {
        "product": which.product,
        "account": which.account,
        "dimension": which.dimension,
        "license_arn": which.license_arn,
        "hour": None if which.hour is None else which.hour.number,
    }
    given = {column: value for column, value in wanted.items() if value is not None}
    return " AND ".join(f"{column} = ?" for column in given) or "1", tuple(given.values())


def _entry_view(row: row_codec.Row) -> EntryView:
    return EntryView(row_codec.entry_of(row), from_ms(row["sealed_at_ms"]))
