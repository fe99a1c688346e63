"""The alarms watch what the handlers really measure."""

from __future__ import annotations

import json

import pytest

from marketplace_metering.aws_lambda import app, job, processor, telemetry
from marketplace_metering.simulator.faults import NotSubscribed, Scheduled
from tests.aws_lambda.world import LambdaWorld, event
from tests.deploy.reading import alarms, properties
from tests.support.clock import utc


def _measured(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> set[str]:
    """The names of all metrics of a day on which usage is refused and a run fails."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    monkeypatch.setattr(telemetry.metrics.provider, "service", "shop")
    world = LambdaWorld(utc("10:10"))
    monkeypatch.setattr(app, "job_app", lambda: world.app)
    monkeypatch.setattr(app, "processor_app", lambda: world.app)
    world.record("09:10", 5)
    job.handler(event("scheduled"), world.context())
    world.faults.plan([Scheduled(NotSubscribed())])
    processor.handler(event("doorbell"), world.context(180))
    world.store.close()
    processor.handler(event("doorbell"), world.context(180))
    lines = [line for line in capsys.readouterr().out.splitlines() if '"_aws"' in line]
    names = set()
    for document in map(json.loads, lines):
        (directive,) = document["_aws"]["CloudWatchMetrics"]
        assert directive["Dimensions"] == [["service"]]
        names |= {each["Name"] for each in directive["Metrics"]}
    return names


def test_every_metric_that_an_alarm_watches_is_measured(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    own = [each for each in alarms().values() if each["Namespace"] == telemetry.NAMESPACE]
    assert len(own) == 7
    for alarm in own:
        assert alarm["Dimensions"] == [{"Name": "service", "Value": {"Ref": "AWS::StackName"}}]

    assert {alarm["MetricName"] for alarm in own} <= _measured(monkeypatch, capsys)


def test_the_functions_measure_as_the_stack() -> None:
    for name in ("MeteringJob", "MeteringProcessor"):
        variables = properties(name)["Environment"]["Variables"]
        assert variables["POWERTOOLS_SERVICE_NAME"] == {"Ref": "AWS::StackName"}
        assert variables["POWERTOOLS_METRICS_NAMESPACE"] == telemetry.NAMESPACE


def test_the_other_alarms_watch_what_aws_measures() -> None:
    others = {
        (alarm["Namespace"], alarm["MetricName"])
        for alarm in alarms().values()
        if alarm["Namespace"] != telemetry.NAMESPACE
    }
    assert others == {
        ("AWS/Lambda", "Errors"),
        ("AWS/Lambda", "Throttles"),
        ("AWS/SQS", "ApproximateNumberOfMessagesVisible"),
    }
