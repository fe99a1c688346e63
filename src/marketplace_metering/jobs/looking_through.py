"""What a sealing run may say of itself: up to which hour it saw all that was pending.

Only then is it usage that was recorded late what a later run finds of these hours, and only then
may a setting refuse or hold it (`core.looked_through`). A run that did not come to its end, or
that left a book for others, says nothing: its next one does.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Self

from marketplace_metering.core.hours import UsageHour
from marketplace_metering.core.looked_through import Look, LookedThrough, latest_hour_seen
from marketplace_metering.core.plan import Plan, Waits
from marketplace_metering.core.policy import Policy
from marketplace_metering.ports import Ledger

FACT = "looked through"


@dataclass(slots=True)
class Looking:
    """One run, from before it reads what is pending."""

    began_at: datetime
    text: str | None  # of the looks before it, as they are stored
    hour: UsageHour | None  # up to which usage was looked through before
    oldest_left: UsageHour | None = None  # of usage that is on time and waits for a window
    saw_everything: bool = True

    @classmethod
    def begin(cls, store: Ledger, now: datetime) -> Self:
        """Before anything pending is read: what is recorded meanwhile is not what others saw."""
        text = store.facts().get(FACT)
        return cls(now, text, LookedThrough.parse(text or "").at(now))

    def saw(self, plan: Plan) -> None:
        """Take note of a book, and of what of it is left pending."""
        self.saw_everything &= not plan.book.is_partial
        for group, why in plan.waiting:
            is_on_time = not group.was_given_back and (self.hour is None or group.hour > self.hour)
            if why is Waits.NO_WINDOW and is_on_time:
                self.oldest_left = min(group.hour, self.oldest_left or group.hour)

    def left_a_book(self) -> None:
        """The store has no room for what was planned of it: the next run sees it again."""
        self.saw_everything = False

    def end(self, store: Ledger, policy: Policy) -> None:
        """After every book was looked at, and what was planned is stored.

        Another run may have said more meanwhile: then there is nothing to add.
        """
        if not self.saw_everything:
            return
        hour = latest_hour_seen(self.began_at, policy.grace)
        if self.oldest_left is not None:
            hour = min(hour, self.oldest_left.plus(-1))
        before = LookedThrough.parse(self.text or "")
        after = before.after(Look(hour, self.began_at))
        if after != before:
            store.set_fact(FACT, str(after), self.text)
