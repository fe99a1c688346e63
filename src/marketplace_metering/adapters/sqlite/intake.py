"""Recording usage: many usage records in one transaction, each counted once."""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from decimal import Decimal

from marketplace_metering.adapters.sqlite.alarms import raise_alarm
from marketplace_metering.adapters.sqlite.connection import writing
from marketplace_metering.adapters.sqlite.fast_intake import Bulk, extras_text
from marketplace_metering.adapters.sqlite.ids import Identities
from marketplace_metering.core.event import event_clash
from marketplace_metering.core.exact_json import says_the_same
from marketplace_metering.core.hours import NS_PER_HOUR, epoch_ms
from marketplace_metering.core.ledger import Alarm, AlarmKind
from marketplace_metering.core.limits import QUANTITY_MICROS_MAX
from marketplace_metering.core.quantity import Quantity
from marketplace_metering.core.record import Problem, RefusedInput, UsageRecord
from marketplace_metering.core.record_columns import RecordColumns, group_name
from marketplace_metering.ports import Taken

INSERT = """
INSERT OR IGNORE INTO usage_record
  (group_id, created_ns, micros, tally_id, input_id, event_id, extras)
VALUES (?, ?, ?, ?, ?, ?, ?)
"""
AT_PLACE = """
SELECT micros, extras, event_id, input_id, 0 AS number FROM usage_record
WHERE group_id = :group_id AND created_ns = :created_ns
"""
IS_TAKEN = "SELECT 1 FROM usage_record WHERE group_id = ? AND created_ns = ?"
CORRECTION_OF = "a correction of "
# Readings of the same input, and what persons made of its usage records, again and again perhaps.
EARLIER = f"""
SELECT id FROM input WHERE source = :source
UNION ALL SELECT id FROM input
WHERE source BETWEEN '{CORRECTION_OF}' AND '{CORRECTION_OF}􏿿'
  AND replace(source, '{CORRECTION_OF}', '') = :source
"""
CORRECTED_AT_PLACE = """
UNION ALL SELECT micros, extras, event_id, input_id, rowid FROM corrected
WHERE group_id = :group_id AND created_ns = :created_ns
"""

Met = tuple[int, int, int]  # group, place, and which one of those that a correction took from there


@dataclass(slots=True)
class _OpenTally:
    """The tally that takes a group's usage records now, and what this transaction adds to it."""

    id: int
    micros: int
    added_micros: int = 0
    added_count: int = 0
    earliest_ns: int | None = None


