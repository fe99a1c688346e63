"""The ledger: sealing, what is due, and the changes of entries, each one transaction."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Collection, Iterator, Sequence
from datetime import datetime, timedelta
from itertools import groupby
from sqlite3 import DataError, IntegrityError

from marketplace_metering.adapters.sqlite import row_codec
from marketplace_metering.adapters.sqlite.alarms import raise_alarm
from marketplace_metering.adapters.sqlite.connection import Changes, writing
from marketplace_metering.adapters.sqlite.ids import Identities
from marketplace_metering.adapters.sqlite.license_owners import claim, owners_of_books
from marketplace_metering.core.batch import lane_of
from marketplace_metering.core.hours import UsageHour, epoch_ms, epoch_s, from_ms
from marketplace_metering.core.identity import BookKey, Window
from marketplace_metering.core.ledger import AfterRelease, Change, Entry, EntryKey
from marketplace_metering.core.license_owners import NOBODY, Owners, to_be_claimed
from marketplace_metering.core.limits import BATCH_RECORDS_MAX
from marketplace_metering.core.plan import Appended, Book, Group, Plan, Sealing, Unstorable
from marketplace_metering.core.policy import Policy
from marketplace_metering.core.quantity import Quantity

BOOKS_PER_READ = 500
KNOWN_MAX = 1_000

PENDING_BOOKS = """
SELECT DISTINCT book_id, product, account, dimension FROM tally
JOIN usage_group ON usage_group.id = group_id
JOIN meter ON meter.id = meter_id
JOIN book ON book.id = book_id
WHERE entry_id IS NULL AND failure IS NULL
ORDER BY product, account, dimension
"""
PENDING_GROUPS = """
SELECT * FROM named_group JOIN tally USING (group_id)
WHERE book_id IN ({}) AND entry_id IS NULL AND failure IS NULL
ORDER BY product, account, dimension
"""
TAKE_TALLY = """
UPDATE tally SET entry_id = ?, is_closed = 1
WHERE id = ? AND entry_id IS NULL AND failure IS NULL AND record_count = ? AND micros = ?
"""
# Without the state, which is in two indexes.
KEEP_ENTRY = """
UPDATE entry SET retry_at_ms = ?, begun = ?, refused = ?, duplicates = ?, metering_record_id = ?,
  reason = ? WHERE id = ?
"""
MOVE_ENTRY = """
UPDATE entry SET retry_at_ms = ?, begun = ?, refused = ?, duplicates = ?, metering_record_id = ?,
  reason = ?, state = ? WHERE id = ?
"""
BEGIN_ATTEMPT = "INSERT INTO attempt (entry_id, number, begun_at_ms) VALUES (?, ?, ?)"
ANSWER_ATTEMPT = """
UPDATE attempt SET answered_at_ms = ?, answer = ?, words = ? WHERE entry_id = ? AND number = ?
"""
INSERT_ENTRY = """
INSERT INTO entry (id, meter_id, hour, serial, lane_id, quantity_micros, stamp_s, deadline_s, lines,
  allocations, record_count, sealed_at_ms, retry_at_ms, state, begun, reason)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
