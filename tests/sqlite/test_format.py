"""The format of a file: every version of metering that knows it finds the same tables."""

from __future__ import annotations

import hashlib
import sqlite3
from contextlib import closing
from functools import partial
from io import BytesIO
from pathlib import Path

import pytest

from marketplace_metering.adapters.sqlite import SqliteStore, schema
from marketplace_metering.core.inputs import Doubt, Word
from marketplace_metering.core.ledger import Entry, EntryKey, State
from marketplace_metering.core.outcome import Duplicate
from marketplace_metering.files.content import FileContent
from marketplace_metering.jobs.inputs import recognise
from tests.support import steps
from tests.support.build import quantity, window
from tests.support.clock import utc

NOW = utc("11:30")

# Of the tables and indexes of this format. Whoever changes them changes the format: give it a new
# number and a way to bring old files up to it. (Format 2 is not released yet.)
FORMAT = "c1b36010e2a0dfe3fc7c0e06e2e4efc275de9e6f1a3dc647bff41465d2e2f0b2"

# A file of format 1 with a window of each kind: presumed, parked and sealed, and pending usage.
FORMAT_1 = (Path(__file__).parent / "format_1.sql").read_text("utf-8")


@pytest.fixture
def old_file(tmp_path: Path) -> Path:
    file = tmp_path / "old.db"
    connection = sqlite3.connect(file)
    connection.executescript(FORMAT_1 + "PRAGMA user_version = 1;")
    connection.close()
    return file


def test_the_format_is_the_one_that_its_number_says(tmp_path: Path) -> None:
    store = SqliteStore(str(tmp_path / "metering.db"))
    connection = store.connection
    rows = connection.execute("SELECT sql FROM sqlite_master ORDER BY name").fetchall()
    statements = "\n".join(row["sql"] or "" for row in rows)
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    store.close()
    assert (version, hashlib.sha256(statements.encode()).hexdigest()) == (schema.VERSION, FORMAT)


def test_a_file_is_opened_again_and_again(tmp_path: Path) -> None:
    for _ in range(3):
        SqliteStore(str(tmp_path / "metering.db")).close()


def test_a_file_of_an_older_format_gets_what_a_new_one_has(tmp_path: Path, old_file: Path) -> None:
    SqliteStore(str(tmp_path / "new.db")).close()
    for _ in range(2):  # the second time it is no older one
        SqliteStore(str(old_file)).close()
    assert _shape(old_file) == _shape(tmp_path / "new.db")


def test_a_file_of_an_older_format_keeps_its_windows_and_goes_on(old_file: Path) -> None:
    store = SqliteStore(str(old_file))
    presumed, parked, sealed = (_stored(store, hour) for hour in (8, 9, 10))
    assert [entry.state for entry in (presumed, parked, sealed)] == [
        State.PRESUMED,
        State.PARKED,
        State.SEALED,
    ]
    assert (presumed.begun, presumed.duplicates) == (2, 1)
    assert steps.pending_quantity(store, NOW) == quantity(2)
    steps.attempt(store, sealed.key, Duplicate(), NOW)
    assert _stored(store, 10).duplicates == 1
    store.close()


@pytest.mark.parametrize("name", ["app", "/var/log/app"])
def test_what_an_older_format_has_recorded_is_not_recorded_unasked(
    old_file: Path, name: str
) -> None:
    content = FileContent(BytesIO(b'{"customerAWSAccountId": "111122223333"}\n'))
    with closing(SqliteStore(str(old_file))) as store:
        recognised = partial(recognise, store, name, content, has_only_events=lambda: False)
        doubt = recognised(word=None)
        assert isinstance(doubt, Doubt)
        assert "an earlier version recorded app, and did not note what it held" in str(doubt)
        assert recognised(word=Word.SAME) == "app"
        assert recognised(word=None) == "app"
        assert store.known_inputs("/var/log/another", content.head)[0].source == "app"
        assert store.known_inputs("/var/log/another", "another") == []


def test_a_path_of_an_older_format_is_told_from_others_of_that_name(old_file: Path) -> None:
    with closing(sqlite3.connect(old_file)) as connection:
        connection.execute("UPDATE input SET source = 'a/app' WHERE id = 1")
        connection.execute("UPDATE input SET source = 'b/app' WHERE id = 2")
        connection.execute("INSERT INTO input VALUES (3, 'a correction of a/app', 0)")
        connection.commit()
    with closing(SqliteStore(str(old_file))) as store:
        assert [each.source for each in store.known_inputs("/app", "head")] == ["a/app", "b/app"]
        assert [each.source for each in store.known_inputs("a/app", "head")] == ["a/app"]


def _stored(store: SqliteStore, hour: int) -> Entry:
    return steps.stored(store, EntryKey(window(f"{hour:02d}:00"), 0), NOW)


def _shape(file: Path) -> dict[str, object]:
    """Each table's columns, by name, and each index: ALTER TABLE writes other text than CREATE."""
    connection = sqlite3.connect(file)
    shape: dict[str, object] = {}
    for (table,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'"):
        columns = connection.execute("SELECT * FROM pragma_table_xinfo(?)", (table,)).fetchall()
        shape[table] = sorted(column[1:] for column in columns)
        for index in connection.execute("SELECT * FROM pragma_index_list(?)", (table,)).fetchall():
            keys = connection.execute("SELECT * FROM pragma_index_xinfo(?)", (index[1],))
            shape[index[1]] = (*index[2:], [key[2:] for key in keys.fetchall()])
    shape["version"] = connection.execute("PRAGMA user_version").fetchone()
    connection.close()
    return shape
