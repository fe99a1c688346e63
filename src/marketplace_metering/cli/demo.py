"""`metering demo`: a day across a month's end, metered before your eyes."""

from __future__ import annotations

import sys

import click

from marketplace_metering.cli.options import json_option
from marketplace_metering.cli.render import out
from marketplace_metering.proof.demo.run import run_demo

SEED_DEFAULT = 7


@click.command()
@click.option("--seed", type=int, default=SEED_DEFAULT, show_default=True, help="Of the faults.")
@click.option("--store", metavar="FILE", help="Keep the books in this new file, to look at them.")
@json_option
def demo(seed: int, store: str | None, as_json: bool) -> None:
    """Meter a shipped day, with faults and crashes, and show that the books balance.

    AWS is the simulator here. Exits with 1 if the books do not balance.
    """
    sys.exit(run_demo(seed=seed, store_path=store, console=out, as_json=as_json))