"""


class _Stale(Exception):  # noqa: N818 - no error: someone else was first, and it never leaves here
    """The book or a group changed since the plan was made."""


class SqliteLedger:
    """The ledger in one SQLite file; see `ports.Ledger`."""

    def __init__(self, connection: sqlite3.Connection, identities: Identities) -> None:
        self._connection = connection
        self._identities = identities
        self._known: dict[int, Entry] = {}  # by number, as they were when last seen
        self._changes = Changes(connection)

    def pending(self, now: datetime, policy: Policy) -> Iterator[tuple[Book, Sequence[Group]]]:
        """Every book with pending groups, read a few hundred at a time."""
        return self.pending_since(UsageHour.of(now - policy.window_length - timedelta(hours=1)))

    def pending_since(self, oldest: UsageHour) -> Iterator[tuple[Book, Sequence[Group]]]:
        """Every book with pending groups; it holds its windows from that hour on."""
        book_ids = [row[0] for row in self._connection.execute(PENDING_BOOKS)]
        for start in range(0, len(book_ids), BOOKS_PER_READ):
            part = book_ids[start : start + BOOKS_PER_READ]
            # Books first, groups second: what is recorded in between is only more usage.
            owners = owners_of_books(self._connection, part)
            books = {
                book_id: self._book(book_id, oldest, owners.get(book_id, NOBODY))
                for book_id in part
            }
            wanted = PENDING_GROUPS.format(", ".join("?" * len(part)))
            rows = self._connection.execute(wanted, part).fetchall()
            for book_id, group_rows in groupby(rows, key=lambda row: row["book_id"]):
                yield books[book_id], [_group(row) for row in group_rows]

    def _book(self, book_id: int, oldest: UsageHour, owners: Owners) -> Book:
        row = self._connection.execute("SELECT * FROM book WHERE id = ?", (book_id,)).fetchone()
        live: set[Window] = set()
        released: list[EntryKey] = []
        rows = self._connection.execute(
            f"{row_codec.ENTRY} WHERE book_id = ? AND hour >= ?",
            (book_id, oldest.number),
        )
        for entry_row in rows:
            window = Window(row_codec.meter_of(entry_row), UsageHour(entry_row["hour"]))
            if entry_row["state"] == "released":
                released.append(EntryKey(window, entry_row["serial"]))
            else:
                live.add(window)
        key = BookKey(row["product"], row["account"], row["dimension"])
        return Book(key, row["version"], frozenset(live), tuple(released), owners)

    def refuse_malformed(self, until: datetime | None) -> int:
        """Nothing: what is malformed was refused when it was recorded."""
        del until
        return 0

    def append(self, plans: Sequence[Plan], now: datetime) -> Sequence[Appended]:
        """Store each plan whole or not at all."""
        with self._identities.writing():
            return [self._append(plan, now) for plan in plans]

    def _append(self, plan: Plan, now: datetime) -> Appended:
        self._connection.execute("SAVEPOINT plan")
        try:
            self._store_plan(plan, now)
        except _Stale:
            self._connection.execute("ROLLBACK TO plan")
            self._identities.forget()
            return False
        except (IntegrityError, DataError, OverflowError) as error:
            # A book that breaks a rule of the schema costs only itself.
            self._connection.execute("ROLLBACK TO plan")
            self._identities.forget()
            return Unstorable(f"{type(error).__name__}: {error}")
        else:
            return True
        finally:
            if self._connection.in_transaction:  # a full disk ends the transaction by itself
                self._connection.execute("RELEASE plan")

    def _store_plan(self, plan: Plan, now: datetime) -> None:
        key = plan.book.key
        cursor = self._connection.execute(
            "UPDATE book SET version = version + 1 "
            "WHERE product = ? AND account = ? AND dimension = ? AND version = ?",
            (key.product, key.account, key.dimension, plan.book.version),
        )
        if cursor.rowcount != 1:
            raise _Stale
        entries = [sealing.entry for sealing in plan.sealings]
        for license_arn in to_be_claimed(key.product, entries, plan.book.owners):
            if not claim(self._connection, license_arn, key.product):
                raise _Stale
        self._seal(plan.sealings, now)
        for group, why in plan.rejected:
            self._fail(group, why)
        for alarm in plan.alarms:
            assert alarm.window is not None
            raise_alarm(self._connection, alarm, self._identities.meter(alarm.window.meter))

    def _seal(self, sealings: Sequence[Sealing], now: datetime) -> None:
        (last,) = self._connection.execute("SELECT max(id) FROM entry").fetchone()
        rows, taken = [], []
        for number, sealing in enumerate(sealings, start=(last or 0) + 1):
            entry = sealing.entry
            rows.append(
                (
                    number,
                    self._identities.meter(entry.window.meter),
                    entry.window.hour.number,
                    entry.serial,
                    self._identities.lane(lane_of(entry)),
                    entry.quantity.micros,
                    epoch_s(entry.stamp),
                    epoch_s(entry.deadline),
                    row_codec.lines_text(entry.lines),
                    row_codec.allocations_text(entry.allocations),
                    entry.record_count,
                    epoch_ms(now),
                    epoch_ms(entry.retry_at),
                    entry.state,
                    entry.begun,
                    entry.reason,
                )
            )
            taken += [
                (number, group.members, group.record_count, group.quantity.micros)
                for group in sealing.groups
            ]
        if rows:
            self._connection.executemany(INSERT_ENTRY, rows)
            if self._connection.executemany(TAKE_TALLY, taken).rowcount != len(taken):
                raise _Stale

    def _fail(self, group: Group, why: str) -> None:
        cursor = self._connection.execute(
            "UPDATE tally SET failure = ?, is_closed = 1 "
            "WHERE id = ? AND entry_id IS NULL AND failure IS NULL AND record_count = ?",
            (why, group.members, group.record_count),
        )
        if cursor.rowcount != 1:
            raise _Stale

    def due(
        self, now: datetime, policy: Policy, without_products: Collection[str]
    ) -> Sequence[Entry]:
        """The lane with the earliest deadline; parked entries only when nothing else is due."""
        self._forget_what_others_changed()
        times = (epoch_ms(now), epoch_s(now + policy.safety_margin))
        lanes = self._lanes(now, without_products)
        for state, limit in (("sealed", BATCH_RECORDS_MAX), ("parked", 1)):
            # SQLite uses a partial index only where the index's own condition stands in the query.
            is_due = f"state = '{state}' AND retry_at_ms <= ? AND deadline_s > ?"
            sendable = f"{row_codec.IS_UNSETTLED} AND {is_due}"
            earliest: tuple[int, int] | None = None
            for lane_id in lanes:
                row = self._connection.execute(
                    "SELECT deadline_s FROM entry INDEXED BY entry_unsettled "
                    f"WHERE lane_id = ? AND {sendable} ORDER BY deadline_s LIMIT 1",
                    (lane_id, *times),
                ).fetchone()
                if row is not None and (earliest is None or (row[0], lane_id) < earliest):
                    earliest = (row[0], lane_id)
            if earliest is not None:
                rows = self._connection.execute(
                    f"{row_codec.UNSETTLED_ENTRY} WHERE lane_id = ? AND {sendable} "
                    "ORDER BY deadline_s LIMIT ?",
                    (earliest[1], *times, limit),
                )
                return [self._entry_of(row) for row in rows]
        return []

    def _lanes(self, now: datetime, without_products: Collection[str]) -> list[int]:
        # Two days on, nothing of a month can be sent any more.
        oldest_month = f"{now - timedelta(days=2):%Y-%m}"
        rows = self._connection.execute(
            "SELECT id, product FROM lane WHERE month >= ?", (oldest_month,)
        )
        return [row["id"] for row in rows if row["product"] not in without_products]

    def next_due_at(self, now: datetime, without_products: Collection[str]) -> datetime | None:
        """The earliest `retry_at` that lies ahead."""
        earliest: list[int] = []
        for lane_id in self._lanes(now, without_products):
            row = self._connection.execute(
                "SELECT min(retry_at_ms) FROM entry INDEXED BY entry_unsettled WHERE lane_id = ? "
                f"AND {row_codec.IS_UNSETTLED} AND retry_at_ms > ?",
                (lane_id, epoch_ms(now)),
            ).fetchone()
            if row[0] is not None:
                earliest.append(row[0])
        return from_ms(min(earliest)) if earliest else None

    def expired(self, now: datetime) -> Iterator[EntryKey]:
        """Unsettled entries whose deadline has passed."""
        rows = self._connection.execute(
            f"{row_codec.UNSETTLED_ENTRY} WHERE {row_codec.IS_UNSETTLED} AND deadline_s <= ? "
            "ORDER BY deadline_s",
            (epoch_s(now),),
        )
        return (row_codec.entry_of(row).key for row in rows.fetchall())

    def change(
        self, keys: Sequence[EntryKey], decide: Callable[[Entry], Change | None], now: datetime
    ) -> Sequence[Entry]:
        """Read, decide and store inside one write transaction."""
        changes: dict[int, tuple[row_codec.Row, Change]] = {}
        with writing(self._connection):
            self._forget_what_others_changed()
            for key in keys:
                row = self._row(key)
                assert row["id"] not in changes, f"{key} twice in one step"
                change = decide(self._entry_of(row))
                if change is not None:
                    changes[row["id"]] = (row, change)
            self._store(list(changes.values()))
        self._known |= {number: change.entry for number, (_row, change) in changes.items()}
        return [change.entry for _row, change in changes.values()]

    def _row(self, key: EntryKey) -> row_codec.Row:
        meter = key.window.meter
        row: row_codec.Row | None = self._connection.execute(
            f"{row_codec.ENTRY} WHERE {row_codec.IS_METER} AND hour = ? AND serial = ?",
            (*row_codec.meter_values(meter), key.window.hour.number, key.serial),
        ).fetchone()
        assert row is not None, f"no entry {key}"
        return row

    def _forget_what_others_changed(self) -> None:
        """A copy that was restored may have given a number to another entry."""
        if self._changes.by_others():
            self._known.clear()

    def _entry_of(self, row: row_codec.Row) -> Entry:
        """The entry of a row; one that was read a moment ago is not taken apart again."""
        number = row["id"]
        known = self._known.get(number)
        if known is not None:
            return row_codec.renewed(known, row)
        if len(self._known) >= KNOWN_MAX:
            self._known.clear()
        entry = self._known[number] = row_codec.entry_of(row)
        return entry

    def write_back(self, until: datetime | None) -> int:
        """Nothing to do: here the marks are a view of the ledger (see `schema`)."""
        return 0

    def _store(self, changes: Sequence[tuple[row_codec.Row, Change]]) -> None:
        moved, kept, begun, answered = [], [], [], []
        for row, change in changes:
            entry, attempt = change.entry, change.attempt
            values = (
                epoch_ms(entry.retry_at),
                entry.begun,
                entry.refused,
                entry.duplicates,
                entry.metering_record_id,
                entry.reason,
            )
            if entry.state == row["state"]:
                kept.append((*values, row["id"]))
            else:
                moved.append((*values, entry.state, row["id"]))
            if attempt is None:
                continue
            at_ms = epoch_ms(attempt.at)
            if attempt.answer is None:
                begun.append((row["id"], attempt.number, at_ms))
            else:
                words = (attempt.answer, attempt.words)
                answered.append((at_ms, *words, row["id"], attempt.number))
        for statement, rows in (
            (KEEP_ENTRY, kept),
            (MOVE_ENTRY, moved),
            (BEGIN_ATTEMPT, begun),
            (ANSWER_ATTEMPT, answered),
        ):
            if rows:
                self._connection.executemany(statement, rows)
        for row, change in changes:
            if change.alarm is not None:
                raise_alarm(self._connection, change.alarm, row["meter_id"])
            if change.frees is not None:
                self._free(row, change.frees, change.entry.reason)

    def _free(self, row: row_codec.Row, members: AfterRelease, why: str | None) -> None:
        failure = why if members is AfterRelease.FAILED else None
        self._connection.execute(
            "UPDATE tally SET entry_id = NULL, released_from = ?, failure = ? WHERE entry_id = ?",
            (row["id"], failure, row["id"]),
        )
        self._connection.execute(
            "UPDATE book SET version = version + 1 WHERE id = ?", (row["book_id"],)
        )


def _group(row: row_codec.Row) -> Group:
    return Group(
        meter=row_codec.meter_of(row),
        hour=UsageHour(row["hour"]),
        tags=row_codec.tags_of(row["tags"]),
        quantity=Quantity(row["micros"]),
        record_count=row["record_count"],
        earliest_ns=row["earliest_ns"],
        members=row["id"],
        was_given_back=row["released_from"] is not None,
    )
