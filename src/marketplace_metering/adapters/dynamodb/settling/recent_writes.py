"""What one process remembers of its own writes.

An index shows what was written a moment later, usually within a second. Without this, a process
that seals and then submits would find nothing due, and one that settles would send again. It is
only a memory: every decision is still made on the entry as it is stored.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import NamedTuple, TypeVar

from marketplace_metering.adapters.dynamodb.items.entry import (
    PARKED,
    SEALED,
    Covering,
    Stored,
    due_order,
    lane_text,
)
from marketplace_metering.adapters.dynamodb.items.keys import Place
from marketplace_metering.core.hours import epoch_ms
from marketplace_metering.core.ledger import State

ENTRIES_MAX = 20_000
INDEX_LAG_MS = 60_000  # an index is usually less than a second behind

Value = TypeVar("Value")


class Row(NamedTuple):
    """An unsettled entry as the index has it, in the order in which the index has them."""

    queue: str
    due_order: int
    place: Place
    deadline_ms: int
    retry_at_ms: int
    lane: str
    license_arn: str | None


class _Left(NamedTuple):
    """How and when this process left an entry."""

    row: Row | None
    at_ms: int


def row_of(stored: Stored) -> Row | None:
    """The row of an entry, or None if it is settled."""
    entry = stored.entry
    if entry.state.is_settled:
        return None
    return Row(
        PARKED if entry.state is State.PARKED else SEALED,
        due_order(entry),
        stored.place,
        epoch_ms(entry.deadline),
        epoch_ms(entry.retry_at),
        lane_text(entry),
        entry.window.meter.license_arn,
    )


class Memory:
    """The latest entries that this process wrote or read."""

    def __init__(self, now: Callable[[], datetime]) -> None:
        self._now = now
        self.entries: dict[Place, Stored] = {}  # as they were stored when they were last seen
        self._rows: dict[Place, _Left] = {}  # the oldest first
        self.marks_due: dict[Place, None] = {}

    def saw(self, stored: Stored) -> None:
        """An entry was read."""
        _keep(self.entries, stored.place, stored)

    def wrote(self, covering: Covering) -> None:
        """An entry or a rejection was written."""
        if isinstance(covering, Stored):
            _keep(self.entries, covering.place, covering)
            left = _Left(row_of(covering), epoch_ms(self._now()))
            _keep(self._rows, covering.place, left)
        if covering.marks_due_at_ms is not None:
            self.marks_due[covering.place] = None

    def forget(self, place: Place) -> None:
        """The entry is not as it was seen."""
        self.entries.pop(place, None)
        self._rows.pop(place, None)

    def rows(self) -> dict[Place, Row | None]:
        """As this process left them, so lately that an index may not show it yet.

        Older ones are forgotten: others, and a person's retry, may have changed them since.
        """
        oldest_ms = epoch_ms(self._now()) - INDEX_LAG_MS
        while self._rows:
            place, left = next(iter(self._rows.items()))
            if left.at_ms >= oldest_ms:
                break
            del self._rows[place]
        return {place: left.row for place, left in self._rows.items()}


def _keep(kept: dict[Place, Value], place: Place, value: Value) -> None:
    """As the latest; the oldest makes room."""
    kept.pop(place, None)
    if len(kept) >= ENTRIES_MAX:
        kept.pop(next(iter(kept)))
    kept[place] = value
