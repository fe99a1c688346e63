"""The group of commands, what they share, and what their exit codes mean."""

from __future__ import annotations

import logging
import os
import sys
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

EPILOG = (
    "Exit codes: 0 done; 1 failed; 2 wrong options or settings; 3 some usage was refused or needs "
    "a person; 4 AWS could not be reached or refuses the account, run again."
)

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
        help="Where usage and ledger are kept, sqlite:///FILE (or METERING_STORE; "
        "metering.db in the current folder if neither is given).",
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


@click.group(
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog=EPILOG,
)
@click.version_option(package_name="marketplace-metering", prog_name="metering")
@click.option("-v", "--verbose", is_flag=True, help="Log what is done, to standard error.")
def cli(verbose: bool) -> None:
    """Report SaaS usage to AWS Marketplace: every unit is billed exactly once, or is listed with
    the reason why not.

    Begin with `metering demo`, or with `metering record`, `metering run` and `metering status`.
    """
    logging.basicConfig(
        level=logging.INFO if verbose else logging.WARNING,
        format="%(asctime)s %(levelname)s %(message)s",
    )


def register() -> None:
    """Put every command into the group."""
    from marketplace_metering.cli import correct, demo, meter, record, report, simulate

    for command in (
        record.record,
        meter.seal,
        meter.submit,
        meter.run,
        meter.serve,
        report.status,
        report.windows,
        report.why,
        correct.retry,
        correct.repair,
        correct.resolve,
        correct.write_off,
        simulate.simulator,
        demo.demo,
    ):
        cli.add_command(command)


def main() -> None:
    """The entry point of the command line."""
    if not __debug__:
        sys.exit("metering does not run under python -O: its assertions guard money")
    register()
    cli.main(prog_name="metering")
