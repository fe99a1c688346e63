"""The embedded store, in memory as a rule: the real SQL, with the world between the statements.

Between two statements that are in no transaction every other process may come, as it may with a
file. Inside a transaction nobody else writes (BEGIN IMMEDIATE), but the process can die.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, TypeVar, cast

from marketplace_metering.adapters.sqlite.connection import connect
from marketplace_metering.adapters.sqlite.corrections import SqliteCorrections
from marketplace_metering.adapters.sqlite.ids import Identities
from marketplace_metering.adapters.sqlite.ledger import SqliteLedger
from marketplace_metering.adapters.sqlite.recovery import SqliteRecovery
from marketplace_metering.adapters.sqlite.reports import SqliteReports
from marketplace_metering.adapters.sqlite.store import SqliteStore
from marketplace_metering.core.identity import BookKey
from marketplace_metering.core.record import UsageRecord
from marketplace_metering.ports import Clock, OpenStore
from marketplace_metering.proof.worlds.fault_injection import BEFORE_STORE, COMMITTED, Steps
from marketplace_metering.proof.worlds.simulated_mark import SimulatedMark
from marketplace_metering.proof.worlds.snapshot import (
    AlarmRow,
    EntryRow,
    MeterName,
    Snapshot,
    Tags,
    UsageRow,
    allocations_of,
    lines_of,
)
from marketplace_metering.proof.worlds.stores import Shop
from marketplace_metering.recorder.sinks.sqlite import SOURCE

Row = TypeVar("Row", UsageRow, EntryRow, AlarmRow)
MEMORY = ":memory:"
METER = "book.product, book.account, book.dimension, meter.license_arn"
JOINED = "JOIN meter ON meter.id = {}.meter_id JOIN book ON book.id = meter.book_id"
USAGE = f"""
SELECT {METER}, usage_group.hour, usage_group.tags, usage_record.micros, usage_record.created_ns,
  tally.entry_id, tally.failure
FROM usage_record JOIN usage_group ON usage_group.id = usage_record.group_id
{JOINED.format("usage_group")} JOIN tally ON tally.id = usage_record.tally_id
ORDER BY usage_record.group_id, usage_record.created_ns
"""
ENTRIES = f"""
SELECT {METER}, entry.id, hour, serial, quantity_micros, stamp_s, deadline_s, lines, allocations,
  state, begun, refused,
  (SELECT count(*) FROM attempt WHERE entry_id = entry.id AND answer = 'Duplicate'), reason
FROM entry {JOINED.format("entry")} ORDER BY entry.id
"""
ALARMS = f"""
SELECT {METER}, alarm.kind, alarm.hour, alarm.micros, alarm.text, alarm.delivered_at_ms
FROM alarm LEFT JOIN meter ON meter.id = alarm.meter_id
LEFT JOIN book ON book.id = meter.book_id ORDER BY alarm.id
"""

FULL_BOOK = """
CREATE TEMP TRIGGER full_book BEFORE INSERT ON main.entry WHEN EXISTS (
  SELECT 1 FROM meter JOIN book ON book.id = meter.book_id WHERE meter.id = NEW.meter_id
  AND (product, account, dimension) = ('{}', '{}', '{}')
) BEGIN SELECT RAISE(ABORT, 'this book has no room'); END
"""


@dataclass(slots=True)
class Stepped:
    """A connection at which the world may intervene before each statement and after a commit."""

    real: sqlite3.Connection
    steps: Steps
    restores: Callable[[], int]  # which SQLite would show to every other connection

    def execute(self, sql: str, values: Any = ()) -> sqlite3.Cursor:  # noqa: ANN401 - as sqlite3
        """One statement."""
        if sql == "PRAGMA data_version":
            return self.real.execute("SELECT ?", (self.restores(),))
        if not self.real.in_transaction:
            self.steps.between(BEFORE_STORE)
            return self.real.execute(sql, values)
        if sql.startswith(("ROLLBACK", "RELEASE")):
            return self.real.execute(sql, values)
        self.steps.inside("before a statement")
        cursor = self.real.execute(sql, values)
        if sql == "COMMIT":
            self.steps.between(COMMITTED)
        return cursor

    def executemany(self, sql: str, rows: Iterable[Any]) -> sqlite3.Cursor:
        """Many statements, always in a transaction."""
        assert self.real.in_transaction, "writing outside a transaction"
        self.steps.inside("before many statements")
        return self.real.executemany(sql, rows)

    @property
    def in_transaction(self) -> bool:
        """As sqlite3."""
        return self.real.in_transaction


class _Store(SqliteStore):
    """The store over a connection that is given."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        SqliteLedger.__init__(self, connection, Identities(connection))


