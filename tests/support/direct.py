"""The simulator behind the marketplace port without boto3 between: a tenth of the time a call.

Scenarios and money rules go through the real client; long runs of many requests go this way.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

from marketplace_metering.core.batch import Batch
from marketplace_metering.core.ledger import EntryKey
from marketplace_metering.core.outcome import Answered, Lost, RequestRefused, read_error
from marketplace_metering.core.wire import read_response, request
from marketplace_metering.ports import Clock
from marketplace_metering.simulator import Marketplace


class DirectMarketplace:
    """See `ports.Marketplace`."""

    def __init__(self, simulator: Marketplace, clock: Clock) -> None:
        self._simulator = simulator
        self._clock = clock

    def take_turn(self) -> None:
        """There is no hurry to hold back."""

    def submit(self, batch: Batch) -> Answered[EntryKey] | RequestRefused | Lost:
        """One request, straight to the rules."""
        now = self._clock.now()
        answer = self._simulator.answer("BatchMeterUsage", request(batch.entries), now)
        if answer.loss is not None:
            return Lost(str(answer.loss))
        body = cast("Mapping[str, str]", answer.body)
        if answer.status != 200:
            return read_error(body["__type"], answer.status, body["message"])
        return read_response(batch.entries, body)
