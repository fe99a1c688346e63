"""`metering simulator`: AWS's metering API on this machine."""

from __future__ import annotations

from datetime import UTC, datetime

import click

from marketplace_metering.cli.options import Failure
from marketplace_metering.cli.render import say
from marketplace_metering.simulator import MarketplaceSimulator, SimulatorClock
from marketplace_metering.simulator.server import serve


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True)
@click.option("--port", type=click.IntRange(0, 65_535), default=4600, show_default=True)
@click.option("--strict", is_flag=True, help="Refuse products that were not declared.")
@click.option("--clock", metavar="TIME", help="Begin at this instant (ISO 8601) instead of now.")
@click.option(
    "--quota",
    type=click.IntRange(0),
    default=10,
    show_default=True,
    help="Requests per second; 0 means no quota.",
)
def simulator(host: str, port: int, strict: bool, clock: str | None, quota: int) -> None:
    """Answer as the AWS Marketplace Metering API does, until Ctrl-C. See docs/simulator.md."""
    try:
        start = None if clock is None else datetime.fromisoformat(clock)
    except ValueError:
        raise click.UsageError(f"--clock {clock}: write it like 2026-11-30T13:05:00Z") from None
    if start is not None and start.tzinfo is None:
        start = start.replace(tzinfo=UTC)

    def on_ready(url: str) -> None:
        kind = "declared products only" if strict else "undeclared products, too"
        say(f"AWS Marketplace Metering API, simulated, at {url} ({kind})")
        say("point any AWS client at it:")
        say(f"  export AWS_ENDPOINT_URL_MARKETPLACE_METERING={url}")
        say("  export AWS_ACCESS_KEY_ID=simulated AWS_SECRET_ACCESS_KEY=simulated")
        say("  export AWS_DEFAULT_REGION=us-east-1")
        say(f"what it accepted: curl {url}/_simulator/usage")

    rules = MarketplaceSimulator(strict=strict, requests_per_second=quota or None)
    try:
        serve(host, port, rules, SimulatorClock(start), on_ready)
    except OSError as error:
        raise Failure(
            f"cannot listen on {host}:{port}: {error.strerror}; choose another --port"
        ) from error
