"""How long a function may run: Lambda kills it then, wherever it is, and it knows when."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

LIMITED = ("seals", "submits")  # the kinds of runs that are functions


class TimeLimit:
    """Of the runs that are under way, one inside the other."""

    def __init__(self, seconds: int, now_us: Callable[[], int]) -> None:
        self.seconds = seconds  # 0: none
        self._now_us = now_us
        self._ends: list[int | None] = []

    def begin(self, kind: str) -> None:
        """A run begins."""
        is_limited = bool(self.seconds) and kind.startswith(LIMITED)
        self._ends.append(self._now_us() + self.seconds * 1_000_000 if is_limited else None)

    def end(self) -> None:
        """The innermost run is over."""
        self._ends.pop()

    def is_over(self) -> bool:
        """Whether the innermost run is to be killed now."""
        ends = self._ends[-1] if self._ends else None
        return ends is not None and self._now_us() >= ends

    def end_of_work(self, now: datetime) -> datetime | None:
        """When a run that begins now is to come to its end by itself: it keeps half in reserve."""
        return now + timedelta(seconds=self.seconds / 2) if self.seconds else None
