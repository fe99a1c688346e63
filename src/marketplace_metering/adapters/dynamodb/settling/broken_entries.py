"""Entries that cannot be read, decided on or written: they are left, and people are told daily."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import datetime
from hashlib import sha256

from marketplace_metering.adapters.dynamodb.items.alarm import Alarms
from marketplace_metering.adapters.dynamodb.items.keys import Place
from marketplace_metering.core.ledger import Alarm, AlarmKind

logger = logging.getLogger("marketplace_metering.adapters.dynamodb.settling")

WORDS_KEPT = 500


class BrokenEntries:
    """Those of a store that this process has met."""

    def __init__(self, alarms: Alarms, now: Callable[[], datetime]) -> None:
        self._alarms = alarms
        self._now = now
        self._told: dict[Place, datetime] = {}  # of what was read: the start of the day

    def __contains__(self, place: Place) -> bool:
        """Whether this process has met it today: to try it again at once would never end."""
        return self._told.get(place) == self._today()

    def _today(self) -> datetime:
        return self._now().replace(hour=0, minute=0, second=0, microsecond=0)

    def tell(self, place: Place, error: Exception) -> None:
        """Log the error, and raise one alarm a day for each entry, whoever meets it."""
        if place in self:
            return
        now, today = self._now(), self._today()
        why = f"{type(error).__name__}: {error}"[:WORDS_KEPT]
        words = (
            f"the ledger's item {place} cannot be read or changed; it is left as it is, and all "
            f"others are settled. If a newer version has written it, update this one. It says: "
            f"{why}"
        )
        logger.error("%s", words, exc_info=error)
        about = int.from_bytes(sha256(str(place).encode()).digest()[:8])
        alarm = Alarm(AlarmKind.UNSTORABLE, None, None, words, now)
        self._alarms.raise_once(alarm, today, about)
        self._told[place] = today
