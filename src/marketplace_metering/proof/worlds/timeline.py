"""The timeline of a world: what happened, in order, in words that a person can follow."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import NamedTuple

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
HOUR_US = 3_600_000_000


def at(now_us: int) -> datetime:
    """The instant of microseconds since 1970."""
    return EPOCH + timedelta(microseconds=now_us)


def us(instant: datetime) -> int:
    """Microseconds since 1970."""
    return (instant - EPOCH) // timedelta(microseconds=1)


@lru_cache(maxsize=1_024)
def month_of(hour: int) -> str:
    """The month of an hour since 1970, as 2026-11."""
    return f"{EPOCH + timedelta(hours=hour):%Y-%m}"


class Span(NamedTuple):
    """Some hours of which one thing is true."""

    what: str
    starts_at: datetime
    ends_at: datetime

    def covers(self, now: datetime) -> bool:
        """Whether it is true at this instant."""
        return self.starts_at <= now < self.ends_at


class Story:
    """Lines with their time and depth: what runs inside a step of another run is indented."""

    def __init__(self) -> None:
        self._lines: list[tuple[int, int, str]] = []

    def tell(self, now_us: int, depth: int, text: str) -> None:
        """Add a line."""
        self._lines.append((now_us, depth, text))

    def lines(self) -> list[str]:
        """The timeline, to be read."""
        return [
            f"{at(now_us):%d %H:%M:%S}.{now_us % 1_000_000 // 1_000:03d}  {'  | ' * depth}{text}"
            for now_us, depth, text in self._lines
        ]

    def digest(self) -> str:
        """The same for the same timeline, in every process and on every machine."""
        return hashlib.sha256(repr(self._lines).encode()).hexdigest()[:16]
