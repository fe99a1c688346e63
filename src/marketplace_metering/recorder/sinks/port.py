"""What a recorder needs from a store."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from marketplace_metering.core.record import Problem, UsageRecord


class Delivered:
    """What became of usage records that were put."""

    def __init__(self, left: Sequence[UsageRecord] = (), reason: str | None = None) -> None:
        self.added = 0
        self.already_there = 0  # put before: its answer was lost, or another process was first
        self.clashes: list[tuple[UsageRecord, Problem]] = []
        self.left = list(left)  # perhaps put, perhaps not: put it again
        self.reason = reason  # why something is left, without secrets


class Sink(Protocol):
    """A store that takes usage records; used by one thread at a time."""

    @property
    def name(self) -> str:
        """The destination, without secrets. A spool goes to the destination that it began for."""

    def put(self, records: Sequence[UsageRecord]) -> Delivered:
        """Put each of them, unless one with its event id is there; raises on our bugs only.

        What is there is never overwritten. Of two with one id and other content the first wins.
        """

    def close(self) -> None:
        """Give connections back; a later put opens them again."""

    def abandon(self) -> None:
        """In a fork: forget connections without a word to the other side."""
