"""What a command works with: settings, an open store, a clock, and AWS when it is needed."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import cached_property, wraps

import click

from marketplace_metering.adapters.machine import SystemClock
from marketplace_metering.adapters.sqlite import StoreUnusableError
from marketplace_metering.cli.options import Failure, NeedsPerson
from marketplace_metering.core.charter import Charter, charter_in
from marketplace_metering.core.copies import MarkUnusableError
from marketplace_metering.core.policy import InvalidSettingError
from marketplace_metering.jobs.admit import CharterError
from marketplace_metering.jobs.copies import RestoredStoreError
from marketplace_metering.ports import OpenStore, Ports, Reports
from marketplace_metering.settings import Settings, load
from marketplace_metering.wiring import DYNAMODB, open_ports, open_store


class Session:
    """One command's settings and clock, and its store, which is opened when it is first used."""

    def __init__(self, settings: Settings, exits: ExitStack) -> None:
        self.settings = settings
        self.clock = SystemClock()
        self._exits = exits

    @cached_property
    def opened(self) -> OpenStore:
        """The store, for all that a person may do with it."""
        opened = open_store(self.settings.store)
        self._exits.callback(opened.close)
        return opened

    @property
    def reports(self) -> Reports:
        """The reading side of the store."""
        return self.opened.reports

    @property
    def charter(self) -> Charter | None:
        """Where the ledger is billed, and its policy; None if nobody has written it yet."""
        return charter_in(self.opened.store.facts())

    @cached_property
    def ports(self) -> Ports:
        """Store, AWS, clock and notifier."""
        # With boto3, which a command that only reads the books does without.
        from marketplace_metering.adapters.aws.metering_api import OldModelError

        try:
            return open_ports(self.settings, self.opened.store, self.opened.mark)
        except OldModelError as error:
            raise Failure(str(error)) from error


def with_session(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the options `--store` and `--config`, and hand it the session they name.

    What goes wrong with the store is said, not traced; it is closed when the command ends.
    """

    @click.option(
        "--store",
        metavar="URL",
        help="Where usage and ledger are kept: sqlite:///FILE or dynamodb://STACK (or "
        "METERING_STORE; metering.db in the current folder if neither is given).",
    )
    @click.option("--config", metavar="FILE", help="Settings in TOML (or METERING_CONFIG).")
    @wraps(command)
    def run(store: str | None, config: str | None, **options: object) -> None:
        try:
            settings = load(os.environ, config, store)
            on_aws = settings.store.startswith(DYNAMODB)
            explained = _dynamodb_explained if on_aws else _sqlite_explained
            with explained(settings), ExitStack() as exits:
                command(Session(settings, exits), **options)
        except (InvalidSettingError, MarkUnusableError, CharterError) as error:
            raise Failure(str(error)) from error
        except RestoredStoreError as error:
            raise NeedsPerson(str(error)) from error

    return run


@contextmanager
def _sqlite_explained(settings: Settings) -> Iterator[None]:
    try:
        yield
    except StoreUnusableError as error:
        raise Failure(str(error)) from error
    except sqlite3.OperationalError as error:
        raise _unusable(settings, error) from error


@contextmanager
def _dynamodb_explained(settings: Settings) -> Iterator[None]:
    # With botocore, which a store in a file does without.
    from botocore.exceptions import BotoCoreError, ClientError

    from marketplace_metering.adapters.dynamodb import StoreBusyError, StoreError

    try:
        yield
    except ClientError as error:
        why: object = error
        if error.response.get("Error", {}).get("Code") == "ResourceNotFoundException":
            why = "there is no such stack in this account and region (AWS_REGION)"
        raise _unusable(settings, why) from error
    except (BotoCoreError, StoreBusyError, StoreError) as error:
        raise _unusable(settings, error) from error


def _unusable(settings: Settings, why: object) -> Failure:
    return Failure(
        f"the store {settings.store} cannot be used: {why}; nothing that was confirmed is lost, "
        "repeat the command when that is fixed"
    )
