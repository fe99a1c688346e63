"""The simulation's stand-in for DynamoDB for tests: nothing happens between its requests."""

from __future__ import annotations

from collections.abc import Callable
from threading import Lock
from typing import Any

from marketplace_metering.adapters.dynamodb.items.tables import definitions, mark_definition
from marketplace_metering.proof.fake_dynamodb import FakeDynamoDb, Faults
from marketplace_metering.proof.fake_dynamodb.client import FaultInjector
from marketplace_metering.proof.fake_dynamodb.tables import Table


class _Quiet:
    """The world beside a request in which nothing happens."""

    def between(self, place: str) -> None:
        """Not before and after it."""

    def inside(self, place: str) -> None:
        """Nor during it."""


class StandIn:
    """A client of two empty tables; takes one request at a time, from whatever thread it comes."""

    def __init__(self, prefix: str, faults: Faults) -> None:
        made = map(Table, (*definitions(prefix), mark_definition(prefix)))
        self.tables = tables = {table.name: table for table in made}
        self._client = FakeDynamoDb(tables, FaultInjector(faults, seed=0), _Quiet())
        self._lock = Lock()

    def __getattr__(self, operation: str) -> Callable[..., Any]:
        call = getattr(self._client, operation)

        def locked(**parameters: Any) -> Any:
            with self._lock:
                return call(**parameters)

        return locked
