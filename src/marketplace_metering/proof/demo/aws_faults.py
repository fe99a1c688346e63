"""Faults of AWS and of the way to it, drawn by seed and planned through the simulator's faults.

The longer a request, the likelier something happens to it; and on this day AWS is down for some
hours, and one buyer's account is suspended for some.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable
from datetime import datetime

from marketplace_metering.core.batch import Batch
from marketplace_metering.core.ledger import EntryKey, State
from marketplace_metering.core.outcome import Answered, Lost, RequestRefused
from marketplace_metering.ports import Marketplace
from marketplace_metering.proof.demo.listings import AWS_IS_DOWN, SUSPENDED, SUSPENSION, Span
from marketplace_metering.simulator import FaultySimulator
from marketplace_metering.simulator.faults import (
    Chance,
    Fault,
    Missing,
    NotSubscribed,
    ServerError,
    Shuffled,
    Throttle,
    Unprocessed,
)
from marketplace_metering.simulator.faults import Lost as LostAnswer

SUNSHINE = 0
STORM = 1

# A request of 25 records fares ill four times in ten, one of a single record once in thirty.
PER_MILLE_BASE = 15
PER_MILLE_PER_RECORD = 16

OUTAGE = "AWS is down"
SUSPENDED_BUYER = "buyer suspended"
# What strikes, and how many cards of a deck it has: dealt, so that each kind comes every day.
DECK: tuple[tuple[str, Fault, int], ...] = (
    ("throttled", Throttle(), 4),
    ("error before the work", ServerError(), 2),
    ("error after the work", ServerError(after_acceptance=True), 2),
    ("answer lost", LostAnswer(after_acceptance=True), 5),
    ("request lost", LostAnswer(after_acceptance=False), 2),
    ("records unprocessed", Unprocessed(), 4),
    ("results missing", Missing(), 2),
    ("results shuffled", Shuffled(), 4),
)


class Weather:
    """Stands before AWS's API: counts what is sent, and plans what happens to each request."""

    def __init__(
        self, faults: FaultySimulator, now: Callable[[], datetime], seed: int, strength: int
    ) -> None:
        self._faults = faults
        self._now = now
        self._random = random.Random(seed)  # noqa: S311 - repeatable faults, no secrets
        self._strength = strength
        self._deck: list[tuple[str, Fault]] = []
        self.injected: Counter[str] = Counter()
        self.requests = 0
        self.retries_of_refused = 0

    def over(self, marketplace: Marketplace) -> Marketplace:
        """The marketplace under this weather."""
        return _Exposed(marketplace, self)

    def strike(self, batch: Batch) -> None:
        """Decide what happens to the next request."""
        self.requests += 1
        self.retries_of_refused += batch.entries[0].state is State.PARKED
        struck = self._struck(batch) if self._strength else []
        self.injected.update(name for name, _fault in struck)
        chances = [Chance(fault, 1) for _name, fault in struck]
        self._faults.plan(chances=chances, seed=self.requests)

    def _struck(self, batch: Batch) -> list[tuple[str, Fault]]:
        if self._is_now(AWS_IS_DOWN):
            return [(OUTAGE, ServerError())]
        struck = self._by_chance(batch)
        accounts = {entry.window.meter.account for entry in batch.entries}
        if SUSPENDED.account in accounts and self._is_now(SUSPENSION):
            struck.append((SUSPENDED_BUYER, NotSubscribed(SUSPENDED.account)))
        return struck

    def _by_chance(self, batch: Batch) -> list[tuple[str, Fault]]:
        size = len(batch.entries)
        if self._below(1_000) >= PER_MILLE_BASE + PER_MILLE_PER_RECORD * size:
            return []
        if not self._deck:
            self._deck = [(name, fault) for name, fault, cards in DECK for _card in range(cards)]
            self._random.shuffle(self._deck)
        name, fault = self._deck.pop()
        if size == 1 and isinstance(fault, Shuffled):  # one result has only one order
            self._deck.insert(0, (name, fault))
            return []
        return [(name, fault)]

    def _below(self, limit: int) -> int:
        return int(self._random.random() * limit)

    def _is_now(self, span: Span) -> bool:
        return span[0] <= self._now() < span[1]


class _Exposed:
    """See `ports.Marketplace`."""

    def __init__(self, marketplace: Marketplace, weather: Weather) -> None:
        self._marketplace = marketplace
        self._weather = weather

    def take_turn(self) -> None:
        self._marketplace.take_turn()

    def submit(self, batch: Batch) -> Answered[EntryKey] | RequestRefused | Lost:
        self._weather.strike(batch)
        return self._marketplace.submit(batch)
