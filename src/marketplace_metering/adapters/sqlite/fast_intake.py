"""Adding usage records all at once: a handful of statements for any number of them.

It is a bet: that no place is taken, no event is known and no tally is full. Where that is wrong,
nothing has been done, and `intake` looks at the usage records one by one.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from itertools import repeat

from marketplace_metering.adapters.sqlite.ids import Identities
from marketplace_metering.core.exact_json import exact_json
from marketplace_metering.core.limits import QUANTITY_MICROS_MAX
from marketplace_metering.core.record_columns import RecordColumns

LATEST_NS = 9_223_372_036_854_775_807

INSERT_PLAIN = """
INSERT INTO usage_record (created_ns, group_id, micros, tally_id, input_id) VALUES (?, ?, ?, ?, ?)
"""
INSERT = """
INSERT INTO usage_record (created_ns, group_id, micros, tally_id, input_id, event_id, extras)
VALUES (?, ?, ?, ?, ?, ?, ?)
"""
INSERT_EVENT = "INSERT INTO event (account, event_id, group_id, created_ns) VALUES (?, ?, ?, ?)"
# Another process may have sealed the tally, or filled it, since its number was looked up; and
# after a transaction that was rolled back the number may be another group's.
ADD_TO_TALLY = """
UPDATE tally SET micros = micros + ?, record_count = record_count + ?,
  earliest_ns = min(earliest_ns, ?)
WHERE id = ? AND group_id = ? AND is_closed = 0 AND micros <= ?
"""
NEW_TALLY = """
INSERT INTO tally (micros, record_count, earliest_ns, id, group_id) VALUES (?, ?, ?, ?, ?)
"""


class Bulk:
    """Takes columns of usage records, inside the write transaction of the caller."""

    def __init__(self, connection: sqlite3.Connection, identities: Identities) -> None:
        self._connection = connection
        self._identities = identities
        self._tallies: dict[int, int] = {}  # by group, the one that was open when last looked at

    def forget(self) -> None:
        """Drop what was looked up: a rolled-back transaction may have taken it along."""
        self._tallies.clear()

    def add(self, columns: RecordColumns, group_ids: Sequence[int], input_id: int) -> bool:
        """Add all of them, or do nothing and answer False if one needs to be looked at."""
        self._connection.execute("SAVEPOINT bulk")
        try:
            is_added = self._add(columns, group_ids, input_id)
        except sqlite3.IntegrityError:  # a place that is taken, an event that is known
            is_added = False
        if not is_added:
            self._connection.execute("ROLLBACK TO bulk")
            self.forget()
        self._connection.execute("RELEASE bulk")
        return is_added

    def _add(self, columns: RecordColumns, group_ids: Sequence[int], input_id: int) -> bool:
        tally_ids = self._add_to_tallies(columns, group_ids)
        if tally_ids is None:
            return False
        group_of = columns.group_of
        plain = (
            columns.created_ns,
            map(group_ids.__getitem__, group_of),
            columns.micros,
            map(tally_ids.__getitem__, group_of),
            repeat(input_id),
        )
        if not columns.event_ids and not columns.extras:
            self._connection.executemany(INSERT_PLAIN, zip(*plain))  # noqa: B905 - one is endless
            return True
        event_ids = columns.event_ids or repeat(None)
        extras = map(extras_text, columns.extras) if columns.extras else repeat(None)
        self._connection.executemany(INSERT, zip(*plain, event_ids, extras))  # noqa: B905
        if columns.event_ids:
            accounts = [name.account for name in columns.groups]
            events = (
                (accounts[number], event_id, group_ids[number], ns)
                for number, event_id, ns in zip(
                    group_of, columns.event_ids, columns.created_ns, strict=True
                )
                if event_id is not None
            )
            self._connection.executemany(INSERT_EVENT, events)
        return True

    def _add_to_tallies(self, columns: RecordColumns, group_ids: Sequence[int]) -> list[int] | None:
        """The number of each group's tally, with the sums added; None if one would be too full."""
        sums = _sums(columns)
        added = self._add_sums(sums, group_ids)
        if added is None and self._tallies:
            self.forget()  # others sealed some of them: look again
            self._connection.execute("ROLLBACK TO bulk")
            added = self._add_sums(sums, group_ids)
        return added

    def _add_sums(self, sums: Sequence[_Sum], group_ids: Sequence[int]) -> list[int] | None:
        (last,) = self._connection.execute("SELECT max(id) FROM tally").fetchone()
        next_id = (last or 0) + 1
        tally_ids, old, new = [], [], []
        for (micros, count, earliest_ns), group_id in zip(sums, group_ids, strict=True):
            tally_id = self._tallies.get(group_id) or self._open_tally(group_id)
            if not count:
                tally_id = 0
            elif micros > QUANTITY_MICROS_MAX:
                return None
            elif tally_id is None:
                tally_id = self._tallies[group_id] = next_id
                next_id += 1
                new.append((micros, count, earliest_ns, tally_id, group_id))
            else:
                room = QUANTITY_MICROS_MAX - micros
                old.append((micros, count, earliest_ns, tally_id, group_id, room))
            tally_ids.append(tally_id)
        if old and self._connection.executemany(ADD_TO_TALLY, old).rowcount != len(old):
            return None
        self._connection.executemany(NEW_TALLY, new)
        return tally_ids

    def _open_tally(self, group_id: int) -> int | None:
        row = self._connection.execute(
            "SELECT id FROM tally WHERE group_id = ? AND is_closed = 0", (group_id,)
        ).fetchone()
        if row is None:
            return None
        self._tallies[group_id] = row[0]
        return int(row[0])


_Sum = tuple[int, int, int]  # millionths, usage records, the earliest of them


def _sums(columns: RecordColumns) -> list[_Sum]:
    """The sum, number and earliest time of the usage records of each group."""
    size = len(columns.groups)
    micros, counts, earliest_ns = [0] * size, [0] * size, [LATEST_NS] * size
    rows = zip(columns.group_of, columns.micros, columns.created_ns, strict=True)
    for group, amount, ns in rows:
        micros[group] += amount
        counts[group] += 1
        if ns < earliest_ns[group]:
            earliest_ns[group] = ns
    return list(zip(micros, counts, earliest_ns, strict=True))


def extras_text(extras: object) -> str | None:
    """A seller's own attributes as they are stored."""
    return exact_json(extras) if extras else None