class SqliteIntake:
    """One input being recorded; see `ports.Intake`."""

    def __init__(
        self, connection: sqlite3.Connection, identities: Identities, source: str, now: datetime
    ) -> None:
        self._connection = connection
        self._identities = identities
        self._source = source
        self._now = now
        self._input_id: int | None = None
        self._matched: set[Met] = set()  # what earlier readings brought, met in this one
        self._matched_now: list[Met] = []  # what the call that is under way met
        self._earlier: set[int] | None = None  # readings of this very input, once they are asked
        self._searched_to: dict[tuple[int, int, int, str | None, bool], int] = {}
        self._corrected_groups: set[int] = set()
        self._open: dict[int, _OpenTally] = {}
        self._bulk = Bulk(connection, identities)

    def add(self, records: Sequence[UsageRecord]) -> Taken:
        """Record all of them durably, or none."""
        input_id = self._input_id
        self._matched_now.clear()
        try:
            with self._identities.writing():
                return self.take(records)
        except BaseException:
            self._matched.difference_update(self._matched_now)
            self._searched_to.clear()
            self._bulk.forget()
            self._input_id = input_id
            raise

    def take(self, records: Sequence[UsageRecord]) -> Taken:
        """Record all of them inside the write transaction of the caller."""
        try:
            self._begin_input()
            self._earlier = None  # another process may have begun to read it since
            corrected = self._connection.execute("SELECT DISTINCT group_id FROM corrected")
            self._corrected_groups = {row[0] for row in corrected}
            taken = self._take_columns(RecordColumns.of(records))
            self._store_tallies()
        finally:
            self._open.clear()
        return taken

    def put_in_place(self, corrected: UsageRecord, released_from: int | None) -> None:
        """Record a corrected usage record, inside the write transaction of the caller.

        It is one more use in any case: an equal one of another input is not taken for it. What an
        entry gave back stays apart from usage that was recorded since.
        """
        try:
            self._begin_input()
            group_id = self._group(corrected)
            created_ns = self._free_place(corrected, group_id, may_be_there=False)
            assert created_ns is not None
            if released_from is not None:
                self._open[group_id] = self._new_tally(group_id, released_from)
            self._insert(corrected, group_id, created_ns)
            self._store_tallies()
        finally:
            self._open.clear()
        # Corrected back to what it was: it is no longer gone.
        self._connection.execute(
            "DELETE FROM corrected WHERE rowid = (SELECT rowid FROM corrected WHERE group_id = ? "
            "AND created_ns = ? AND micros = ? AND event_id IS ? AND extras IS ? LIMIT 1)",
            (
                group_id,
                corrected.created_ns,
                corrected.micros,
                corrected.event_id,
                extras_text(corrected.extras),
            ),
        )

    def _begin_input(self) -> None:
        if self._input_id is None:
            self._input_id = self._connection.execute(
                "INSERT INTO input (source, started_at_ms) VALUES (?, ?)",
                (self._source, epoch_ms(self._now)),
            ).lastrowid

    def _take_columns(self, columns: RecordColumns) -> Taken:
        assert self._input_id is not None, "an input that has not begun"
        group_ids = [self._identities.group(name) for name in columns.groups]
        if self._corrected_groups.isdisjoint(group_ids):
            if self._bulk.add(columns, group_ids, self._input_id):
                return Taken(len(columns), Quantity(sum(columns.micros)))
            free = self._surely_new(columns, group_ids)
            if free and self._bulk.add(columns.only(free), group_ids, self._input_id):
                left = set(range(len(columns))).difference(free)
                taken = self._add_each(columns[number] for number in sorted(left))
                micros = sum(columns.micros[number] for number in free)
                return taken._replace(
                    added=taken.added + len(free),
                    added_quantity=taken.added_quantity + Quantity(micros),
                )
        return self._add_each(columns)

    def _surely_new(self, columns: RecordColumns, group_ids: Sequence[int]) -> list[int]:
        """Those whose place nobody else has: no equal one can lie anywhere.

        Equal usage is only ever moved from a place that was taken, and no place becomes free again
        but by a correction.
        """
        seen: set[tuple[int, int]] = set()
        free = []
        for number, (group, ns) in enumerate(
            zip(columns.group_of, columns.created_ns, strict=True)
        ):
            place = (group_ids[group], ns)
            if place not in seen and not (columns.event_ids and columns.event_ids[number]):
                seen.add(place)
                if self._connection.execute(IS_TAKEN, place).fetchone() is None:
                    free.append(number)
        return free

    def _add_each(self, records: Iterable[UsageRecord]) -> Taken:
        added = added_micros = already_there = 0
        clashes: list[tuple[UsageRecord, Problem]] = []
        for record in records:
            group_id = self._group(record)
            if record.event_id is not None:
                known = self._event(record)
                if self._is_corrected_event(record, group_id):
                    already_there += 1
                    continue
                if known is not None:
                    problem = self._clash(record, group_id, known)
                    if problem is None:
                        already_there += 1
                    else:
                        clashes.append((record, problem))
                    continue
            created_ns = self._free_place(record, group_id)
            if created_ns is None:
                already_there += 1
                continue
            self._insert(record, group_id, created_ns)
            added += 1
            added_micros += record.micros
        return Taken(added, Quantity(added_micros), already_there, tuple(clashes))

    def _insert(self, record: UsageRecord, group_id: int, created_ns: int) -> None:
        self._connection.execute(INSERT, self._row(record, group_id, created_ns))
        if record.event_id is not None:
            self._connection.execute(
                "INSERT OR REPLACE INTO event (account, event_id, group_id, created_ns) "
                "VALUES (?, ?, ?, ?)",
                (record.account, record.event_id, group_id, created_ns),
            )

    def _event(self, record: UsageRecord) -> tuple[int, int] | None:
        row = self._connection.execute(
            "SELECT group_id, created_ns FROM event WHERE account = ? AND event_id = ?",
            (record.account, record.event_id),
        ).fetchone()
        return None if row is None else (row[0], row[1])

    def _is_corrected_event(self, record: UsageRecord, group_id: int) -> bool:
        """Whether a correction took this very event away: it has something in its place."""
        if group_id not in self._corrected_groups:
            return False
        row = self._connection.execute(
            "SELECT 1 FROM corrected WHERE group_id = ? AND event_id = ? AND micros = ?",
            (group_id, record.event_id, record.micros),
        ).fetchone()
        return row is not None

    def _clash(self, record: UsageRecord, group_id: int, known: tuple[int, int]) -> Problem | None:
        group_known, created_ns = known
        of_event = "WHERE group_id = :group AND created_ns = :created_ns AND event_id = :event_id"
        (micros,) = self._connection.execute(
            f"SELECT micros FROM usage_record {of_event} "
            f"UNION ALL SELECT micros FROM corrected {of_event}",  # it is another buyer's now
            {"group": group_known, "created_ns": created_ns, "event_id": record.event_id},
        ).fetchone()
        if group_id != group_known:
            return event_clash(record, [None])
        # Nearly always it is the very same, and a million of them may be repeated.
        is_same = micros == record.micros
        return None if is_same else event_clash(record, [replace(record, micros=micros)])

    def _free_place(
        self, record: UsageRecord, group_id: int, may_be_there: bool = True
    ) -> int | None:
        """Where the usage record goes, or None if the same input recorded this very one before.

        Several uses of one group in the same instant lie a nanosecond apart, towards the middle
        of the hour so that they stay in it.
        """
        extras, is_event = extras_text(record.extras), record.event_id is not None
        content = (group_id, record.created_ns, record.micros, extras, is_event)
        # The places before are taken, and none of them is an equal one to match.
        created_ns = self._searched_to.get(content, record.created_ns)
        step = 1 if record.created_ns % NS_PER_HOUR < NS_PER_HOUR // 2 else -1
        query = AT_PLACE + (CORRECTED_AT_PLACE if group_id in self._corrected_groups else "")
        while True:
            place = {"group_id": group_id, "created_ns": created_ns}
            there = self._connection.execute(query, place).fetchall()
            if not there:
                if created_ns != record.created_ns:
                    self._searched_to[content] = created_ns
                return created_ns
            for micros, own, event_id, input_id, number in there:
                met = (group_id, created_ns, number)
                if (
                    may_be_there
                    and event_id is None
                    and not is_event
                    and met not in self._matched
                    and micros == record.micros
                    and _is_same_json(own, extras)
                    and self._is_earlier(input_id)
                ):
                    self._matched.add(met)
                    self._matched_now.append(met)
                    if created_ns != record.created_ns:
                        self._searched_to[content] = created_ns
                    return None
            created_ns += step

    def _is_earlier(self, input_id: int) -> bool:
        """Whether that was another reading of the input that this one reads."""
        if self._earlier is None:
            rows = self._connection.execute(EARLIER, {"source": self._source})
            self._earlier = {row[0] for row in rows} - {self._input_id}
        return input_id in self._earlier

    def _group(self, record: UsageRecord) -> int:
        return self._identities.group(group_name(record))

    def _row(self, record: UsageRecord, group_id: int, created_ns: int) -> tuple[object, ...]:
        tally = self._tally(group_id, record.micros)
        tally.added_micros += record.micros
        tally.added_count += 1
        if tally.earliest_ns is None or record.created_ns < tally.earliest_ns:
            tally.earliest_ns = record.created_ns
        return (
            group_id,
            created_ns,
            record.micros,
            tally.id,
            self._input_id,
            record.event_id,
            extras_text(record.extras),
        )

    def _tally(self, group_id: int, micros: int) -> _OpenTally:
        """The group's open tally with room for so much more; a full one is closed first."""
        tally = self._open.get(group_id)
        if tally is None:
            row = self._connection.execute(
                "SELECT id, micros FROM tally WHERE group_id = ? AND is_closed = 0", (group_id,)
            ).fetchone()
            tally = _OpenTally(*row) if row is not None else self._new_tally(group_id)
            self._open[group_id] = tally
        if tally.micros + tally.added_micros + micros > QUANTITY_MICROS_MAX:
            self._store_tally(tally)
            self._connection.execute("UPDATE tally SET is_closed = 1 WHERE id = ?", (tally.id,))
            tally = self._new_tally(group_id)
            self._open[group_id] = tally
        return tally

    def _new_tally(self, group_id: int, released_from: int | None = None) -> _OpenTally:
        number = self._connection.execute(
            "INSERT INTO tally (group_id, micros, record_count, earliest_ns, released_from, "
            "is_closed) VALUES (?, 0, 0, 9223372036854775807, ?, ?)",
            (group_id, released_from, released_from is not None),
        ).lastrowid
        assert number is not None
        return _OpenTally(number, 0)

    def _store_tallies(self) -> None:
        for tally in self._open.values():
            self._store_tally(tally)

    def _store_tally(self, tally: _OpenTally) -> None:
        if tally.added_count == 0:
            # Looked at, but nothing came: a new one would be an empty group.
            self._connection.execute(
                "DELETE FROM tally WHERE id = ? AND record_count = 0", (tally.id,)
            )
            return
        self._connection.execute(
            "UPDATE tally SET micros = micros + ?, record_count = record_count + ?, "
            "earliest_ns = min(earliest_ns, ?) WHERE id = ?",
            (tally.added_micros, tally.added_count, tally.earliest_ns, tally.id),
        )

    def refuse(self, inputs: Sequence[RefusedInput], now: datetime) -> int:
        """Keep what cannot be metered and raise its alarms; answers how many were new."""
        new = 0
        with writing(self._connection):
            for refused in inputs:
                text = f"{refused.source}: " + " ".join(f"{p}." for p in refused.problems)
                cursor = self._connection.execute(
                    "INSERT OR IGNORE INTO refused_input "
                    "(digest, source, text, problems, product, micros, received_at_ms) "
                    "VALUES (?, ?, ?, ?, ?, ?, ?)",
                    (
                        hashlib.sha256(f"{refused.source}\n{refused.text}".encode()).digest(),
                        refused.source,
                        refused.text,
                        json.dumps([asdict(problem) for problem in refused.problems]),
                        refused.product,
                        None if refused.quantity is None else refused.quantity.micros,
                        epoch_ms(now),
                    ),
                )
                if cursor.rowcount == 1:
                    new += 1
                    alarm = Alarm(AlarmKind.REFUSED_INPUT, None, refused.quantity, text, now)
                    raise_alarm(self._connection, alarm, None)
        return new


def _is_same_json(one: str | None, other: str | None) -> bool:
    """Whether two texts of own attributes say the same; nearly always they are the same text."""
    if one == other or one is None or other is None:
        return one == other
    return says_the_same(*(json.loads(text, parse_float=Decimal) for text in (one, other)))
