"""Every store adapter is put through one suite; an adapter exists when it is in this list.

The store on AWS is here three times: over the stand-in for DynamoDB that the simulation uses, over
the same with DynamoDB's own faults, and over an emulator. So the suite also says that the stand-in
tells the truth.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, closing, contextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

import boto3
import pytest

from marketplace_metering.adapters.dynamodb import (
    DynamoReports,
    DynamoStore,
    TableNames,
    create_tables,
    table_names,
)
from marketplace_metering.adapters.dynamodb.api.attributes import attribute_of
from marketplace_metering.ports import OpenStore, Store
from marketplace_metering.proof.fake_dynamodb import Faults
from marketplace_metering.recorder.sinks.dynamodb import DynamoDBSink
from marketplace_metering.recorder.sinks.port import Sink
from marketplace_metering.recorder.sinks.sqlite import SqliteSink
from marketplace_metering.wiring import open_store
from tests.deploy.emulator import REGION, emulator
from tests.support.clock import utc
from tests.support.stand_in import StandIn

# Opens one and the same store again and again, as several processes or a restart would.
Open = Callable[[], AbstractContextManager[Store]]
OpenAll = Callable[[], AbstractContextManager[OpenStore]]

FAULTS = {
    "dynamodb-fake": Faults(),
    # Not `lagging`, the subject of tests/dynamodb/test_stale_index.py; and not `repeated`, after
    # which an intake cannot tell its own usage from that of an earlier input (see `ports.Taken`).
    "dynamodb-fake-with-faults": Faults(throttled=10, conflicts=15, partly=10, page=3),
}
EMULATED = pytest.param("dynamodb-emulator", marks=pytest.mark.xdist_group("contract on emulator"))
# Only one connection ever sees an SQLite store in memory.
LASTING = ["sqlite-file", *FAULTS, EMULATED]
ALL = ["sqlite-memory", *LASTING]


@dataclass(frozen=True)
class Fresh:
    """A new, empty store: how it is opened, and where a recorder delivers to it."""

    open: OpenAll
    sink: Callable[[], Sink]
    knows_events_by_id_alone: bool  # not by id and second
    put_plainly: Callable[[Mapping[str, object]], None] | None = None  # PutItem into its table


_prefixes = (f"contract-{number}" for number in count())


@pytest.fixture(scope="session")
def emulated_dynamodb(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A client of an emulator."""
    with emulator(tmp_path_factory.mktemp("emulator")) as running:
        yield boto3.client("dynamodb", endpoint_url=running.url, region_name=REGION)


def _in_sqlite(path: str) -> Fresh:
    @contextmanager
    def open_again() -> Iterator[OpenStore]:
        opened = open_store(f"sqlite:///{path}")
        with closing(opened):
            yield opened

    return Fresh(open_again, lambda: SqliteSink(f"sqlite:///{path}"), True)


def _in_dynamodb(client: Any, names: TableNames) -> Fresh:
    def noon() -> datetime:
        return utc("12:30")  # later than all usage; tests name the instants that they mean

    def no_pause(_seconds: float) -> None:
        """What is to be asked again is asked at once."""

    @contextmanager
    def open_again() -> Iterator[OpenStore]:
        store = DynamoStore(client, names, now=noon, pause=no_pause)
        reports = DynamoReports(client, names, now=noon)
        yield OpenStore(store, reports, store.corrections(), store.close)

    def put_plainly(item: Mapping[str, object]) -> None:
        attributes = {name: attribute_of(value) for name, value in item.items()}
        client.put_item(TableName=names.records, Item=attributes)

    sink = partial(DynamoDBSink, names.records, client=client)
    return Fresh(open_again, sink, False, put_plainly)


def _maker(kind: str, request: pytest.FixtureRequest) -> Callable[[], Fresh]:
    """Makes new stores of one kind, each of them empty."""
    numbers = count()

    def make() -> Fresh:
        if kind == "sqlite-memory":
            return _in_sqlite(":memory:")
        if kind == "sqlite-file":
            folder: Path = request.getfixturevalue("tmp_path")
            return _in_sqlite(str(folder / f"metering-{next(numbers)}.db"))
        prefix = next(_prefixes)
        if kind == "dynamodb-emulator":
            client = request.getfixturevalue("emulated_dynamodb")
            return _in_dynamodb(client, create_tables(client, prefix))
        return _in_dynamodb(StandIn(prefix, FAULTS[kind]), table_names(prefix))

    return make


@pytest.fixture(params=ALL)
def new(request: pytest.FixtureRequest) -> Callable[[], OpenAll]:
    """Makes new stores, each of them empty."""
    make = _maker(request.param, request)
    return lambda: make().open


@pytest.fixture
def opened(new: Callable[[], OpenAll]) -> Iterator[OpenStore]:
    """An empty store, with its reports and corrections."""
    with new()() as opened:
        yield opened


@pytest.fixture
def store(opened: OpenStore) -> Store:
    """An empty store."""
    return opened.store


@pytest.fixture(params=LASTING)
def fresh(request: pytest.FixtureRequest) -> Fresh:
    """An empty store that several processes can use."""
    return _maker(request.param, request)()


@pytest.fixture(params=[*FAULTS, EMULATED])
def guide_table(request: pytest.FixtureRequest) -> Fresh:
    """An empty store into whose table applications also put usage records themselves."""
    return _maker(request.param, request)()


@pytest.fixture
def shared(fresh: Fresh) -> Open:
    """Opens one and the same store again and again, as several processes or a restart would."""

    @contextmanager
    def open_again() -> Iterator[Store]:
        with fresh.open() as opened:
            yield opened.store

    return open_again