class SqliteShop(Shop):
    """See `Shop`; all faults are at the steps."""

    def __init__(self, steps: Steps, path: str = MEMORY) -> None:
        self._steps = steps
        self._path = path
        self._mark = SimulatedMark(steps)
        self._restores = 0
        self._connect()
        self._seen: dict[Any, Any] = {}  # what a row says: most are as they were

    def _connect(self) -> None:
        self._real = connect(self._path)
        self._real.row_factory = sqlite3.Row
        self._plain = self._real.cursor()
        self._plain.row_factory = None

    def open(self, clock: Clock) -> OpenStore:
        """A process of its own looks every number up again; a file it opens itself."""
        del clock  # it is told the time with each call
        if self._path != MEMORY:
            self._real.close()
            self._connect()
        connection = cast(
            "sqlite3.Connection", Stepped(self._real, self._steps, lambda: self._restores)
        )
        store = _Store(connection)
        corrections = SqliteCorrections(connection, store.identities)
        reports, recovery = SqliteReports(connection), SqliteRecovery(store)
        return OpenStore(store, reports, corrections, recovery=recovery, mark=self._mark)

    def copy(self) -> sqlite3.Connection:
        """By SQLite's own backup."""
        copy = sqlite3.connect(MEMORY)
        self._real.backup(copy)
        return copy

    def restore(self, copy: object, only: str | None = None) -> None:
        """By SQLite's own backup; usage records and ledger are one file."""
        assert isinstance(copy, sqlite3.Connection)
        assert only is None, "there is one file"
        copy.backup(self._real)
        self._restores += 1

    def flush(self, opened: OpenStore, clock: Clock, records: Sequence[UsageRecord]) -> None:
        """As `recorder.sinks.sqlite` does it, over the connection of the process."""
        taken = opened.store.intake(SOURCE, clock.now()).add(records)
        assert not taken.clashes, taken.clashes

    def books(self) -> Snapshot:
        """All tables, by SQL of our own."""
        run = self._plain.execute
        return Snapshot(
            [self._seen.get(row) or self._read(row, _usage) for row in run(USAGE)],
            [self._seen.get(row) or self._read(row, _entry) for row in run(ENTRIES)],
            [self._seen.get(row) or self._read(row, _alarm) for row in run(ALARMS)],
            run("SELECT source, text FROM refused_input").fetchall(),
        )

    def _read(self, row: Any, reads: Callable[..., Row]) -> Row:  # noqa: ANN401 - columns
        read = self._seen[row] = reads(*row)
        return read

    def fill(self, book: BookKey | None) -> None:
        """The schema has a rule that no entry of the book keeps."""
        self._real.execute("DROP TRIGGER IF EXISTS full_book")
        if book is not None:
            values = [each.replace("'", "''") for each in (book.product, book.account)]
            dimension = book.dimension.replace("'", "''")
            self._real.execute(FULL_BOOK.format(*values, dimension))

    def heal(self) -> None:
        """There is room for everything."""
        self.fill(None)

    def changes(self) -> int:
        """As SQLite counts them."""
        return self._real.total_changes

    def close(self) -> None:
        """Forget everything."""
        self._real.close()


@lru_cache(maxsize=4_096)
def _tags(text: str) -> Tags:
    return tuple((key, value) for key, value in json.loads(text))


@lru_cache(maxsize=4_096)
def _lines(text: str) -> tuple[tuple[int, int, int], ...]:
    return lines_of(json.loads(text))


@lru_cache(maxsize=4_096)
def _allocations(text: str | None) -> tuple[tuple[Tags, int], ...]:
    return () if text is None else allocations_of(json.loads(text))


def _usage(*row: Any) -> UsageRow:  # noqa: ANN401 - columns
    hour, tags, micros, created_ns, entry, failure = row[4:]
    name = None if entry is None else str(entry)
    return UsageRow(_meter(*row[:4]), hour, _tags(tags), micros, created_ns, name, failure)


def _entry(*row: Any) -> EntryRow:  # noqa: ANN401 - columns
    number, *numbers = row[4:10]
    lines, allocations, *rest = row[10:]
    frozen = (*numbers, _lines(lines), _allocations(allocations))
    return EntryRow(str(number), _meter(*row[:4]), *frozen, *rest)


def _alarm(*row: Any) -> AlarmRow:  # noqa: ANN401 - columns
    kind, hour, micros, text, delivered_at_ms = row[4:]
    meter = None if row[0] is None else _meter(*row[:4])
    return AlarmRow(kind, meter, hour, micros, text, delivered_at_ms is not None)


def _meter(product: str, account: str, dimension: str, arn: str) -> MeterName:
    return MeterName(product, account, dimension, arn or None)
