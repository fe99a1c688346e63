"""Recorders for tests: no thread unless it is asked for, and a look into stores."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from marketplace_metering import UsageRecorder
from marketplace_metering.core.record import UsageRecord
from marketplace_metering.recorder.place import Place
from marketplace_metering.recorder.sinks.port import Delivered
from marketplace_metering.recorder.sinks.sqlite import SqliteSink

BUYER = "111122223333"
OTHER = "444455556666"
PRODUCT = "prod-abc123"
DIMENSION = "api_calls"
LICENSE = "arn:aws:license-manager::444455556666:license:l-0123456789abcdef0123456789abcdef"


class ListSink:
    """A store of the simplest kind: the first usage record with an id stays."""

    def __init__(self, name: str = "list") -> None:
        self._name = name
        self.records: dict[str, UsageRecord] = {}
        self.puts: list[list[UsageRecord]] = []
        self.is_down = False
        self.is_deaf = False  # it takes everything, and the answer is lost
        self.at = Place()

    def place(self) -> Place:
        return self.at

    @property
    def name(self) -> str:
        return self._name

    def put(self, records: Sequence[UsageRecord]) -> Delivered:
        self.puts.append(list(records))
        if self.is_down:
            return Delivered(records, "the store is down")
        delivered = Delivered()
        for record in records:
            assert record.event_id is not None
            there = self.records.setdefault(record.event_id, record)
            delivered.added += there is record
            delivered.already_there += there is not record
        return Delivered(records, "the answer is lost") if self.is_deaf else delivered

    @property
    def micros(self) -> int:
        return sum(record.micros for record in self.records.values())

    def close(self) -> None:
        pass

    def abandon(self) -> None:
        pass


_made: list[UsageRecorder] = []


def recorder(to: Any, spool: Path | None, **settings: Any) -> UsageRecorder:
    """A recorder that flushes only when it is told to."""
    chosen: dict[str, Any] = {"product": PRODUCT, "background": False} | settings
    kept: dict[str, Any] = {"durable": False} if spool is None else {"spool": spool}
    _made.append(UsageRecorder(to, **kept, **chosen))
    return _made[-1]


def close_connections() -> None:
    """Close the files of recorders that a test left to die without a word."""
    for each in _made:
        sink = each._sink
        sink.close()
        if isinstance(sink, SqliteSink):
            for store in sink._abandoned:
                store.close()
    _made.clear()


def kill(recorder: UsageRecorder) -> None:
    """What `kill -9` leaves of a recorder: its files, and locks that nobody holds."""
    with contextlib.suppress(OSError):  # where a crash was played, the files are closed already
        recorder.restart_in_fork()  # closes what is open, without a word to the spool
    recorder._active.close()
    recorder._is_given_back = True


def names(spool: Path) -> list[str]:
    """The files of a spool, without the owners' names."""
    return sorted(path.name.split("-", 1)[-1] for path in spool.iterdir())


def an_hour_ago() -> datetime:
    """Ten minutes into the previous hour."""
    start = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
    return start - timedelta(minutes=50)


def stored(path: Path) -> list[tuple[str, int, str | None]]:
    """Buyer, millionths and event id of every usage record of an embedded store."""
    with contextlib.closing(sqlite3.connect(path)) as connection:
        found: list[tuple[str, int, str | None]] = connection.execute(
            "SELECT account, usage_record.micros, usage_record.event_id FROM usage_record "
            "JOIN usage_group ON usage_group.id = group_id JOIN meter ON meter.id = meter_id "
            "JOIN book ON book.id = book_id ORDER BY account, created_ns"
        ).fetchall()
    return found
