"""Counters of a recorder, for people and for metrics."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class RecorderStats:
    """A recorder's counters since it was made, and what waits now.

    Waiting counts include what dead processes left in the spool and this recorder took over.
    """

    recorded: int  # calls acknowledged
    repeated: int  # of these, events that the same flush knew already
    added: int  # usage records that the store took
    already_there: int  # usage records that the store had already
    refused: int  # events whose id was recorded before with other content
    dropped: int  # calls that were not recorded, because the spool was full
    failed_rounds: int  # tries at the store after which something was left
    waiting_calls: int  # calls that are not frozen into usage records yet
    waiting_batches: int  # frozen, on the way to the store
    waiting_bytes: int  # of both, in the spool or in memory
    last_failure: str | None  # why something is left in the latest round; without secrets


class Counters:
    """Counts in the making; each has one writer at a time."""

    def __init__(self) -> None:
        self.recorded = 0
        self.repeated = 0
        self.added = 0
        self.already_there = 0
        self.refused = 0
        self.dropped = 0
        self.failed_rounds = 0
        self.last_failure: str | None = None
