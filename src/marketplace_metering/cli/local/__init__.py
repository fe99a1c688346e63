"""`metering local`: the whole pipeline on this machine, without an AWS account."""

from __future__ import annotations

import os

import click

from marketplace_metering.cli.lazy import LazyGroup
from marketplace_metering.cli.options import NotDone

HELPS = {
    "down": "Stop emulator and simulator.",
    "status": "Show whether emulator and simulator are up.",
    "up": "Start emulator and simulator, deploy the stack, subscribe demo buyers.",
}
MODULES = {"down": "local.up", "status": "local.status", "up": "local.up"}


@click.group(cls=LazyGroup, helps=HELPS, modules=MODULES)
def local() -> None:
    """Run the pipeline of `metering deploy` on this machine, without an AWS account.

    The real template and functions run in an AWS emulator, against the metering simulator. Begin
    with `eval "$(metering local up)"`.
    """
    if os.name != "posix":
        raise NotDone("`metering local` needs Linux, macOS or WSL; `metering demo` does not")
