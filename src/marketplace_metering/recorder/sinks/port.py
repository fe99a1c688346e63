"""What a recorder needs from a store."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from marketplace_metering.core.record import Problem, UsageRecord
from marketplace_metering.recorder.place import Place


@dataclass(slots=True, eq=False)
class Delivered:
    """What became of usage records that were put."""

    left: Sequence[UsageRecord] = ()  # perhaps put, perhaps not: put it again
    reason: str | None = None  # why something is left, without secrets
    added: int = 0
    already_there: int = 0  # put before: its answer was lost, or another process was first
    clashes: list[tuple[UsageRecord, Problem]] = field(default_factory=list)


class Sink(Protocol):
    """A store that takes usage records; used by one thread at a time."""

    @property
    def name(self) -> str:
        """The destination, without secrets. A spool goes to the destination that it began for."""

    def place(self) -> Place:
        """Where the next put would go. May ask once, and raise what a connection raises."""

    def put(self, records: Sequence[UsageRecord]) -> Delivered:
        """Put each of them, unless one with its event id is there; raises on our bugs only.

        What is there is never overwritten. Of two with one id and other content the first wins.
        """

    def close(self) -> None:
        """Give connections back; a later put opens them again."""

    def abandon(self) -> None:
        """In a fork: forget connections without a word to the other side."""
