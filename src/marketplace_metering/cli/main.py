"""The `metering` command and the list of its commands."""

from __future__ import annotations

import logging
import sys

import click

from marketplace_metering.cli.lazy import LazyGroup

EPILOG = (
    "Exit codes: 0 done; 1 failed; 2 wrong options or settings; 3 some usage was refused or needs "
    "a person; 4 AWS could not be reached or refuses the account, run again."
)
# The first sentence of each command's help, so that the overview need not load the command.
HELPS = {
    "demo": "Meter a shipped day, with faults and crashes, and show that the books balance.",
    "deploy": "Create or update the metering stack: tables, functions, queue, schedule and alarms.",
    "destroy": "Delete the stack.",
    "ledger": "Show where the ledger is billed and its policy, or change them.",
    "license": "Show the product code that a licence is metered under, or give it to another.",
    "local": "Run the pipeline of `metering deploy` on this machine, without an AWS account.",
    "prove": "Meter usage in simulated worlds full of crashes and lost answers, and audit them.",
    "record": "Record usage: one record from options, or JSON Lines, JSON or CSV files.",
    "repair": "Correct a refused usage record in place, such as a misspelt dimension.",
    "resolve": "Settle unresolved windows by what you found out; unbilled usage is pending again.",
    "restored": "Say of when a restored store is: what may be billed since is held.",
    "retry": "Try refused usage again, after its cause was fixed: the listing, the subscription.",
    "run": "Seal and submit, once: what the hourly job does.",
    "seal": "Freeze pending usage of closed hours into ledger entries; nothing is sent yet.",
    "serve": "Meter every hour until stopped (SIGTERM or Ctrl-C); restart it whenever you like.",
    "simulator": "Answer as the AWS Marketplace Metering API does, until Ctrl-C.",
    "status": "Show the books of each product, and whether they balance.",
    "submit": "Send due ledger entries to AWS and settle them by its answers.",
    "template": "Print the CloudFormation template, or write it with its package into a folder.",
    "why": "Explain what became of usage: its window, what was sent, and AWS's answer.",
    "windows": "List ledger entries: each is one meter during one hour, as promised to AWS.",
    "write-off": "Give up parked or unresolved windows under your name: they are not sent again.",
}
# The module of a command that is not named after it.
MODULES = {
    "destroy": "deploy",
    **dict.fromkeys(("resolve", "retry", "write-off"), "correct"),
    **dict.fromkeys(("run", "seal", "serve", "submit"), "meter"),
}


@click.group(
    cls=LazyGroup,
    helps=HELPS,
    modules=MODULES,
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


def main() -> None:
    """The entry point of the command line."""
    if not __debug__:
        sys.exit("metering does not run under python -O: its assertions guard money")
    cli.main(prog_name="metering")
