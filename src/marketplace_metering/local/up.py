"""Bringing the pipeline up on this machine, and taking it down.

The stack is deployed by the code that deploys to AWS, with the same template and package: only the
endpoint differs. What is up already is used again, so that `up` may be repeated.
"""

from __future__ import annotations

import json
import os
import socket
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

from marketplace_metering.adapters.aws.clients import open_session
from marketplace_metering.deploy import stack as stacks
from marketplace_metering.local import LocalError, listings, ministack
from marketplace_metering.local.background import alone
from marketplace_metering.local.home import Home, LocalPipeline, beside_proxies, to_unset
from marketplace_metering.local.ministack import HOST, REGION, Say, free_port

STACK_DEFAULT = "metering-local"
EMULATOR_PORT = 4566
SIMULATOR_PORT = 4600
POLL_S = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What is to be up. A port of 0 is any free one; None is the default, or the one in use."""

    stack: str = STACK_DEFAULT
    parameters: Mapping[str, str] = field(default_factory=dict)
    emulator_port: int | None = None
    simulator_port: int | None = None

    def __post_init__(self) -> None:
        stacks.check_name(self.stack)


def up(home: Home, request: Request, say: Say) -> LocalPipeline:
    """Have emulator, simulator, stack and buyers; answers where they are."""
    with alone(home.folder):
        pipeline = _living(home, request, say) or _started(home, request, say)
        pipeline = LocalPipeline(pipeline.emulator_url, pipeline.simulator_url, request.stack)
        home.remember(pipeline)
        with exported(pipeline):
            _deploy(request, say)
            _check_job(request.stack)
        return pipeline


def down(home: Home) -> tuple[str, ...]:
    """End both processes; answers the names of those that lived."""
    with alone(home.folder):
        return _stop(home)


def _stop(home: Home) -> tuple[str, ...]:
    # The emulator first: its functions would miss the simulator.
    ended = tuple(each.name for each in (home.emulator, home.simulator) if each.stop())
    home.forget()
    return ended


def _living(home: Home, request: Request, say: Say) -> LocalPipeline | None:
    """What is up already, if all of it is."""
    pipeline = home.pipeline()
    pids = {each.name: each.pid() for each in (home.emulator, home.simulator)}
    alive = [f"the {name} (pid {pid})" for name, pid in pids.items() if pid is not None]
    if pipeline is not None and len(alive) == len(pids):
        _check_port("port", request.emulator_port, pipeline.emulator_url)
        _check_port("simulator-port", request.simulator_port, pipeline.simulator_url)
        say(f"already up: {' and '.join(alive)}")
        return pipeline
    if pipeline is not None or alive:
        gone = " and ".join(f"the {name}" for name, pid in pids.items() if pid is None)
        say(f"{gone or 'what is known'} of an earlier `up` is gone: starting again")
        _stop(home)
    return None


def _check_port(option: str, asked_for: int | None, url: str) -> None:
    if asked_for and not url.endswith(f":{asked_for}"):
        raise LocalError(
            f"--{option} {asked_for}: it is up already at {url}; to move it, end it first with "
            "`metering local down`"
        )


def _started(home: Home, request: Request, say: Say) -> LocalPipeline:
    emulator = ministack.command(say=say)
    emulator_port = _port("port", request.emulator_port, EMULATOR_PORT)
    simulator_port = _port("simulator-port", request.simulator_port, SIMULATOR_PORT)
    emulator_url = f"http://{HOST}:{emulator_port}"
    simulator_url = f"http://{HOST}:{simulator_port}"
    pipeline = LocalPipeline(emulator_url, simulator_url, request.stack)
    clients = ministack.client_environment(emulator_url, simulator_url)
    try:
        say(f"starting the metering simulator at {simulator_url}")
        simulator = (sys.executable, "-m", "marketplace_metering", "simulator")
        home.simulator.start(
            [*simulator, "--host", HOST, "--port", str(simulator_port)],
            {"PATH": os.environ.get("PATH", os.defpath), "HOME": str(home.folder)},
            f"{simulator_url}/_simulator/health",
        )
        listings.subscribe_all(simulator_url)
        say(f"starting the AWS emulator at {emulator_url}")
        home.emulator.start(
            emulator,
            ministack.process_environment(home.folder, emulator_port, clients),
            emulator_url + ministack.HEALTH_PATH,
        )
    except BaseException:
        _stop(home)
        raise
    home.remember(pipeline)
    return pipeline


def _port(option: str, asked_for: int | None, default: int) -> int:
    """A port to listen on; refused now rather than by a process in the background."""
    port = default if asked_for is None else asked_for or free_port()
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError as error:
            raise LocalError(
                f"port {port} cannot be used: {error.strerror}; choose another with --{option}, "
                "or any free one with 0"
            ) from error
    return port


@contextmanager
def exported(pipeline: LocalPipeline) -> Iterator[None]:
    """Act in this process as a shell does that exported the environment: it cannot reach AWS."""
    before = dict(os.environ)
    try:
        for name in to_unset(before, pipeline):
            del os.environ[name]
        os.environ.update({**pipeline.environment, **beside_proxies(before)})
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def _deploy(request: Request, say: Say) -> None:
    session = open_session(region=REGION)
    wanted = stacks.Request(stack=request.stack, parameters=request.parameters, poll_s=POLL_S)
    plan = stacks.prepare(session, wanted)
    if plan.change_set is None:
        say(f"stack {request.stack} is already up to date")
        return
    count = len(plan.change_set.changes)
    say(f"deploying stack {request.stack}: {count} resources to create or change")
    stacks.apply(session, plan, lambda event: None)


def _check_job(stack: str) -> None:
    """Run the job once for closed hours: function, tables and queue work together."""
    outputs = stacks.outputs(open_session(region=REGION), stack)
    name = outputs.get("MeteringJobFunction")
    if name is None:
        return  # a SaaS Contract is not metered
    client = open_session(region=REGION).client("lambda")
    answer = client.invoke(FunctionName=name, Payload=json.dumps({"scope": "closed hours"}))
    said = answer["Payload"].read().decode()
    if "FunctionError" in answer:
        raise LocalError(f"the metering job does not run in the emulator: {said}")
