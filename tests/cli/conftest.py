"""The real command line, in this process, on a store and a simulator of its own."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from marketplace_metering.cli.main import cli
from marketplace_metering.simulator import MarketplaceSimulator
from marketplace_metering.simulator.server import Running, running

Metering = Callable[..., Result]


@pytest.fixture
def simulator() -> Iterator[Running]:
    with running(MarketplaceSimulator(requests_per_second=None)) as server:
        yield server


@pytest.fixture
def metering(simulator: Running, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Metering:
    """Run one command; the store is a file in an empty folder, which is the current one."""
    monkeypatch.chdir(tmp_path)
    for name, value in {
        "AWS_ENDPOINT_URL_MARKETPLACE_METERING": simulator.url,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": "us-east-1",
        "METERING_REQUESTS_PER_SECOND": "1000",
        "METERING_RETRY_FIRST_SECONDS": "0.01",
        "COLUMNS": "120",
    }.items():
        monkeypatch.setenv(name, value)
    runner = CliRunner()

    def run(*arguments: str, stdin: str | None = None) -> Result:
        result = runner.invoke(cli, arguments, input=stdin)
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return result

    return run


def usage(**changes: Any) -> str:
    """The guide's example record as a line of JSON, with changes."""
    record: dict[str, Any] = {
        "customerAWSAccountId": "123456789012",
        "productCode": "abc123xyz456",
        "create_timestamp": 1708012345678,
        "dimension": "users",
        "quantity": 5,
        "metering_pending": "true",
    }
    record.update(changes)
    return json.dumps({name: value for name, value in record.items() if value is not None}) + "\n"
