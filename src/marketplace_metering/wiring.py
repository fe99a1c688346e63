"""The one place that puts adapters into ports.

Each adapter is imported when it is chosen: a store in a file loads no boto3.
"""

from __future__ import annotations

from pathlib import PurePosixPath

from marketplace_metering.core.identity import STACK_NAME
from marketplace_metering.core.policy import InvalidSettingError
from marketplace_metering.ports import HighWaterMark, OpenStore, Ports, Store
from marketplace_metering.settings import Settings

SQLITE = "sqlite:///"
DYNAMODB = "dynamodb://"
MEMORY = ":memory:"  # has no mark: nothing of it can be restored
RECORDS_TABLE = "-MeteringRecords"  # a store named by the table of its usage records is understood


def open_store(url: str, settings: Settings | None = None) -> OpenStore:
    """The store that a URL names; raises InvalidSettingError or StoreUnusableError."""
    if url.startswith(SQLITE) and PurePosixPath(url.removeprefix(SQLITE)).name:
        return _open_sqlite(url.removeprefix(SQLITE))
    stack = url.removeprefix(DYNAMODB).removesuffix(RECORDS_TABLE)
    if url.startswith(DYNAMODB) and STACK_NAME.fullmatch(stack):
        return _open_dynamodb(stack, settings)
    rule = "sqlite:///file, sqlite:////absolute/file, or dynamodb://the-name-of-a-stack"
    raise InvalidSettingError("store", url, rule)


def _open_sqlite(path: str) -> OpenStore:
    from marketplace_metering.adapters.sqlite import SqliteStore
    from marketplace_metering.adapters.sqlite.corrections import SqliteCorrections
    from marketplace_metering.adapters.sqlite.mark import FileMark
    from marketplace_metering.adapters.sqlite.recovery import SqliteRecovery
    from marketplace_metering.adapters.sqlite.reports import SqliteReports

    store = SqliteStore(path)
    corrections = SqliteCorrections(store.connection, store.identities)
    mark = None if path == MEMORY else FileMark(path)
    reports, recovery = SqliteReports(store.connection), SqliteRecovery(store)
    return OpenStore(store, reports, corrections, store.close, recovery, mark)


def _open_dynamodb(stack: str, settings: Settings | None) -> OpenStore:
    from marketplace_metering.adapters.aws.clients import connect
    from marketplace_metering.adapters.dynamodb import DynamoReports, DynamoStore, table_names
    from marketplace_metering.adapters.dynamodb.mark import TableMark

    client, names = connect("dynamodb"), table_names(stack)
    retention = settings.record_retention if settings is not None else None
    store = DynamoStore(client, names, retention=retention)
    reports = DynamoReports(client, names, billed_are_deleted=retention is not None)
    mark = TableMark(client, names)
    return OpenStore(store, reports, store.corrections(), store.close, store.recovery(), mark)


def open_ports(settings: Settings, store: Store, mark: HighWaterMark | None = None) -> Ports:
    """Everything that the use cases need, for one machine and AWS (or a simulator)."""
    from marketplace_metering.adapters.aws.metering_api import MarketplaceApi, connect
    from marketplace_metering.adapters.machine import LogNotifier, SystemClock

    clock = SystemClock()
    rate = settings.policy.requests_per_second
    marketplace = MarketplaceApi(connect(settings.region), clock, rate)
    return Ports(store, marketplace, clock, LogNotifier(), mark)
