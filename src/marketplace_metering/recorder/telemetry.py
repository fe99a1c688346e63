"""A recorder's counters: `stats()` for people, `observe()` for OpenTelemetry."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from opentelemetry.metrics import CallbackOptions, Meter, Observation

COUNTERS = {
    "recorded": "Calls acknowledged",
    "repeated": "Calls with an event that was known already",
    "added": "Usage records that the store took",
    "already_there": "Usage records that the store had already",
    "refused": "Events whose id was recorded before with other content",
    "dropped": "Calls that were not recorded, because the spool was full",
    "failed_rounds": "Tries at the store after which something was left",
}
GAUGES = {
    "waiting_calls": "Calls that are not frozen into usage records yet",
    "waiting_batches": "Batches on the way to the store",
    "waiting_bytes": "Bytes in the spool or in memory",
}
PREFIX = "marketplace_metering.recorder."


@dataclass(slots=True)
class RecorderStats:
    """A recorder's counters since it was made, and what waits now.

    recorded         calls acknowledged
    repeated         of these, events that the same flush knew already
    added            usage records that the store took
    already_there    usage records that the store had already: an answer was lost, or another
                     process was first
    refused          events whose id was recorded before with other content; alarm above 0
    dropped          calls that were not recorded, because the spool was full; alarm above 0
    failed_rounds    tries at the store after which something was left
    waiting_calls    calls that are not frozen into usage records yet
    waiting_batches  files (or lists) of frozen usage records on the way to the store; alarm when
                     it grows
    waiting_bytes    bytes of both, in the spool or in memory
    last_failure     why something was left in the latest round, without secrets; None if nothing is

    What waits includes what dead processes left in the spool and this recorder took over.
    """

    recorded: int = 0
    repeated: int = 0
    added: int = 0
    already_there: int = 0
    refused: int = 0
    dropped: int = 0
    failed_rounds: int = 0
    waiting_calls: int = 0
    waiting_batches: int = 0
    waiting_bytes: int = 0
    last_failure: str | None = None


class Counting(Protocol):
    """A recorder, of either kind."""

    def stats(self) -> RecorderStats:
        """The counters so far."""


def observe(recorder: Counting, meter: Meter | None = None) -> None:
    """Publish a recorder's counters as metrics `marketplace_metering.recorder.*`.

    recorder  a UsageRecorder or AsyncUsageRecorder; it is asked when metrics are collected
    meter     whose metrics they are; default: a meter of OpenTelemetry's global provider

    Raises ImportError if the package opentelemetry-api is not installed.
    """
    try:
        from opentelemetry import metrics
    except ImportError as error:
        raise ImportError(
            "metrics need OpenTelemetry: pip install opentelemetry-api (or read recorder.stats())"
        ) from error
    meter = meter or metrics.get_meter("marketplace_metering.recorder")

    def reading(name: str) -> Callable[[CallbackOptions], Iterable[Observation]]:
        return lambda _options: [metrics.Observation(getattr(recorder.stats(), name))]

    for name, text in COUNTERS.items():
        meter.create_observable_counter(PREFIX + name, [reading(name)], description=text)
    for name, text in GAUGES.items():
        meter.create_observable_gauge(PREFIX + name, [reading(name)], description=text)
