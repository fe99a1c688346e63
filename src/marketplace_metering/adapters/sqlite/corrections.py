"""Retrying and repairing listed usage records; see `corrections.Corrections`."""

from __future__ import annotations

import sqlite3
from datetime import datetime

from marketplace_metering.adapters.sqlite import license_owners
from marketplace_metering.adapters.sqlite.connection import writing
from marketplace_metering.adapters.sqlite.ids import Identities
from marketplace_metering.adapters.sqlite.intake import CORRECTION_OF, SqliteIntake
from marketplace_metering.adapters.sqlite.reports import conditions
from marketplace_metering.adapters.sqlite.row_codec import Row
from marketplace_metering.core.license_owners import Owner
from marketplace_metering.core.record import UsageRecord
from marketplace_metering.core.record_columns import group_name
from marketplace_metering.core.views import EntryFilter, RecordView


class SqliteCorrections:
    """Changes to usage records that no live entry covers."""

    def __init__(self, connection: sqlite3.Connection, identities: Identities) -> None:
        self._connection = connection
        self._identities = identities

    def retry_refused(self, which: EntryFilter) -> int:
        """Make listed usage records pending again; answers how many."""
        where, values = conditions(which)
        with writing(self._connection):
            rows = self._connection.execute(
                "SELECT id, record_count FROM tally JOIN named_group USING (group_id) "
                f"WHERE failure IS NOT NULL AND {where}",
                values,
            ).fetchall()
            self._connection.executemany(
                "UPDATE tally SET failure = NULL WHERE id = ?", [(row["id"],) for row in rows]
            )
        return sum(row["record_count"] for row in rows)

    def replace(self, view: RecordView, corrected: UsageRecord, now: datetime) -> bool:
        """Take the usage record out of its tally and record the corrected one in its place."""
        with self._identities.writing():
            row = self._uncovered(view.record)
            if row is None or self._is_known_event(view.record, corrected):
                return False
            (released_from,) = self._connection.execute(
                "SELECT released_from FROM tally WHERE id = ?", (row["tally_id"],)
            ).fetchone()
            self._take_out(row, view.record)
            if corrected != view.record:
                # Or an application that repeats its input would record the old one once more.
                self._connection.execute(
                    "INSERT INTO corrected (group_id, created_ns, micros, input_id, event_id, "
                    "extras) VALUES (:group_id, :created_ns, :micros, :input_id, :event_id, "
                    ":extras)",
                    dict(row),
                )
            source = CORRECTION_OF + view.source
            intake = SqliteIntake(self._connection, self._identities, source, now)
            intake.put_in_place(corrected, released_from)
        return True

    def license_owner(self, license_arn: str) -> Owner | None:
        """Which product code a licence is metered under."""
        return license_owners.owner_of(self._connection, license_arn)

    def set_license_owner(self, license_arn: str, owner: Owner, instead_of: Owner | None) -> bool:
        """Put an owner in the place of the one that was read."""
        return license_owners.replace(self._connection, license_arn, owner, instead_of)

    def _is_known_event(self, old: UsageRecord, corrected: UsageRecord) -> bool:
        """Whether the event that usage would become is recorded beside it already."""
        name = corrected.account, corrected.event_id
        if corrected.event_id is None or name == (old.account, old.event_id):
            return False
        known = (  # one that was moved away has a row, and no usage record
            "SELECT 1 FROM event JOIN usage_record USING (group_id, created_ns, event_id) "
            "WHERE event.account = ? AND event.event_id = ?"
        )
        return self._connection.execute(known, name).fetchone() is not None

    def _uncovered(self, record: UsageRecord) -> Row | None:
        """The row of a usage record as it was shown, if no live entry covers it by now."""
        found: Row | None = self._connection.execute(
            "SELECT usage_record.* FROM usage_record JOIN tally ON tally.id = tally_id "
            "WHERE usage_record.group_id = ? AND created_ns = ? AND usage_record.micros = ? "
            "AND event_id IS ? AND entry_id IS NULL",
            (
                self._identities.group(group_name(record)),
                record.created_ns,
                record.micros,
                record.event_id,
            ),
        ).fetchone()
        return found

    def _take_out(self, row: Row, record: UsageRecord) -> None:
        """Delete a usage record, and take it out of its tally's sums."""
        self._connection.execute(
            "DELETE FROM usage_record WHERE group_id = ? AND created_ns = ?",
            (row["group_id"], record.created_ns),
        )
        self._connection.execute(
            "UPDATE tally SET micros = micros - ?, record_count = record_count - 1, "
            "is_closed = 1, earliest_ns = (SELECT coalesce(min(created_ns), 0) "
            "FROM usage_record WHERE usage_record.created_ns BETWEEN ? AND ? "
            "AND usage_record.group_id = tally.group_id "
            "AND usage_record.tally_id = tally.id) WHERE id = ?",
            (record.micros, *record.hour.bounds_ns, row["tally_id"]),
        )
        self._connection.execute(
            "DELETE FROM tally WHERE id = ? AND record_count = 0", (row["tally_id"],)
        )
