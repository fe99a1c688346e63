"""What is known of the ledger itself, in the file."""

from __future__ import annotations

import sqlite3

from marketplace_metering.adapters.sqlite.connection import writing


def facts(connection: sqlite3.Connection) -> dict[str, str]:
    """Every fact by its name."""
    return dict(iter(connection.execute("SELECT name, value FROM fact")))


def set_fact(connection: sqlite3.Connection, name: str, value: str, instead_of: str | None) -> bool:
    """Store it, if it still is what the caller read."""
    with writing(connection):
        found = connection.execute("SELECT value FROM fact WHERE name = ?", (name,)).fetchone()
        there = found[0] if found else None
        if there not in (instead_of, value):
            return False
        connection.execute("INSERT OR REPLACE INTO fact VALUES (?, ?)", (name, value))
        return True
