"""The clocks of the processes: each is off, and some are hours ahead."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from random import Random

from marketplace_metering.proof.worlds.fault_mix import Mix
from marketplace_metering.proof.worlds.timeline import HOUR_US, at


@dataclass(slots=True)
class SkewedClock:
    """A clock that is off by some microseconds; see `ports.Clock`."""

    now_us: Callable[[], int]
    offset_us: int
    pass_s: Callable[[float], None]

    def now(self) -> datetime:
        """What this process takes for the present instant."""
        return at(self.now_us() + self.offset_us)

    def sleep(self, seconds: float) -> None:
        """The world goes on meanwhile."""
        self.pass_s(seconds)


class Clocks:
    """How far the clocks are off. Those that are hours ahead are set right when the faults end."""

    def __init__(self, mix: Mix, random: Random, faults: Counter[str]) -> None:
        self._mix = mix
        self._random = random
        self._faults = faults
        self._off_s = mix.off_s

    def draw_us(self) -> int:
        """By how much one of them is ahead; below zero, behind."""
        offset_us = self._random.randint(-self._mix.skew_s * 1_000_000, self._off_s * 1_000_000)
        self._faults["clock hours ahead"] += offset_us >= HOUR_US
        return offset_us

    def heal(self, clocks: Iterable[SkewedClock]) -> None:
        """The faults end."""
        self._off_s = self._mix.skew_s
        if self._mix.ahead_s:
            for clock in clocks:
                clock.offset_us = self.draw_us()
