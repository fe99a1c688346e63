"""How far sealing has looked usage through: what tells late usage from usage that was delayed here.

Usage is late if it was *recorded* late. A usage record need not say when it was recorded: most
applications put it into the table themselves. But a run that reads everything pending after an
hour and its grace are over has seen all usage of the hour that was on time. Whatever of that hour,
or of an earlier one, is seen later for the first time was recorded later. An hour that no such run
has looked at yet, because nothing was sealed for days or only in its middle, has no late usage.

A run knows this from its own clock. So each look is kept with its instant, and one that lies ahead
of the clock that asks does not count: one of the two clocks was wrong, and nobody knows which.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple, Self

from marketplace_metering.core.hours import UsageHour, epoch_s, from_s

# An index that is behind, and clocks of two machines that are not quite alike.
MARGIN = timedelta(minutes=1)
KEPT = 30  # looks, and hours apart: for clocks that were set back by up to a day


class Look(NamedTuple):
    """One run that saw all usage of an hour and of those before it."""

    hour: UsageHour
    began_at: datetime


@dataclass(frozen=True, slots=True)
class LookedThrough:
    """The latest looks, each at a later hour than the one before it."""

    looks: Sequence[Look] = ()

    def at(self, now: datetime) -> UsageHour | None:
        """The latest hour that was looked through, as a run knows that begins now."""
        looks = self._not_ahead_of(now)
        return looks[-1].hour if looks else None

    def after(self, look: Look) -> Self:
        """With one more look, if it saw more than the others.

        Those ahead of its clock go: as long as they stand, the next ones would be believed to have
        seen hours that nobody has looked at. A clock that is behind for a moment takes none away,
        because it has nothing to tell.
        """
        known = self.at(look.began_at)
        if known is not None and known >= look.hour:
            return self
        return type(self)((*self._not_ahead_of(look.began_at), look)[-KEPT:])

    def _not_ahead_of(self, now: datetime) -> list[Look]:
        return [look for look in self.looks if look.began_at <= now + MARGIN]

    def __str__(self) -> str:
        return " ".join(f"{look.hour.number}@{epoch_s(look.began_at)}" for look in self.looks)

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read back what `str` wrote; raises ValueError."""
        pairs = (each.split("@") for each in text.split())
        return cls(tuple(Look(UsageHour(int(hour)), from_s(int(at_s))) for hour, at_s in pairs))


def latest_hour_seen(began_at: datetime, grace: timedelta) -> UsageHour:
    """The latest hour of which a run that begins now sees all usage that is on time."""
    return UsageHour.of(began_at - grace - MARGIN).plus(-1)
