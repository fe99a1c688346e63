from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from marketplace_metering.aws_lambda import app, telemetry
from tests.aws_lambda.world import LambdaWorld
from tests.support.clock import utc


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> Iterator[LambdaWorld]:
    """Ten past ten on an ordinary day: nine o'clock's usage can be sealed."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    made = LambdaWorld(utc("10:10"))
    monkeypatch.setattr(app, "job_app", lambda: made.app)
    monkeypatch.setattr(app, "processor_app", lambda: made.app)
    yield made
    made.store.close()


@pytest.fixture
def log_lines(monkeypatch: pytest.MonkeyPatch) -> Callable[[], list[dict[str, Any]]]:
    """What was logged."""
    written = io.StringIO()
    monkeypatch.setattr(telemetry.log.registered_handler, "stream", written)
    return lambda: [json.loads(line) for line in written.getvalue().splitlines()]


@pytest.fixture
def measured(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[Callable[[], list[dict[str, Any]]]]:
    """The metric documents that were written since the last look."""
    monkeypatch.setattr(telemetry.metrics.provider, "service", "shop")
    telemetry.metrics.clear_metrics()

    def look() -> list[dict[str, Any]]:
        lines = capsys.readouterr().out.splitlines()
        return [json.loads(line) for line in lines if '"_aws"' in line]

    yield look
    telemetry.metrics.clear_metrics()
