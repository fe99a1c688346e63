"""The format of a file: every version of metering that knows it finds the same tables."""

from __future__ import annotations

import hashlib
from pathlib import Path

from marketplace_metering.adapters.sqlite import SqliteStore

# Of the tables and indexes of format 1. Whoever changes them changes the format: give it a new
# number and a way to bring old files up to it.
FORMAT_1 = "f1485d62269b7920167b015191d6ad0d06a8eb960e9d38164b7c468aff54ee7d"


def test_the_format_is_the_one_that_its_number_says(tmp_path: Path) -> None:
    store = SqliteStore(str(tmp_path / "metering.db"))
    connection = store.connection
    rows = connection.execute("SELECT sql FROM sqlite_master ORDER BY name").fetchall()
    statements = "\n".join(row["sql"] or "" for row in rows)
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    store.close()
    assert (version, hashlib.sha256(statements.encode()).hexdigest()) == (1, FORMAT_1)


def test_a_file_is_opened_again_and_again(tmp_path: Path) -> None:
    for _ in range(3):
        SqliteStore(str(tmp_path / "metering.db")).close()
