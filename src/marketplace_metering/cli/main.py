"""The group of commands."""

from __future__ import annotations

import logging
import sys

import click

EPILOG = (
    "Exit codes: 0 done; 1 failed; 2 wrong options or settings; 3 some usage was refused or needs "
    "a person; 4 AWS could not be reached or refuses the account, run again."
)


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
    from marketplace_metering.cli import (
        correct,
        demo,
        deploy,
        local,
        meter,
        prove,
        record,
        report,
        simulator,
    )

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
        simulator.simulator,
        prove.prove,
        deploy.deploy,
        deploy.template,
        deploy.destroy,
        local.local,
        demo.demo,
    ):
        cli.add_command(command)


def main() -> None:
    """The entry point of the command line."""
    if not __debug__:
        sys.exit("metering does not run under python -O: its assertions guard money")
    register()
    cli.main(prog_name="metering")
