"""The stores that a test which is about money runs over: one test, every store.

`sqlite` is the embedded store in memory. `dynamodb` is the store on AWS over the simulated
DynamoDB, and `dynamodb-lagging` the same with indexes that show nothing of what a step writes
until that step is over.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass

from marketplace_metering.adapters.dynamodb import DynamoReports, DynamoStore, table_names
from marketplace_metering.adapters.dynamodb.items.tables import definitions
from marketplace_metering.ports import Clock, OpenStore
from marketplace_metering.proof.fake_dynamodb import FakeDynamoDb, Faults
from marketplace_metering.proof.fake_dynamodb.client import FaultInjector
from marketplace_metering.proof.fake_dynamodb.tables import Table
from marketplace_metering.proof.worlds.dynamodb_store import Client
from marketplace_metering.wiring import open_store

SQLITE, DYNAMODB, LAGGING = "sqlite", "dynamodb", "dynamodb-lagging"
KINDS = (SQLITE, DYNAMODB, LAGGING)
PREFIX = "Tested"


class NothingBetween:
    """The world beside a request in which nothing happens."""

    def between(self, place: str) -> None:
        """Not before and after it."""

    def inside(self, place: str) -> None:
        """Nor during it."""


class Behind(FaultInjector):
    """Indexes show what is written only when they are told to."""

    def visible_at(self) -> int:
        return sys.maxsize


def _nothing() -> None:
    """An index of this store is never behind."""


@dataclass(frozen=True, slots=True)
class TestedStore:
    """A store, and how its indexes come to show what was written."""

    __test__ = False  # pytest, it is no test

    kind: str
    opened: OpenStore
    catch_up: Callable[[], None] = _nothing


@contextmanager
def new_store(kind: str, clock: Clock) -> Iterator[TestedStore]:
    """An empty store of a kind."""
    if kind == SQLITE:
        opened = open_store("sqlite:///:memory:")
        with closing(opened):
            yield TestedStore(kind, opened)
        return
    injector = (Behind if kind == LAGGING else FaultInjector)(Faults(), seed=0)
    tables = {table.name: table for table in map(Table, definitions(PREFIX))}
    client = Client(tables, injector, NothingBetween())

    def catch_up() -> None:
        for table in tables.values():
            for index in table.indexes.values():
                index.catch_up(sys.maxsize)

    yield TestedStore(kind, in_dynamodb(client, clock), catch_up)


def in_dynamodb(client: FakeDynamoDb, clock: Clock) -> OpenStore:
    """The store on AWS in the tables of a client, as a process of its own sees it."""
    names = table_names(PREFIX)
    # One worker: threads would take the simulated requests in an order of their own.
    store = DynamoStore(client, names, now=clock.now, pause=clock.sleep, workers=1)
    reports = DynamoReports(client, names, now=clock.now)
    return OpenStore(store, reports, store.corrections(), store.close)
