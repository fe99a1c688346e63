"""An emulator for the session and new tables for each test."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count
from typing import Any

import boto3
import pytest

from marketplace_metering.adapters.dynamodb import TableNames, create_tables
from tests.deploy.emulator import REGION, emulator
from tests.dynamodb.world import TwoTables

_numbers = count()


@pytest.fixture(scope="session")
def dynamodb(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A client of the emulator."""
    with emulator(tmp_path_factory.mktemp("emulator")) as running:
        yield boto3.client("dynamodb", endpoint_url=running.url, region_name=REGION)


@pytest.fixture
def tables(dynamodb: Any) -> Iterator[TableNames]:
    """Two empty tables."""
    names = create_tables(dynamodb, f"shop-{next(_numbers)}")
    yield names
    for name in names:
        dynamodb.delete_table(TableName=name)


@pytest.fixture
def world(dynamodb: Any, tables: TableNames) -> TwoTables:
    """A seller whose usage is in DynamoDB."""
    return TwoTables(dynamodb, tables)
