"""Which product code a licence is metered under, in the file."""

from __future__ import annotations

import sqlite3
from collections.abc import Collection

from marketplace_metering.adapters.sqlite.connection import writing
from marketplace_metering.core.hours import UsageHour
from marketplace_metering.core.license_owners import Owner

OF_BOOKS = """
SELECT book_id, license_arn, license_owner.product, since_hour
FROM meter JOIN license_owner USING (license_arn)
WHERE book_id IN ({})
"""
CLAIM = "INSERT OR IGNORE INTO license_owner VALUES (?, ?, ?)"
REPLACE = "INSERT OR REPLACE INTO license_owner VALUES (?, ?, ?)"


def owners_of_books(
    connection: sqlite3.Connection, book_ids: Collection[int]
) -> dict[int, dict[str, Owner]]:
    """The owners of the licences of some books, by book."""
    found: dict[int, dict[str, Owner]] = {}
    wanted = OF_BOOKS.format(", ".join("?" * len(book_ids)))
    for book_id, arn, product, since in connection.execute(wanted, tuple(book_ids)):
        found.setdefault(book_id, {})[arn] = Owner(product, UsageHour(since))
    return found


def owner_of(connection: sqlite3.Connection, license_arn: str) -> Owner | None:
    """The owner as it is now."""
    row = connection.execute(
        "SELECT product, since_hour FROM license_owner WHERE license_arn = ?", (license_arn,)
    ).fetchone()
    return Owner(row[0], UsageHour(row[1])) if row else None


def claim(connection: sqlite3.Connection, license_arn: str, product: str) -> bool:
    """Claim a licence inside a write transaction: does it belong to this product code now?"""
    owner = Owner(product)
    connection.execute(CLAIM, (license_arn, product, owner.since.number))
    return owner_of(connection, license_arn) == owner


def replace(
    connection: sqlite3.Connection, license_arn: str, owner: Owner, instead_of: Owner | None
) -> bool:
    """Put an owner in the place of the one that was read, or of nobody."""
    with writing(connection):
        if owner_of(connection, license_arn) not in (instead_of, owner):
            return False
        connection.execute(REPLACE, (license_arn, owner.product, owner.since.number))
        return True
