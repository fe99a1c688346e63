"""Which inputs were begun, and what they held."""

from __future__ import annotations

import sqlite3

from marketplace_metering.adapters.sqlite.connection import writing
from marketplace_metering.core.inputs import KnownInput

COLUMNS = "name, source, size, digest, head, is_counted"


def known_inputs(connection: sqlite3.Connection, name: str | None, head: str) -> list[KnownInput]:
    """Those of this name, and those of this head.

    What an earlier version recorded may be of this name, as long as nothing else is.
    """
    rows = connection.execute(
        f"SELECT {COLUMNS} FROM known_input WHERE name = ? AND head <> '' OR head = ?", (name, head)
    ).fetchall()
    if name is not None and all(row[0] != name for row in rows):
        older = connection.execute(
            f"SELECT {COLUMNS} FROM known_input WHERE head = '' AND name = ?",
            (name.rpartition("/")[2],),
        ).fetchall()
        exact = [row for row in older if row[1] == name]
        rows += [(name, *row[1:]) for row in exact or older]
    return [
        KnownInput(name, source, size, digest, head, bool(is_counted))
        for name, source, size, digest, head, is_counted in rows
    ]


def note_input(
    connection: sqlite3.Connection, noted: KnownInput, instead_of: KnownInput | None
) -> bool:
    """Note it in the place of what was read, if that is so still."""
    with writing(connection):
        there = known_inputs(connection, noted.name, noted.head)
        own = [each for each in there if (each.name, each.source) == (noted.name, noted.source)]
        if own == [noted]:
            return True
        if own != ([] if instead_of is None else [instead_of]):
            return False
        is_same = any(each.digest == noted.digest and each not in own for each in there)
        if is_same and not noted.is_counted:
            return False
        connection.execute(
            f"INSERT OR REPLACE INTO known_input ({COLUMNS}) VALUES (?, ?, ?, ?, ?, ?)",
            (noted.name, noted.source, noted.size, noted.digest, noted.head, noted.is_counted),
        )
        return True
