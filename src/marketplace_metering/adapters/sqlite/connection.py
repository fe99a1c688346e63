"""One connection to the file: durable, shared with other processes, explicit transactions."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager

from marketplace_metering.adapters.sqlite import schema

BUSY_TIMEOUT_S = 60.0
OLDEST_SQLITE = (3, 37, 0)  # STRICT tables


class StoreUnusableError(Exception):
    """The store cannot be opened or written; the message says why and what to do."""


def connect(path: str, *, any_thread: bool = False) -> sqlite3.Connection:
    """Open the file, making it if it is not there; raises StoreUnusableError.

    With `any_thread` the threads of a process may hand the connection on, one at a time.
    """
    if sqlite3.sqlite_version_info < OLDEST_SQLITE:
        oldest = ".".join(map(str, OLDEST_SQLITE))
        raise StoreUnusableError(
            f"SQLite {sqlite3.sqlite_version} is too old, {oldest} is needed: use a newer Python"
        )
    try:
        connection = sqlite3.connect(
            path,
            timeout=BUSY_TIMEOUT_S,
            isolation_level=None,
            check_same_thread=not any_thread,
            cached_statements=512,
        )
        try:
            _prepare(connection)
        except BaseException:
            connection.close()
            raise
    except sqlite3.Error as error:
        raise StoreUnusableError(
            f"the store {path} cannot be opened: {error}; choose a writable file with "
            "--store sqlite:///path or METERING_STORE"
        ) from error
    return connection


def _prepare(connection: sqlite3.Connection) -> None:
    _use_wal(connection)
    # FULL: an attempt that was logged before a call is still there after a power cut.
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA foreign_keys = ON")
    connection.execute("PRAGMA cache_size = -65536")
    _create_tables(connection)
    _execute_all(connection, schema.VIEWS)


def _execute_all(connection: sqlite3.Connection, statements: str) -> None:
    for statement in statements.split(";\n"):
        connection.execute(statement)


def _use_wal(connection: sqlite3.Connection) -> None:
    """SQLite does not wait for another process that opens a new file at the same time: we do."""
    give_up_s = time.monotonic() + BUSY_TIMEOUT_S
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > give_up_s:
                raise
            time.sleep(0.01)
        else:
            return


def _create_tables(connection: sqlite3.Connection) -> None:
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if version == schema.VERSION:
        return
    with writing(connection):
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        if version == schema.VERSION:  # another process was first
            return
        if version > schema.VERSION:
            raise StoreUnusableError(
                f"the store has format {version}, this program knows {schema.VERSION}: "
                "use the version of metering that wrote it, or a newer one"
            )
        if version == 0:
            _execute_all(connection, schema.TABLES)
        else:
            for older in range(version, schema.VERSION):
                _execute_all(connection, schema.UPGRADES[older])
        connection.execute(f"PRAGMA user_version = {schema.VERSION}")


class Changes:
    """Whether another connection has written, since this was last asked."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._seen: int | None = None

    def by_others(self) -> bool:
        """Also by putting a copy in the place of the file's content."""
        seen = self._seen
        (self._seen,) = self._connection.execute("PRAGMA data_version").fetchone()
        return seen != self._seen


@contextmanager
def writing(connection: sqlite3.Connection) -> Iterator[None]:
    """One write transaction: no other process writes between its reads and its writes."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
