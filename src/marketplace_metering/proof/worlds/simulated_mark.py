"""The mark of a store that has no place of its own for one: outside of it, as `FILE.mark` is."""

from __future__ import annotations

from marketplace_metering.core.copies import Mark, Sending
from marketplace_metering.proof.worlds.fault_injection import AFTER_READING, COMMITTED, Steps

BEFORE_MARK = "before a call to the mark"


class SimulatedMark:
    """See `ports.HighWaterMark`; the world may intervene before and after."""

    def __init__(self, steps: Steps) -> None:
        self._steps = steps
        self.sending: Sending | None = None

    def read(self) -> Mark | None:
        """What stands there."""
        self._steps.between(BEFORE_MARK)
        there = None if self.sending is None else Mark(self.sending)
        self._steps.between(AFTER_READING)
        return there

    def raise_to(self, sending: Sending) -> Mark:
        """One step."""
        self._steps.between(BEFORE_MARK)
        if self.sending is None or self.sending.number < sending.number:
            self.sending = sending
        there = Mark(self.sending)
        self._steps.between(COMMITTED)
        return there
