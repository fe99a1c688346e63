"""What a recorder counts; `stats.py` has it for people."""

from __future__ import annotations


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
