"""Every rule is tested twice: through botocore's hook and over HTTP."""

import json
from collections.abc import Iterator

import pytest

from marketplace_metering.simulator import FaultySimulator, MarketplaceSimulator, SimulatorClock
from marketplace_metering.simulator.in_process import attach
from marketplace_metering.simulator.server import Running, running
from tests.simulator.world import Body, SimulatorWorld, make_client, post


@pytest.fixture(scope="session")
def _in_process() -> Iterator[SimulatorWorld]:
    clock = SimulatorClock()
    faults = FaultySimulator(MarketplaceSimulator())
    client = make_client()
    attach(client, faults, clock.now)

    def raw(operation: str, body: bytes) -> tuple[int, Body]:
        answer = faults.answer(operation, body, clock.now())
        return answer.status, json.loads(json.dumps(answer.body))

    yield SimulatorWorld(client, raw, faults, clock)
    client.close()


@pytest.fixture(scope="session")
def _server() -> Iterator[Running]:
    with running() as server:
        yield server


@pytest.fixture(scope="session")
def _over_http(_server: Running) -> Iterator[SimulatorWorld]:
    client = make_client(endpoint_url=_server.url)

    def raw(operation: str, body: bytes) -> tuple[int, Body]:
        target = {"X-Amz-Target": f"AWSMPMeteringService.{operation}"}
        return post(_server.url, "/", body, target)

    yield SimulatorWorld(client, raw, _server.faults, _server.clock)
    client.close()


@pytest.fixture(params=["in-process", "http"])
def world(request: pytest.FixtureRequest) -> SimulatorWorld:
    """A fresh simulator, reached both ways."""
    name = "_in_process" if request.param == "in-process" else "_over_http"
    world: SimulatorWorld = request.getfixturevalue(name)
    world.restart()
    return world


@pytest.fixture
def near(_in_process: SimulatorWorld) -> SimulatorWorld:
    """A fresh simulator in the same process, for what does not depend on the way to it."""
    _in_process.restart()
    return _in_process


@pytest.fixture
def far(_over_http: SimulatorWorld) -> SimulatorWorld:
    """A fresh simulator over HTTP."""
    _over_http.restart()
    return _over_http


@pytest.fixture
def url(_server: Running, far: SimulatorWorld) -> str:
    """Where the fresh simulator `far` listens."""
    return _server.url
