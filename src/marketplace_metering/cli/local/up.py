"""`metering local up` and `down`: the pipeline is started and stopped."""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import click
from botocore.exceptions import BotoCoreError, ClientError

from marketplace_metering.cli.options import NotDone, json_option, template_parameters
from marketplace_metering.cli.render import print_json
from marketplace_metering.deploy import DeployError
from marketplace_metering.local import LocalError
from marketplace_metering.local import up as starting
from marketplace_metering.local.home import LocalPipeline, beside_proxies, default_home, to_unset

port_type = click.IntRange(0, 65_535)


@click.command()
@click.option("--stack", default=starting.STACK_DEFAULT, show_default=True, metavar="NAME")
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
    with _failures_explained():
        request = starting.Request(
            stack=stack,
            parameters=template_parameters(parameters),
            emulator_port=port,
            simulator_port=simulator_port,
        )
        pipeline = starting.up(default_home(), request, _say)
    if as_json:
        print_json({"stack": pipeline.stack, "environment": pipeline.environment})
        return
    for line in _exports(pipeline):
        click.echo(line)
    _say(_next_steps(pipeline))


@click.command()
def down() -> None:
    """Stop emulator and simulator. What they held is gone.

    Prints what to unset to standard output, for `eval`.
    """
    home = default_home()
    pipeline = home.pipeline()
    with _failures_explained():
        ended = starting.down(home)
    if not ended:
        _say("nothing was up")
        return
    _say(f"stopped: {', '.join(ended)}; the usage in them is gone")
    if pipeline is not None:
        click.echo(f"unset {' '.join(pipeline.environment)}")


@contextmanager
def _failures_explained() -> Iterator[None]:
    """What goes wrong is said, not traced."""
    try:
        yield
    except (LocalError, DeployError) as error:
        raise NotDone(str(error)) from error
    except (ClientError, BotoCoreError) as error:
        raise NotDone(
            f"the emulator does not work as it should: {error}; start again "
            "with `metering local down` and `up`"
        ) from error
    except OSError as error:
        raise NotDone(f"this machine does not work as it should: {error}") from error


def _say(words: str) -> None:
    click.echo(words, err=True)


def _exports(pipeline: LocalPipeline) -> Iterator[str]:
    if in_the_way := to_unset(os.environ, pipeline):
        yield f"unset {' '.join(in_the_way)}"
    for name, value in {**pipeline.environment, **beside_proxies(os.environ)}.items():
        yield f"export {name}={shlex.quote(value)}"


def _next_steps(local: LocalPipeline) -> str:
    return f"""
up: stack {local.stack} at {local.emulator_url}, metered by the simulator at {local.simulator_url}
Export the lines above, or start with: eval "$(metering local up)". Then try:
  python examples/local_app.py                  record usage as an application does
  aws lambda invoke --function-name {local.stack}-MeteringJob --payload '{{}}' response.json
  metering status                               the books
  curl {local.simulator_url}/_simulator/usage   what was billed
Products abc123xyz456 and def789uvw012; buyers 123456789012, 111122223333 and 444455556666;
999900001111 has ended its subscription and is refused. See docs/guide.md.
""".rstrip()
