"""`metering local`: the whole pipeline on this machine, without an AWS account."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

from marketplace_metering.cli.options import FAILED, OK, Failure, json_option

if TYPE_CHECKING:
    from marketplace_metering.local.home import LocalPipeline
    from marketplace_metering.local.status import Status

STACK_DEFAULT = "metering-local"
port_type = click.IntRange(0, 65_535)


class LocalFailure(Failure):
    """The pipeline is not as asked for."""

    exit_code = FAILED


@click.group()
def local() -> None:
    """Run the pipeline of `metering deploy` on this machine: the real template and functions in an
    AWS emulator, against the metering simulator.

    Begin with `eval "$(metering local up)"`.
    """
    if os.name != "posix":
        raise LocalFailure("`metering local` needs Linux, macOS or WSL; `metering demo` does not")


@local.command()
@click.option("--stack", default=STACK_DEFAULT, show_default=True, metavar="NAME")
@click.option(
    "-p",
    "--parameter",
    "parameters",
    multiple=True,
    metavar="NAME=VALUE",
    help="A parameter of the template, as for `metering deploy`.",
)
@click.option("--port", type=port_type, help="Of the AWS emulator; 4566 if not given, 0 any.")
@click.option("--simulator-port", type=port_type, help="4600 if not given, 0 any.")
@json_option
def up(
    stack: str,
    parameters: Sequence[str],
    port: int | None,
    simulator_port: int | None,
    as_json: bool,
) -> None:
    """Start emulator and simulator, deploy the stack, subscribe demo buyers.

    Prints what to export to standard output, for `eval`. Repeated, it deploys what changed.
    """
    from marketplace_metering.cli.render import print_json
    from marketplace_metering.local.home import default_home
    from marketplace_metering.local.up import Request
    from marketplace_metering.local.up import up as bring_up

    with _said():
        request = Request(
            stack=stack,
            parameters=dict(_named(each) for each in parameters),
            emulator_port=port,
            simulator_port=simulator_port,
        )
        pipeline = bring_up(default_home(), request, _say)
    if as_json:
        print_json({"stack": pipeline.stack, "environment": pipeline.environment})
        return
    for line in _exports(pipeline):
        click.echo(line)
    _say(_next_steps(pipeline))


@local.command()
def down() -> None:
    """Stop emulator and simulator. What they held is gone.

    Prints what to unset to standard output, for `eval`.
    """
    from marketplace_metering.local.home import default_home
    from marketplace_metering.local.up import down as take_down

    home = default_home()
    pipeline = home.pipeline()
    with _said():
        ended = take_down(home)
    if not ended:
        _say("nothing was up")
        return
    _say(f"stopped: {', '.join(ended)}; the usage in them is gone")
    if pipeline is not None:
        click.echo(f"unset {' '.join(pipeline.environment)}")


@local.command()
@json_option
def status(as_json: bool) -> None:
    """Show whether emulator and simulator are up. Exits with 1 if they are not."""
    from marketplace_metering.local.home import default_home
    from marketplace_metering.local.status import status as look

    with _said():
        found = look(default_home())
    if as_json:
        _print_json(found)
    else:
        _print(found)
    sys.exit(OK if found.is_well else FAILED)


@contextmanager
def _said() -> Iterator[None]:
    """What goes wrong is said, not traced."""
    from botocore.exceptions import BotoCoreError, ClientError

    from marketplace_metering.deploy import DeployError
    from marketplace_metering.local import LocalError

    try:
        yield
    except (LocalError, DeployError) as error:
        raise LocalFailure(str(error)) from error
    except (ClientError, BotoCoreError) as error:
        raise LocalFailure(
            f"the emulator does not do as it should: {error}; `metering local down` and `up` "
            "begin afresh"
        ) from error
    except OSError as error:
        raise LocalFailure(f"this machine does not do as it should: {error}") from error


def _named(parameter: str) -> tuple[str, str]:
    name, equals, value = parameter.partition("=")
    if not equals or not name:
        raise Failure(f"--parameter {parameter} refused: write it as NAME=VALUE")
    return name, value


def _say(words: str) -> None:
    click.echo(words, err=True)


def _exports(pipeline: LocalPipeline) -> Iterator[str]:
    from marketplace_metering.local.home import beside_proxies, to_unset

    if in_the_way := to_unset(os.environ, pipeline):
        yield f"unset {' '.join(in_the_way)}"
    for name, value in {**pipeline.environment, **beside_proxies(os.environ)}.items():
        yield f"export {name}={shlex.quote(value)}"


def _next_steps(local: LocalPipeline) -> str:
    return f"""
up: stack {local.stack} at {local.emulator_url}, metered by the simulator at {local.simulator_url}
Export what stands above, or begin with: eval "$(metering local up)". Then try:
  python examples/local_app.py                  record usage as an application does
  aws lambda invoke --function-name {local.stack}-MeteringJob --payload '{{}}' response.json
  metering status                               the books
  curl {local.simulator_url}/_simulator/usage   what was billed
Products abc123xyz456 and def789uvw012; buyers 123456789012, 111122223333 and 444455556666;
999900001111 has ended its subscription and is refused. See docs/guide.md.
""".rstrip()


def _print_json(found: Status) -> None:
    from marketplace_metering.cli.render import print_json

    if found.pipeline is None:
        print_json({"is_up": False})
        return
    parts = {
        part.name: {
            "url": part.url,
            "pid": part.pid,
            "is_answering": part.is_answering,
            "log": part.log,
        }
        for part in found.parts
    }
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
        click.echo("`metering local up` starts afresh")
