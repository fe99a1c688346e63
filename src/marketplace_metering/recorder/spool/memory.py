"""Usage between `record()` and the store: what a recorder needs, and how memory does it."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from marketplace_metering.core.record import UsageRecord
from marketplace_metering.recorder.place import Place
from marketplace_metering.recorder.segments import ENTRY_BYTES, Segment

if TYPE_CHECKING:
    from pathlib import Path

    from marketplace_metering.recorder.spool.owner_lock import Owner


@dataclass(slots=True, eq=False)
class SpooledBatch:
    """Frozen usage records that wait for the store: in memory, or in a file with its owner."""

    size: int
    records: Sequence[UsageRecord] | None = None  # None: read from the file when it is time
    path: Path | None = None
    owner: Owner | None = None


class Spool(Protocol):
    """Where usage waits."""

    def has_leftovers(self) -> bool:
        """Whether there may be something to adopt."""

    def segment(self) -> Segment:
        """Begin a new segment; raises SpoolUnusableError."""

    def freeze(self, segment: Segment) -> SpooledBatch:
        """Make a segment's usage records final, durably; raises SpoolUnusableError."""

    def adopt(self) -> list[SpooledBatch]:
        """What dead owners left, finished and ready for the store."""

    def bind(self, batch: SpooledBatch, place: Callable[[], Place]) -> bool:
        """Before each put: whether the batch may be put there, from now on nowhere else.

        False: it may be elsewhere already, or went with others that may. It is not ours any more.
        Raises SpoolUnusableError, and what `place` raises: then it waits.
        """

    def load(self, batch: SpooledBatch) -> Sequence[UsageRecord]:
        """The usage records of a batch."""

    def forget(self, batch: SpooledBatch) -> None:
        """The store has all of it."""

    def refuse(self, line: bytes) -> None:
        """Keep what the store refuses."""

    def close(self) -> None:
        """Leave what is left to the next recorder."""

    def abandon(self) -> None:
        """In a fork: the spool is the parent's."""


class MemorySpool:
    """Usage that a crash takes along; see `Spool`."""

    def __init__(self) -> None:
        self._name = os.urandom(12).hex()
        self._number = 0

    def has_leftovers(self) -> bool:
        return False  # memory dies with its owner

    def segment(self) -> Segment:
        self._number += 1
        return Segment(f"{self._name}-{self._number:06d}")

    def freeze(self, segment: Segment) -> SpooledBatch:
        records = segment.usage_records()
        return SpooledBatch(len(records) * ENTRY_BYTES, records)

    def adopt(self) -> list[SpooledBatch]:
        return []

    def bind(self, batch: SpooledBatch, place: Callable[[], Place]) -> bool:
        return True  # nobody else will ever put it

    def load(self, batch: SpooledBatch) -> Sequence[UsageRecord]:
        assert batch.records is not None
        return batch.records

    def forget(self, batch: SpooledBatch) -> None:
        pass

    def refuse(self, line: bytes) -> None:
        """It was told and logged: there is no other place for it."""

    def close(self) -> None:
        pass

    def abandon(self) -> None:
        """In a fork: take another name, since the ids of sums begin with it."""
        self._name = os.urandom(12).hex()
        self._number = 0
