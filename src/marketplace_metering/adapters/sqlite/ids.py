"""The numbers that stand for books, meters, groups and lanes in the tables.

They are never deleted or changed, so what a process has looked up once stays true, unless a copy of
the file is restored under it: then another usage may bear the number. So what was looked up is
forgotten when another process has written (`connection.Changes`).
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

from marketplace_metering.adapters.sqlite import row_codec
from marketplace_metering.adapters.sqlite.connection import Changes, writing
from marketplace_metering.core.batch import Lane
from marketplace_metering.core.identity import BookKey, Meter
from marketplace_metering.core.record_columns import GroupName

CACHED_MAX = 200_000


class Identities:
    """Look-ups that insert what is missing; to be used inside a write transaction."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._changes = Changes(connection)
        self._meters: dict[Meter, int] = {}
        self._groups: dict[GroupName, int] = {}
        self._lanes: dict[Lane, int] = {}

    @contextmanager
    def writing(self) -> Iterator[None]:
        """A write transaction; when it is rolled back, the numbers it gave out are forgotten."""
        try:
            with writing(self._connection):
                if self._changes.by_others():
                    self.forget()
                yield
        except BaseException:
            self.forget()
            raise

    def forget(self) -> None:
        """Drop the cache: a rolled-back transaction may have taken numbers with it."""
        self._meters.clear()
        self._groups.clear()
        self._lanes.clear()

    def book(self, key: BookKey) -> int:
        """The number of a book, which is inserted if it is new."""
        return self._number(
            "SELECT id FROM book WHERE product = ? AND account = ? AND dimension = ?",
            "INSERT INTO book (product, account, dimension) VALUES (?, ?, ?)",
            (key.product, key.account, key.dimension),
        )

    def meter(self, meter: Meter) -> int:
        """The number of a meter, which is inserted with its book if it is new."""
        number = self._meters.get(meter)
        if number is None:
            if len(self._meters) >= CACHED_MAX:
                self._meters.clear()
            number = self._number(
                "SELECT id FROM meter WHERE book_id = ? AND license_arn = ?",
                "INSERT INTO meter (book_id, license_arn) VALUES (?, ?)",
                (self.book(meter.book_key), meter.license_arn or ""),
            )
            self._meters[meter] = number
        return number

    def group(self, name: GroupName) -> int:
        """The number of a group, which is inserted with its meter if it is new."""
        number = self._groups.get(name)
        if number is None:
            if len(self._groups) >= CACHED_MAX:
                self._groups.clear()
            product, account, dimension, license_arn, hour, tags = name
            meter = Meter(product, account, dimension, license_arn)
            number = self._number(
                "SELECT id FROM usage_group WHERE meter_id = ? AND hour = ? AND tags = ?",
                "INSERT INTO usage_group (meter_id, hour, tags) VALUES (?, ?, ?)",
                (self.meter(meter), hour, row_codec.tags_text(tags)),
            )
            self._groups[name] = number
        return number

    def lane(self, lane: Lane) -> int:
        """The number of a lane, which is inserted if it is new."""
        number = self._lanes.get(lane)
        if number is None:
            number = self._number(
                "SELECT id FROM lane WHERE product = ? AND is_licensed = ? AND month = ?",
                "INSERT INTO lane (product, is_licensed, month) VALUES (?, ?, ?)",
                (lane.product, int(lane.is_licensed), str(lane.month)),
            )
            self._lanes[lane] = number
        return number

    def _number(self, find: str, insert: str, values: tuple[object, ...]) -> int:
        row = self._connection.execute(find, values).fetchone()
        if row is not None:
            return int(row[0])
        number = self._connection.execute(insert, values).lastrowid
        assert number is not None
        return number
