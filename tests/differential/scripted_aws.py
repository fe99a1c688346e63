"""An AWS that answers as it is told, and two stores alike: by what is asked, not by whom.

What becomes of an entry depends on its window's place among those of its request and on how often
it was tried; what becomes of a request on its number in the run. There are no rules in it: AWS may
say anything.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from zlib import crc32

from marketplace_metering.core.batch import Batch
from marketplace_metering.core.ledger import Entry, EntryKey
from marketplace_metering.core.outcome import (
    Accepted,
    Answered,
    Deferred,
    Duplicate,
    Fault,
    Lost,
    NoAnswer,
    NotSubscribed,
    Outcome,
    Refused,
    RequestRefused,
)

# What AWS may say of one entry.
OUTCOMES = (
    "accepted",
    "duplicate",
    "not subscribed",
    "another refusal",
    "unprocessed",
    "not mentioned",
)
# What may become of a whole request; `ok` is answered entry by entry.
REQUESTS: Mapping[str, RequestRefused | Lost | None] = {
    "ok": None,
    "no answer": Lost("the connection was closed"),
    "throttled": RequestRefused(Fault.THROTTLED, "ThrottlingException", "slow down"),
    "not reached": RequestRefused(Fault.UNREACHABLE, "EndpointConnectionError", "no connection"),
    "account refused": RequestRefused(Fault.ACCOUNT, "DisabledApiException", "not enabled"),
    "product refused": RequestRefused(Fault.PRODUCT, "InvalidProductCodeException", "unknown"),
}
MISSPELT = "api-callz"  # refuses the whole request of which it is a part


@dataclass(frozen=True, slots=True)
class Weather:
    """How AWS answers during one run."""

    requests: tuple[str, ...] = ()  # the first ones; the others are ok
    outcomes: tuple[str, ...] = ("accepted",)  # one after the other, round and round
    knows_all_dimensions: bool = False

    def __str__(self) -> str:
        said = [f"requests: {', '.join(self.requests)}"] if self.requests else []
        return "; ".join([*said, f"entries: {', '.join(self.outcomes)}"])


class ScriptedAws:
    """See `ports.Marketplace`."""

    def __init__(self) -> None:
        self.weather = Weather()
        self.requests = 0

    def begin(self, weather: Weather) -> None:
        """A run begins."""
        self.weather = weather
        self.requests = 0

    def take_turn(self) -> None:
        """There is no hurry to hold back."""

    def submit(self, batch: Batch) -> Answered[EntryKey] | RequestRefused | Lost:
        """One request."""
        number = self.requests
        self.requests += 1
        if number < len(self.weather.requests):
            answer = REQUESTS[self.weather.requests[number]]
            if answer is not None:
                return answer
        is_wrong = any(entry.window.meter.dimension == MISSPELT for entry in batch.entries)
        if is_wrong and not self.weather.knows_all_dimensions:
            return RequestRefused(
                Fault.USAGE, "InvalidUsageDimensionException", "no such dimension"
            )
        names = self.weather.outcomes
        in_order = sorted(batch.entries, key=lambda entry: _order(entry.key))
        return Answered({e.key: _outcome(names[n % len(names)], e) for n, e in enumerate(in_order)})


def _order(key: EntryKey) -> tuple[object, ...]:
    meter = key.window.meter
    names = (meter.product, meter.account, meter.dimension, meter.license_arn or "")
    return (*names, key.window.hour, key.serial)


def _outcome(name: str, entry: Entry) -> Outcome:
    match name:
        case "accepted":
            return Accepted(f"record-{crc32(str(_order(entry.key)).encode()):08x}")
        case "duplicate":
            return Duplicate("DuplicateRecord")
        case "not subscribed":
            return NotSubscribed("no subscription")
        case "another refusal":
            return Refused("ValidationException", "no such tag")
        case "unprocessed":
            return Deferred("UnprocessedRecords")
        case _:
            return NoAnswer("the answer does not mention it")
