"""A connection that is not used any more is closed: Python 3.13 warns of one that is left open."""

from __future__ import annotations

import sqlite3
import time
from pathlib import Path
from typing import Any

import pytest

from marketplace_metering import UsageRecorder
from marketplace_metering.adapters.sqlite import SqliteStore, StoreUnusableError, schema


class Opened:
    """The connections that were opened."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._all: list[sqlite3.Connection] = []
        really_connect = sqlite3.connect

        def connect(*values: Any, **named: Any) -> sqlite3.Connection:
            self._all.append(really_connect(*values, **named))
            return self._all[-1]

        monkeypatch.setattr(sqlite3, "connect", connect)

    def are_closed(self) -> bool:
        return bool(self._all) and all(map(_is_closed, self._all))


def _is_closed(connection: sqlite3.Connection) -> bool:
    try:
        connection.execute("SELECT 1")
    except sqlite3.ProgrammingError as error:
        return "closed" in str(error)
    return False


def test_a_file_that_is_no_store_is_closed_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "metering.db").write_bytes(b"no database at all" * 100)
    opened = Opened(monkeypatch)
    with pytest.raises(StoreUnusableError, match="cannot be opened"):
        SqliteStore(str(tmp_path / "metering.db"))
    assert opened.are_closed()


def test_a_store_of_a_format_that_nobody_knows_is_closed_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = str(tmp_path / "metering.db")
    opened = Opened(monkeypatch)
    store = SqliteStore(path)
    store.connection.execute("PRAGMA user_version = 7")
    store.close()
    with pytest.raises(StoreUnusableError, match=f"format 7, this program knows {schema.VERSION}"):
        SqliteStore(path)
    assert opened.are_closed()


def test_a_recorder_closes_what_its_own_thread_opened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = Opened(monkeypatch)
    with UsageRecorder(
        f"sqlite:///{tmp_path}/metering.db",
        product="prod-abc123",
        durable=False,
        flush_interval=0.01,
    ) as recorder:
        recorder.record("123456789012", "api_calls", 1)
        while not recorder.stats().added:
            time.sleep(0.01)
    assert opened.are_closed()
