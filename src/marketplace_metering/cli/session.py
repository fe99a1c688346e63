"""What a command works with: settings, an open store, a clock, and AWS when it is needed."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property

from marketplace_metering.adapters.sqlite import SqliteStore, StoreUnusableError
from marketplace_metering.adapters.system import SystemClock
from marketplace_metering.cli.options import Failure, load_settings
from marketplace_metering.core.policy import InvalidSettingError
from marketplace_metering.corrections import Corrections
from marketplace_metering.ports import Ports
from marketplace_metering.reports import Reports
from marketplace_metering.settings import Settings
from marketplace_metering.wiring import open_corrections, open_ports, open_reports, open_store


@dataclass
class Session:
    """One command's view of the world."""

    settings: Settings
    store: SqliteStore
    clock: SystemClock

    @cached_property
    def reports(self) -> Reports:
        """The reading side of the store."""
        return open_reports(self.store)

    @cached_property
    def corrections(self) -> Corrections:
        """What a person may do to listed usage records."""
        return open_corrections(self.store)

    @cached_property
    def ports(self) -> Ports:
        """Store, AWS, clock and notifier."""
        from marketplace_metering.adapters.marketplace_api import OldModelError

        try:
            return open_ports(self.settings, self.store)
        except OldModelError as error:
            raise Failure(str(error)) from error


@contextmanager
def session(config: str | None, store: str | None) -> Iterator[Session]:
    """Open the store for one command; what goes wrong with it is said, not traced."""
    settings = load_settings(config, store)
    try:
        opened = open_store(settings.store)
    except (StoreUnusableError, InvalidSettingError) as error:
        raise Failure(str(error)) from error
    try:
        yield Session(settings, opened, SystemClock())
    except sqlite3.OperationalError as error:
        raise Failure(
            f"the store {settings.store} cannot be used: {error}; nothing that was confirmed is "
            "lost, repeat the command when that is mended"
        ) from error
    finally:
        opened.close()
