"""The embedded store as a destination: its intake counts each event id once."""

from __future__ import annotations

import os
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from marketplace_metering.core.record import Problem, RefusedInput, UsageRecord
from marketplace_metering.recorder.place import Place
from marketplace_metering.recorder.sinks.port import Delivered

if TYPE_CHECKING:
    from marketplace_metering.adapters.sqlite import SqliteStore
    from marketplace_metering.ports import Intake

SQLITE = "sqlite:///"
SOURCE = "recorder"
RECORDS_PER_STEP = 2_000


class SqliteSink:
    """A store in a file of this machine; see `Sink`."""

    def __init__(self, url: str) -> None:
        # Absolute: the spool remembers it, and the next process may start elsewhere.
        self._path = os.path.abspath(url.removeprefix(SQLITE))
        self._store: SqliteStore | None = None
        self._intake: Intake | None = None
        self._abandoned: list[SqliteStore] = []

    @property
    def name(self) -> str:
        """The file."""
        return SQLITE + self._path

    def place(self) -> Place:
        """The name says it all."""
        return Place()

    def put(self, records: Sequence[UsageRecord]) -> Delivered:
        """Put each of them that is not there."""
        import sqlite3

        from marketplace_metering.adapters.sqlite import StoreUnusableError

        delivered = Delivered()
        for start in range(0, len(records), RECORDS_PER_STEP):
            step = records[start : start + RECORDS_PER_STEP]
            try:
                self._put(step, delivered)
            except (sqlite3.Error, StoreUnusableError) as error:
                self.close()
                delivered.left = records[start:]
                delivered.reason = f"the store cannot be written: {error}"
                break
        return delivered

    def _put(self, step: Sequence[UsageRecord], delivered: Delivered) -> None:
        intake = self._open()
        taken = intake.add(step)
        if taken.clashes:
            refused = [_refused(record, problem) for record, problem in taken.clashes]
            intake.refuse(refused, datetime.now(UTC))
        delivered.added += taken.added
        delivered.already_there += taken.already_there
        delivered.clashes.extend(taken.clashes)

    def _open(self) -> Intake:
        from marketplace_metering.adapters.sqlite import SqliteStore

        if self._intake is None:
            # The background thread flushes, the application's flushes and closes.
            self._store = SqliteStore(self._path, any_thread=True)
            self._intake = self._store.intake(SOURCE, datetime.now(UTC))
        return self._intake

    def close(self) -> None:
        """Give the file back."""
        store, self._store, self._intake = self._store, None, None
        if store is not None:
            store.close()

    def abandon(self) -> None:
        """In a fork: SQLite forbids to touch a connection of the parent, even to close it."""
        if self._store is not None:
            self._abandoned.append(self._store)
        self._store = self._intake = None


def _refused(record: UsageRecord, problem: Problem) -> RefusedInput:
    from marketplace_metering.recorder.spool.batch_file import text_of

    text = text_of([record]).decode().strip()
    return RefusedInput(SOURCE, text, (problem,), record.product, record.quantity)
