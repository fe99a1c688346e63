"""What may happen between two steps of a process, by seed.

A *step* is a point at which a process touches the world: a statement or request to its store, a
request to AWS, a message to people. There the world may intervene: other processes run, hours
pass, the store fails, the process dies. A crash is a BaseException: nothing in the product can
catch it, as nothing can catch a power cut.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from random import Random
from typing import Protocol

BEFORE_STORE = "before a call to the store"
AFTER_READING = "after a reading of the store"
COMMITTED = "after a call to the store"
INSIDE = "inside a transaction"


class Crash(BaseException):
    """The process is gone; only what the store holds is left."""


class StoreFailure(Exception):  # noqa: N818 - a fault of the world, not of the program
    """The store could not be used just now: a full disk, a lock that took too long."""


class Intervening(Protocol):
    """What else can happen while a process is at a step."""

    def overlap(self) -> None:
        """Let other processes run."""

    def stall(self, place: str) -> None:
        """Let hours pass before the process goes on."""

    def step_clock(self) -> None:
        """Set some process's clock, forwards or back."""

    def tell(self, text: str) -> None:
        """Put it into the story."""


class Steps(Protocol):
    """Where a world may intervene; stores and ports call it."""

    def between(self, place: str) -> None:
        """Outside any transaction: anything may happen."""

    def inside(self, place: str) -> None:
        """Inside a transaction of a store that lets nobody else in: only the process may die."""


def _never() -> bool:
    return False


class Perils:
    """Decides by seed what happens at which step; see `Steps`."""

    is_out_of_time: Callable[[], bool] = staticmethod(_never)  # whether the run is killed now

    def __init__(self, random: Random, one_in: Mapping[str, int], world: Intervening) -> None:
        self._random = random
        self._world = world
        self._kinds = list(one_in)
        self._weights = [1 / each for each in one_in.values()]
        self.is_calm = not self._kinds
        self.count = 0
        self.faults: Counter[str] = Counter()
        self.crashes: Counter[str] = Counter()  # by place
        self._steps_left = self._draw() if self._kinds else 0

    def _draw(self) -> int:
        """How many steps pass quietly; one draw for many steps keeps a step cheap."""
        return int(self._random.expovariate(sum(self._weights))) + 1

    def _due(self) -> str | None:
        """What happens at this step, as a rule nothing."""
        self.count += 1
        if self.is_calm:
            return None
        self._steps_left -= 1
        if self._steps_left > 0:
            return None
        self._steps_left = self._draw()
        return self._random.choices(self._kinds, self._weights)[0]

    def between(self, place: str) -> None:
        """See `Steps`."""
        if self.is_out_of_time():
            self.faults["killed by the time-out"] += 1
            self._crash(place, ", its time is over")
        match self._due():
            case "crash":
                self._crash(place)
            case "store error" if place in (BEFORE_STORE, AFTER_READING, COMMITTED):
                self.faults["store error"] += 1
                self._world.tell(f"the store fails: {place}")
                raise StoreFailure(place)
            case "overlap":
                self._world.overlap()
            case "stall":
                self._world.stall(place)
            case "clock step":
                self._world.step_clock()
            case _:
                pass

    def inside(self, place: str) -> None:
        """See `Steps`."""
        if self._due() == "crash":
            self.faults["crash inside a transaction"] += 1
            self._crash(INSIDE, f", {place}")

    def _crash(self, where: str, exactly: str = "") -> None:
        place = where + exactly
        self.faults["crash"] += 1
        self.crashes[where] += 1
        self._world.tell(f"the process dies: {place}")
        raise Crash(place)
