"""From a URL to a store."""

from __future__ import annotations

from pathlib import Path

import pytest

from marketplace_metering.adapters.dynamodb import DynamoReports, DynamoStore
from marketplace_metering.adapters.sqlite import SqliteStore
from marketplace_metering.core.policy import InvalidSettingError
from marketplace_metering.wiring import open_store


def test_a_file(tmp_path: Path) -> None:
    opened = open_store(f"sqlite:///{tmp_path}/metering.db")
    assert isinstance(opened.store, SqliteStore)
    assert list(opened.reports.balances()) == []
    opened.close()


@pytest.mark.parametrize("name", ["my-stack", "my-stack-MeteringRecords"])
def test_the_tables_of_a_stack(name: str) -> None:
    opened = open_store(f"dynamodb://{name}")
    assert isinstance(opened.store, DynamoStore)
    assert isinstance(opened.reports, DynamoReports)
    assert opened.store.names.ledger == "my-stack-MeteringLedger"


@pytest.mark.parametrize(
    "url",
    [
        "",
        "metering.db",
        "sqlite:///",
        "sqlite://metering.db",
        "dynamodb://",
        "dynamodb://a b",
        "x:",
    ],
)
def test_what_names_no_store_is_refused_with_what_does(url: str) -> None:
    with pytest.raises(InvalidSettingError, match=r"sqlite:///file.*dynamodb://"):
        open_store(url)
