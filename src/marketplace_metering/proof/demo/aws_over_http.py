"""The way of the demo's processes to AWS: boto3 and HTTP, as in production."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from random import Random

import boto3
import botocore.session

from marketplace_metering.adapters.aws import metering_api
from marketplace_metering.adapters.aws.clients import AwsClient
from marketplace_metering.adapters.aws.metering_api import MarketplaceApi
from marketplace_metering.core.batch import Batch
from marketplace_metering.core.ledger import EntryKey, State
from marketplace_metering.core.outcome import Answered, Lost, RequestRefused
from marketplace_metering.proof.worlds.aws import ANSWERED, SENDING, Line, windows_of
from marketplace_metering.proof.worlds.fault_injection import Perils
from marketplace_metering.proof.worlds.timeline import at
from marketplace_metering.proof.worlds.world import World
from marketplace_metering.simulator.server import Running, running

STEPS_PER_CRASH = 40  # a process makes many calls to its store for each request to AWS


class HttpLine(Line):
    """A process's requests over HTTP, with the world's faults and crashes around them."""

    def __init__(self, world: World, server: Running, client: AwsClient) -> None:
        random = Random(f"way to AWS {world.mix.seed}")  # noqa: S311 - repeatable, no secrets
        self.perils = Perils(random, {"crash": STEPS_PER_CRASH}, world)
        super().__init__(world.aws, self.perils, world.pass_s)
        self._world = world
        self._server = server
        pace, [process, *_others] = world.mix.policy.requests_per_second, world.processes
        self._api = MarketplaceApi(client, process.clock, pace)
        self.retries_of_refused = 0

    def submit(self, batch: Batch) -> Answered[EntryKey] | RequestRefused | Lost:
        """One request, through the adapter that is used in production."""
        self._steps.between(SENDING)
        self.retries_of_refused += batch.entries[0].state is State.PARKED
        self._server.clock.set(at(self._world.now_us), frozen=True)
        self._aws.draw_faults(windows_of(batch))
        answer = self._api.submit(batch)
        self._steps.between(ANSWERED)
        return answer


@contextmanager
def over_http(world: World) -> Iterator[HttpLine]:
    """AWS of this world behind HTTP, and the first process's way to it."""
    with running(world.aws.simulator) as server, closing(connect(server.url)) as client:
        world.aws.faulty = server.faults
        yield HttpLine(world, server, client)


def connect(url: str) -> AwsClient:
    """A real boto3 client that can reach nothing but the simulator, in any environment."""
    nothing = (None, None, None, None)
    session = botocore.session.Session(
        session_vars={"profile": nothing, "config_file": nothing, "credentials_file": nothing}
    )
    simulated = boto3.session.Session("demo", "demo", botocore_session=session)
    return metering_api.connect(session=simulated, endpoint_url=url, proxies={})
