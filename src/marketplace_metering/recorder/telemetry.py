"""A recorder's counters as OpenTelemetry metrics; needs the package opentelemetry-api."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Protocol

from marketplace_metering.recorder.stats import RecorderStats

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


class Counting(Protocol):
    """A recorder, of either kind."""

    def stats(self) -> RecorderStats:
        """The counters so far."""


def observe(recorder: Counting, meter: Meter | None = None) -> None:
    """Publish the counters of a recorder; they are read when metrics are collected.

    Without a meter, the one of OpenTelemetry's global provider is taken.
    """
    try:
        from opentelemetry import metrics
    except ImportError as error:
        raise ImportError(
            "metrics need OpenTelemetry: pip install opentelemetry-api (or read recorder.stats())"
        ) from error
    meter = meter or metrics.get_meter("marketplace_metering.recorder")

    def reading(name: str) -> Callable[[CallbackOptions], Iterable[Observation]]:
        def read(_options: CallbackOptions) -> Iterable[Observation]:
            yield metrics.Observation(getattr(recorder.stats(), name))

        return read

    for name, text in COUNTERS.items():
        meter.create_observable_counter(PREFIX + name, [reading(name)], description=text)
    for name, text in GAUGES.items():
        meter.create_observable_gauge(PREFIX + name, [reading(name)], description=text)
