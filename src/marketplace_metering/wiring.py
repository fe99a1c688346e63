"""The one place that puts adapters into ports."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from marketplace_metering.core.policy import InvalidSettingError
from marketplace_metering.settings import Settings

if TYPE_CHECKING:
    from marketplace_metering.adapters.sqlite import SqliteStore
    from marketplace_metering.adapters.sqlite.corrections import SqliteCorrections
    from marketplace_metering.adapters.sqlite.reports import SqliteReports
    from marketplace_metering.ports import Ports

SQLITE = "sqlite:///"


def open_store(url: str) -> SqliteStore:
    """The store that a URL names; raises InvalidSettingError or StoreUnusableError."""
    from marketplace_metering.adapters.sqlite import SqliteStore

    path = url.removeprefix(SQLITE)
    if path == url or not path or not PurePosixPath(path).name:
        raise InvalidSettingError("store", url, "sqlite:///file or sqlite:////absolute/file")
    return SqliteStore(path)


def open_reports(store: SqliteStore) -> SqliteReports:
    """The reading side of a store."""
    from marketplace_metering.adapters.sqlite.reports import SqliteReports

    return SqliteReports(store.connection)


def open_corrections(store: SqliteStore) -> SqliteCorrections:
    """What a person may do to listed usage records."""
    from marketplace_metering.adapters.sqlite.corrections import SqliteCorrections

    return SqliteCorrections(store.connection, store.identities)


def open_ports(settings: Settings, store: SqliteStore) -> Ports:
    """Everything that the use cases need, for one machine and AWS (or a simulator)."""
    from marketplace_metering.adapters.log import LogNotifier
    from marketplace_metering.adapters.marketplace_api import MarketplaceApi, connect
    from marketplace_metering.adapters.system import SystemClock
    from marketplace_metering.ports import Ports

    clock = SystemClock()
    rate = settings.policy.requests_per_second
    marketplace = MarketplaceApi(connect(settings.region), clock, rate)
    return Ports(store, marketplace, clock, LogNotifier())
