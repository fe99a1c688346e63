"""`metering local status`: whether the pipeline is up."""

from __future__ import annotations

import sys
from dataclasses import asdict

import click

from marketplace_metering.cli.options import FAILED, OK, NotDone, json_option
from marketplace_metering.cli.render import print_json
from marketplace_metering.local import LocalError
from marketplace_metering.local.home import default_home
from marketplace_metering.local.status import Status
from marketplace_metering.local.status import status as look


@click.command()
@json_option
def status(as_json: bool) -> None:
    """Show whether emulator and simulator are up. Exits with 1 if they are not."""
    try:
        found = look(default_home())
    except LocalError as error:
        raise NotDone(str(error)) from error
    except OSError as error:
        raise NotDone(f"this machine does not work as it should: {error}") from error
    if as_json:
        _print_json(found)
    else:
        _print(found)
    sys.exit(OK if found.is_well else FAILED)


def _print_json(found: Status) -> None:
    if found.pipeline is None:
        print_json({"is_up": False})
        return
    parts = {part.pop("name"): part for part in map(asdict, found.parts)}
    print_json(
        {
            "is_up": found.is_well,
            "stack": found.pipeline.stack,
            **parts,
            "billed_windows": found.billed_count,
        }
    )


def _print(found: Status) -> None:
    if found.pipeline is None:
        click.echo("not up; `metering local up` starts it")
        return
    for part in found.parts:
        if part.pid is None:
            click.echo(f"{part.name:<10} is gone; its log: {part.log}")
        else:
            state = "up" if part.is_answering else "does not answer; its log: " + part.log
            click.echo(f"{part.name:<10} pid {part.pid:<8} {part.url}  {state}")
    if found.is_well:
        click.echo(f"stack      {found.pipeline.stack}")
        click.echo(f"billed     {found.billed_count} windows, says the simulator")
    else:
        click.echo("start again with `metering local up`")
