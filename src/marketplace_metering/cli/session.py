"""What a command works with: settings, an open store, a clock, and AWS when it is needed."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property

from marketplace_metering.adapters.machine import SystemClock
from marketplace_metering.cli.options import Failure, load_settings
from marketplace_metering.core.policy import InvalidSettingError
from marketplace_metering.ports import OpenStore, Ports, Reports, Store
from marketplace_metering.settings import Settings
from marketplace_metering.wiring import DYNAMODB, open_ports, open_store


@dataclass
class Session:
    """One command's view of the world."""

    settings: Settings
    opened: OpenStore
    clock: SystemClock

    @property
    def store(self) -> Store:
        """Usage records and ledger."""
        return self.opened.store

    @property
    def reports(self) -> Reports:
        """The reading side of the store."""
        return self.opened.reports

    @cached_property
    def ports(self) -> Ports:
        """Store, AWS, clock and notifier."""
        from marketplace_metering.adapters.aws.metering_api import OldModelError

        try:
            return open_ports(self.settings, self.store)
        except OldModelError as error:
            raise Failure(str(error)) from error


@contextmanager
def session(config: str | None, store: str | None) -> Iterator[Session]:
    """Open the store for one command; what goes wrong with it is said, not traced."""
    settings = load_settings(config, store)
    on_aws = settings.store.startswith(DYNAMODB)
    with _on_aws(settings) if on_aws else _on_this_machine(settings):
        opened = open_store(settings.store, settings)
        try:
            yield Session(settings, opened, SystemClock())
        finally:
            opened.close()


def _unusable(settings: Settings, why: object) -> Failure:
    return Failure(
        f"the store {settings.store} cannot be used: {why}; nothing that was confirmed is lost, "
        "repeat the command when that is mended"
    )


@contextmanager
def _on_this_machine(settings: Settings) -> Iterator[None]:
    from marketplace_metering.adapters.sqlite import StoreUnusableError

    try:
        yield
    except (StoreUnusableError, InvalidSettingError) as error:
        raise Failure(str(error)) from error
    except sqlite3.OperationalError as error:
        raise _unusable(settings, error) from error


@contextmanager
def _on_aws(settings: Settings) -> Iterator[None]:
    from botocore.exceptions import BotoCoreError, ClientError

    from marketplace_metering.adapters.dynamodb import StoreBusyError, StoreError

    try:
        yield
    except InvalidSettingError as error:
        raise Failure(str(error)) from error
    except ClientError as error:
        said = error.response.get("Error", {})
        if said.get("Code") == "ResourceNotFoundException":
            why = "there is no such stack in this account and region (AWS_DEFAULT_REGION)"
            raise _unusable(settings, why) from error
        raise _unusable(settings, error) from error
    except (BotoCoreError, StoreBusyError, StoreError) as error:
        raise _unusable(settings, error) from error
