"""Settings with which nothing would be billed are refused at the start: exit 2, with the values."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from marketplace_metering.simulator.server import Running
from tests.cli.conftest import Metering, usage


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("METERING_WINDOW_LENGTH_HOURS", "1", "window_length_hours = 1 refused: must be above 2.1"),
        ("METERING_WINDOW_LENGTH_HOURS", "nan", "window_length_hours = nan refused"),
        ("METERING_GRACE_SECONDS", "inf", "grace_seconds = inf refused"),
        ("METERING_PATIENCE_SECONDS", "1e300", "patience_seconds = 1e300 refused"),
        ("METERING_REQUESTS_PER_SECOND", "1e-320", "at least 0.0167, which is one a minute"),
        ("METERING_RECORD_RETENTION_DAYS", "nan", "record_retention_days = nan refused"),
        ("METERING_REGION", "cn-northwest-1", "AWS China is not supported"),
        ("AWS_REGION", "cn-northwest-1", "AWS_REGION = cn-northwest-1 refused"),
        ("AWS_DEFAULT_REGION", "us-gov-west-1", "AWS_DEFAULT_REGION = us-gov-west-1 refused"),
    ],
)
def test_at_the_start(
    name: str, value: str, said: str, metering: Metering, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert metering("record", "-", stdin=usage()).exit_code == 0
    monkeypatch.setenv(name, value)
    for command in ("seal", "submit", "run"):
        result = metering(command)
        assert result.exit_code == 2
        assert said in " ".join(result.stderr.split())


def test_in_a_file(metering: Metering, tmp_path: Path) -> None:
    (tmp_path / "metering.toml").write_text("window_length_hours = 3\ngrace_seconds = 3600\n")
    result = metering("run", "--config", "metering.toml")
    assert result.exit_code == 2
    assert "window_length_hours = 3 refused: must be above 3.08333" in result.stderr


def test_usage_records_are_taken_whatever_the_region_is(
    metering: Metering, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The application's shell is in China, say; what it records is metered elsewhere."""
    monkeypatch.setenv("AWS_REGION", "cn-north-1")
    assert metering("record", "-", stdin=usage()).exit_code == 0
    assert metering("status").exit_code == 0


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("window_length_hours", "1", "must be above 2.1"),
        ("region", "cn-northwest-1", "AWS China is not supported"),
        ("region", "eu-west-9", "must be a region where SaaS usage is metered"),
    ],
)
def test_in_the_ledger(name: str, value: str, said: str, metering: Metering) -> None:
    assert metering("run").exit_code == 0
    before = metering("ledger", "show", "--json").stdout
    result = metering("ledger", "set", name, value)
    assert result.exit_code == 2
    assert said in " ".join(result.stderr.split())
    assert metering("ledger", "show", "--json").stdout == before


def test_each_value_of_the_ledger_is_measured_with_the_others(metering: Metering) -> None:
    assert metering("run").exit_code == 0
    assert metering("ledger", "set", "window_length_hours", "3").exit_code == 0
    result = metering("ledger", "set", "grace_seconds", "3300")
    assert result.exit_code == 2
    assert "window_length_hours = 3 refused: must be above 3 with" in result.stderr
    assert metering("ledger", "set", "grace_seconds", "3299").exit_code == 0
    assert metering("run").exit_code == 0


def test_the_callers_settings_are_measured_with_the_ledgers(
    metering: Metering, monkeypatch: pytest.MonkeyPatch, simulator: Running
) -> None:
    assert metering("run").exit_code == 0
    assert metering("ledger", "set", "window_length_hours", "2.5").exit_code == 0
    metering("record", "-", stdin=usage())
    monkeypatch.setenv("METERING_SAFETY_MARGIN_SECONDS", "1800")
    result = metering("run")
    assert result.exit_code == 2
    words = " ".join(result.stderr.split())
    assert "window_length_hours = 2.5 refused: must be above 2.58333" in words
    assert "Nothing was sealed or sent" in words
    monkeypatch.delenv("METERING_SAFETY_MARGIN_SECONDS")
    assert metering("run").exit_code in (0, 3)
    shown = json.loads(metering("ledger", "show", "--json").stdout)
    assert shown["ledger"]["window_length_hours"] in (2.5, "2.5")
