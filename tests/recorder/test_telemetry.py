"""The counters as OpenTelemetry metrics."""

from __future__ import annotations

import sys

import pytest

from marketplace_metering.recorder.telemetry import COUNTERS, GAUGES, observe
from tests.recorder.build import BUYER, DIMENSION, ListSink, recorder


def test_counters_are_read_when_metrics_are_collected() -> None:
    from opentelemetry.sdk.metrics import MeterProvider
    from opentelemetry.sdk.metrics.export import InMemoryMetricReader, NumberDataPoint

    reader = InMemoryMetricReader()
    provider = MeterProvider([reader])
    with recorder(ListSink(), None) as usage:
        observe(usage, provider.get_meter("test"))
        for _ in range(3):
            usage.record(BUYER, DIMENSION, 1)
        usage.flush()
        usage.record(BUYER, DIMENSION, 1)
        data = reader.get_metrics_data()
    assert data is not None
    metrics = data.resource_metrics[0].scope_metrics[0].metrics
    points = {metric.name: next(iter(metric.data.data_points)) for metric in metrics}
    found = {
        name.removeprefix("marketplace_metering.recorder."): point.value
        for name, point in points.items()
        if isinstance(point, NumberDataPoint)
    }
    assert set(found) == set(COUNTERS) | set(GAUGES)
    assert (found["recorded"], found["added"], found["waiting_calls"]) == (4, 1, 1)
    provider.shutdown()


def test_without_opentelemetry_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "opentelemetry", None)
    with (
        recorder(ListSink(), None) as usage,
        pytest.raises(ImportError, match="pip install opentelemetry-api"),
    ):
        observe(usage)
