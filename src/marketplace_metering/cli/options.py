"""What the commands share: exit codes, options, and errors that the user can mend."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from marketplace_metering.settings import Settings

OK = 0
FAILED = 1  # something is wrong with this program or the books do not balance
USAGE = 2  # wrong options, settings, or a store that cannot be opened
ATTENTION = 3  # done, but some usage was refused or is listed: a person has to look
UNFINISHED = 4  # AWS was not reached or refused the account: run again, nothing is lost

Command = TypeVar("Command", bound=Callable[..., Any])


class Failure(click.ClickException):
    """An error that the user can mend; the message says how."""

    exit_code = USAGE


def store_options(command: Command) -> Command:
    """Options of every command that works on a store."""
    command = click.option(
        "--config",
        metavar="FILE",
        help="Settings in TOML (or METERING_CONFIG).",
    )(command)
    return click.option(
        "--store",
        metavar="URL",
        help="Where usage and ledger are kept: sqlite:///FILE or dynamodb://STACK (or "
        "METERING_STORE; metering.db in the current folder if neither is given).",
    )(command)


def json_option(command: Command) -> Command:
    """`--json`, for commands that report."""
    return click.option("--json", "as_json", is_flag=True, help="Report as one JSON object.")(
        command
    )


def load_settings(config: str | None, store: str | None) -> Settings:
    """The settings, or a Failure that says what to correct."""
    from marketplace_metering.core.policy import InvalidSettingError
    from marketplace_metering.settings import load

    try:
        return load(os.environ, config, store)
    except InvalidSettingError as error:
        raise Failure(str(error)) from error
