"""Usage between `record()` and the store: what a recorder needs, and how memory does it."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Protocol

from marketplace_metering.core.record import UsageRecord
from marketplace_metering.recorder.segments import ENTRY_BYTES, Segment

if TYPE_CHECKING:
    from pathlib import Path

    from marketplace_metering.recorder.spool.owner_lock import Owner


class SpooledBatch:
    """Frozen usage records that wait for the store."""

    def __init__(
        self,
        size: int,
        records: list[UsageRecord] | None = None,
        path: Path | None = None,
        owner: Owner | None = None,
    ) -> None:
        self.size = size
        self.records = records  # None: they are read from the file when it is time
        self.path = path
        self.owner = owner


class Spool(Protocol):
    """Where usage waits."""

    def has_leftovers(self) -> bool:
        """Whether there may be something to adopt."""

    def segment(self) -> Segment:
        """Begin a new segment."""

    def freeze(self, segment: Segment) -> SpooledBatch:
        """Make a segment's usage records final, durably."""

    def adopt(self) -> list[SpooledBatch]:
        """What dead owners left."""

    def load(self, batch: SpooledBatch) -> list[UsageRecord]:
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
        """Memory dies with its owner."""
        return False

    def segment(self) -> Segment:
        """Begin a new segment."""
        self._number += 1
        return Segment(f"{self._name}-{self._number:06d}")

    def freeze(self, segment: Segment) -> SpooledBatch:
        """Make a segment's usage records final."""
        records = segment.usage_records()
        return SpooledBatch(len(records) * ENTRY_BYTES, records)

    def adopt(self) -> list[SpooledBatch]:
        """Nothing: memory dies with its owner."""
        return []

    def load(self, batch: SpooledBatch) -> list[UsageRecord]:
        """The usage records of a batch."""
        assert batch.records is not None
        return batch.records

    def forget(self, batch: SpooledBatch) -> None:
        """The store has all of it."""

    def refuse(self, line: bytes) -> None:
        """It was told and logged: there is no other place for it."""

    def close(self) -> None:
        """Nothing is open."""

    def abandon(self) -> None:
        """In a fork: take another name, since the ids of sums begin with it."""
        self._name = os.urandom(12).hex()
        self._number = 0
