"""The in-process simulator as AWS, without boto3 between, and how long it takes itself."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import cast

from benchmarks.measuring import Spent
from marketplace_metering.core.batch import Batch
from marketplace_metering.core.ledger import EntryKey
from marketplace_metering.core.outcome import Answered, Lost, RequestRefused, read_error
from marketplace_metering.core.wire import read_response, request
from marketplace_metering.simulator import MarketplaceSimulator


class DirectMarketplace:
    """See `ports.Marketplace`."""

    def __init__(self, at: datetime) -> None:
        self.simulator = MarketplaceSimulator(requests_per_second=None)
        self.spent = Spent()  # what is AWS's part, not ours
        self._at = at

    def take_turn(self) -> None:
        """No quota is measured here."""

    def submit(self, batch: Batch) -> Answered[EntryKey] | RequestRefused | Lost:
        """One request, straight to the rules."""
        body = request(batch.entries)
        with self.spent.counting():
            answer = self.simulator.answer("BatchMeterUsage", body, self._at)
        said = cast("Mapping[str, str]", answer.body)
        if answer.status != 200:
            return read_error(said["__type"], answer.status, said["message"])
        return read_response(batch.entries, said)
