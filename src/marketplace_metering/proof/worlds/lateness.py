"""What was recorded on time, and what was certainly recorded late: the auditor's own list.

Usage counts as on time if it was recorded before any sealing run could have thought its hour over
for good. It is certainly late if it came after a run that nothing disturbed, begun when its hour
and the grace were over. In between nobody can say. The list goes by buyer and second, because an
event may stand anywhere in its own; of several uses in one second, the worst case counts.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal

from marketplace_metering.core.plan import Waits
from marketplace_metering.core.policy import Policy
from marketplace_metering.jobs.seal import SealReport
from marketplace_metering.proof.worlds.applications import Input
from marketplace_metering.proof.worlds.snapshot import MeterName, Snapshot, UsageRow
from marketplace_metering.proof.worlds.timeline import HOUR_US

A_MINUTE_US = 60_000_000
LIKE_CLOCKS_S = 30  # clocks this close take each other's word
REJECTED = "late usage of product"  # in the reason of a refusal by setting
NEVER = 2**63
Place = tuple[str, int]  # the buyer and the second


class Lateness:
    """Remembers when everything was recorded, and when everything had been looked through."""

    def __init__(self, policy: Policy, off_s: int, marks: Counter[str]) -> None:
        self.grace_us = policy.grace // timedelta(microseconds=1)
        self._length_us = policy.window_length // timedelta(microseconds=1)
        self.off_s = off_s
        self.index_lags = False  # what is recorded may be invisible for any time
        self._marks = marks
        self._begun: dict[Place, int] = {}  # the earliest write
        self._done: dict[Place, int] = {}  # the latest one
        self._edited: set[Place] = set()
        self._looks: list[tuple[int, int]] = []  # the hour, and from when on all know that
        self._had_window: set[Place] = (
            set()
        )  # rightly, at some time: what it gives back is not late
        self._sealed: dict[tuple[MeterName, int], int] = {}  # windows, and when they were seen

    def begins(self, drawn: Input, now_us: int) -> None:
        """An application begins to hand it over."""
        for place in _places(drawn):
            self._begun.setdefault(place, now_us)
            self._done[place] = NEVER

    def ends(self, drawn: Input, now_us: int) -> None:
        """The store has all of it."""
        for place in _places(drawn):
            self._done[place] = now_us

    def edited(self, row: UsageRow) -> None:
        """Somebody changed it in the table: what an application puts there again is other usage."""
        self._edited.add(_place(row))

    def was_edited(self, row: UsageRow) -> bool:
        """Whether somebody changed what stands at its place."""
        return _place(row) in self._edited

    def listed(self, row: UsageRow) -> None:
        """It is listed with a reason: it comes when a person has corrected it."""
        if row.failure is not None and REJECTED not in row.failure:
            self._done[_place(row)] = NEVER

    def looked(self, began_us: int, now_us: int, report: SealReport) -> None:
        """A run looked at everything, and nobody else did anything meanwhile."""
        is_left = bool(report.contended_books or report.unstorable)
        is_whole = not (is_left or report.is_partial or report.is_cut_short)
        if is_whole and not report.waiting_records[Waits.NO_WINDOW]:
            certain_us = began_us - self.off_s * 1_000_000 - self.grace_us - A_MINUTE_US
            self._looks.append((certain_us // HOUR_US - 1, now_us))

    def lose(self) -> None:
        """A copy took the place of the store: it may not know how far others looked."""
        self._looks.clear()
        self._had_window.clear()
        self._sealed.clear()

    def is_on_time(self, row: UsageRow) -> bool:
        """Whether no run can have been early enough to miss it."""
        latest_us = (row.hour + 1) * HOUR_US + self.grace_us + A_MINUTE_US
        done_us = self._done.get(_place(row), NEVER)
        is_known = not self.index_lags and not self.was_edited(row)
        return is_known and done_us <= latest_us - self.off_s * 1_000_000

    def is_late(self, row: UsageRow) -> bool:
        """Whether its hour had certainly been looked through, and its window sealed, before.

        A window that is still to be sealed takes late usage as well, but for what has no room.
        """
        begun_us = self._begun.get(_place(row), 0)
        expires_us = (row.hour + 1) * HOUR_US + self._length_us
        closed_us = min(expires_us, self._sealed.get((row.meter, row.hour), NEVER))
        return (
            self.off_s <= LIKE_CLOCKS_S
            and closed_us <= begun_us
            and any(hour >= row.hour and from_us <= begun_us for hour, from_us in self._looks)
        )

    def fault_in(self, books: Snapshot, now_us: int, is_carried: bool) -> str | None:
        """Usage that was on time and is refused as late; or late, and billed in a later window."""
        for entry in books.entries:
            if entry.is_live:
                self._sealed.setdefault(entry.window, now_us)
            else:
                self._sealed[entry.window] = NEVER  # it takes usage again
        hours = {entry.name: entry.hour for entry in books.entries}
        for row in books.usage:
            if row.entry is not None:
                is_in_another_hour = hours[row.entry] != row.hour and not is_carried
                if is_in_another_hour and self.is_late(row) and _place(row) not in self._had_window:
                    return f"{row} was recorded late, and is billed although the setting forbids it"
                self._marks["delayed usage carried"] += is_in_another_hour and self.is_on_time(row)
                self._had_window.add(_place(row))
            elif row.failure is not None and REJECTED in row.failure:
                if self.is_on_time(row):
                    return f"{row} was recorded on time, and is refused as late"
                self._marks["late usage refused"] += self.is_late(row)
            elif row.failure is not None:
                self.listed(row)
        return None


def _place(row: UsageRow) -> Place:
    return row.meter.account, row.created_ns // 1_000_000_000


def _places(drawn: Input) -> Iterator[Place]:
    for piece in drawn.pieces:
        item = piece.item
        if isinstance(item, dict):
            created_ms = item.get("create_timestamp")
            if isinstance(created_ms, int | Decimal):
                yield str(item.get("customerAWSAccountId")), int(created_ms // 1_000)
