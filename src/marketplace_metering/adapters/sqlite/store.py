"""The embedded store: one file, several processes."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from datetime import datetime

from marketplace_metering.adapters.sqlite import alarms, facts, known_inputs
from marketplace_metering.adapters.sqlite.connection import StoreUnusableError, connect
from marketplace_metering.adapters.sqlite.ids import Identities
from marketplace_metering.adapters.sqlite.intake import SqliteIntake
from marketplace_metering.adapters.sqlite.ledger import SqliteLedger
from marketplace_metering.core.inputs import KnownInput
from marketplace_metering.core.ledger import Alarm

__all__ = ["SqliteStore", "StoreUnusableError"]


class SqliteStore(SqliteLedger):
    """Usage records and ledger in one SQLite file; see `ports.Store`.

    `path` may be `:memory:`. Only the thread that opens it uses it; with `any_thread`, one thread
    at a time. Raises StoreUnusableError if it cannot be opened.
    """

    def __init__(self, path: str, *, any_thread: bool = False) -> None:
        connection = connect(path, any_thread=any_thread)
        connection.row_factory = sqlite3.Row
        super().__init__(connection, Identities(connection))

    @property
    def connection(self) -> sqlite3.Connection:
        """The connection, for reports that only read."""
        return self._connection

    @property
    def identities(self) -> Identities:
        """The numbers of meters and groups, for corrections."""
        return self._identities

    def close(self) -> None:
        """Close the file; the store is not used again."""
        self._connection.close()

    def intake(self, source: str, now: datetime) -> SqliteIntake:
        """Begin to record from a source."""
        return SqliteIntake(self._connection, self._identities, source, now)

    def known_inputs(self, name: str | None, head: str) -> Sequence[KnownInput]:
        """What is noted of inputs of this name, and of inputs of this head."""
        return known_inputs.known_inputs(self._connection, name, head)

    def note_input(self, noted: KnownInput, instead_of: KnownInput | None) -> bool:
        """Note what an input holds, if nobody else has meanwhile."""
        return known_inputs.note_input(self._connection, noted, instead_of)

    def undelivered_alarms(self, limit: int | None = None) -> Sequence[tuple[int, Alarm]]:
        """Alarms whose delivery nobody has confirmed, the oldest first."""
        return alarms.undelivered(self._connection, limit)

    def alarms_delivered(self, numbers: Sequence[int], now: datetime) -> None:
        """Note that the alarms of these numbers were delivered."""
        alarms.delivered(self._connection, numbers, now)

    def facts(self) -> Mapping[str, str]:
        """What is known of the ledger itself, by name."""
        return facts.facts(self._connection)

    def set_fact(self, name: str, value: str, instead_of: str | None) -> bool:
        """Store a fact, if it still is what the caller read."""
        return facts.set_fact(self._connection, name, value, instead_of)
