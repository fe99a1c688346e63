"""The world around the metering process: AWS over HTTP, a clock, a file, people who are told.

It outlives every crash; the process is made anew from the file each time.
"""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any
from urllib.parse import urlsplit

import boto3
import botocore.session

from marketplace_metering.adapters.aws import metering_api
from marketplace_metering.core.ledger import Alarm
from marketplace_metering.proof.demo.aws_faults import Weather
from marketplace_metering.proof.demo.crashes import Peril
from marketplace_metering.proof.demo.listings import (
    AGREEMENTS_START,
    BUYERS,
    DAY_BEGINS,
    LEAVES,
    LICENSE_ENDS,
    PRODUCTS,
)
from marketplace_metering.simulator import MarketplaceSimulator, SimulatorClock
from marketplace_metering.simulator.server import running

REGION = "us-east-1"


class DemoClock:
    """The simulated AWS's own clock: whoever waits moves it, and nobody really waits."""

    def __init__(self, clock: SimulatorClock) -> None:
        self._clock = clock

    def now(self) -> datetime:
        """The simulated instant."""
        return self._clock.now()

    def sleep(self, seconds: float) -> None:
        """Let simulated time pass."""
        self._clock.advance(max(seconds, 0.0))

    def move_to(self, at: datetime) -> None:
        """Wait until the instant, unless it is over."""
        if at > self.now():
            self._clock.set(at, frozen=True)


class Pager:
    """Keeps every alarm that was raised; one that is delivered again after a crash counts once."""

    def __init__(self) -> None:
        self.alarms: dict[Alarm, int] = {}

    def notify(self, alarms: Sequence[Alarm]) -> None:
        """See `ports.Notifier`."""
        for alarm in alarms:
            self.alarms[alarm] = self.alarms.get(alarm, 0) + 1


@dataclass(slots=True)
class DemoWorld:
    """All that the process meets."""

    store_path: str
    url: str
    client: Any  # boto3 makes its clients at run time
    clock: DemoClock
    weather: Weather
    peril: Peril
    pager: Pager = field(default_factory=Pager)

    def ask_aws(self, path: str) -> Any:  # noqa: ANN401 - JSON of the simulator's admin API
        """What AWS has in its own books, which no seller could see this way."""
        address = urlsplit(self.url).netloc
        connection = http.client.HTTPConnection(address, timeout=metering_api.READ_TIMEOUT_S)
        try:
            connection.request("GET", f"/_simulator/{path}")
            with connection.getresponse() as response:
                assert response.status == 200, f"the simulator answers {response.status} to {path}"
                return json.load(response)
        finally:
            connection.close()


@contextmanager
def world(seed: int, store_path: str, strength: int) -> Iterator[DemoWorld]:
    """Open the listings, let the buyers subscribe, start AWS; strength 0 is a calm day."""
    simulated = MarketplaceSimulator(strict=True)
    _open_listings(simulated)
    with running(simulated, SimulatorClock(DAY_BEGINS, frozen=True)) as aws:
        clock = DemoClock(aws.clock)
        client = connect(aws.url)
        weather = Weather(aws.faults, clock.now, seed, strength)
        peril = Peril(seed, is_on=strength > 0)
        try:
            yield DemoWorld(store_path, aws.url, client, clock, weather, peril)
        finally:
            client.close()


def _open_listings(simulated: MarketplaceSimulator) -> None:
    for product in PRODUCTS:
        prices = {name: Decimal(price) for name, price in product.prices.items()}
        simulated.declare(product.code, prices)
    for buyer in BUYERS:
        simulated.subscribe(
            buyer.product.code,
            buyer.account,
            starts_at=AGREEMENTS_START,
            ends_at=LICENSE_ENDS if buyer == LEAVES else None,
            license_arn=buyer.license_arn,
        )


def connect(url: str) -> Any:  # noqa: ANN401 - boto3 makes its clients at run time
    """A real boto3 client that can reach nothing but the simulator, whatever the environment."""
    nothing: Any = (None, None, None, None)
    session = botocore.session.Session(
        session_vars={"profile": nothing, "config_file": nothing, "credentials_file": nothing}
    )
    credentials = boto3.session.Session(
        aws_access_key_id="demo",
        aws_secret_access_key="demo",  # noqa: S106 - the simulator checks no signature
        region_name=REGION,
        botocore_session=session,
    )
    return metering_api.connect(session=credentials, endpoint_url=url, proxies={})
