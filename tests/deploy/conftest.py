"""One emulator for every test of a run that needs AWS: `pytest -n N --dist loadgroup`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import boto3
import pytest

from marketplace_metering.deploy import stack
from marketplace_metering.deploy.package import Package, build
from tests.deploy.emulator import REGION, Emulator, emulator

POLL_S = 0.1


@pytest.fixture(scope="session")
def package(tmp_path_factory: pytest.TempPathFactory) -> Package:
    """The Lambda package of this environment."""
    return build(tmp_path_factory.mktemp("package") / "lambda.zip")


@pytest.fixture(scope="session")
def running_emulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Emulator]:
    """The emulator of this run."""
    with emulator(tmp_path_factory.mktemp("emulator")) as started:
        yield started


@pytest.fixture
def aws(running_emulator: Emulator, monkeypatch: pytest.MonkeyPatch) -> Emulator:
    """The emulator, and an environment in which every AWS client finds it."""
    for name, value in running_emulator.environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("HOME", str(Path("/nonexistent")))
    return running_emulator


@pytest.fixture
def session(aws: Emulator) -> boto3.session.Session:
    """A boto3 session for the emulator."""
    return boto3.session.Session(region_name=REGION)


Deploy = Callable[..., dict[str, str]]


def deploy_stack(
    session: boto3.session.Session, request: stack.Request, package: Package
) -> dict[str, str]:
    """Bring the stack to what is asked for; answers its outputs."""
    plan = stack.prepare(session, request, package)
    if plan.change_set is not None:
        stack.apply(session, plan, lambda event: None)
    return dict(stack.outputs(session, request.stack))


@pytest.fixture
def deploy(session: boto3.session.Session, package: Package) -> Deploy:
    """Deploys a stack and answers its outputs."""

    def deploy(name: str, **parameters: str) -> dict[str, str]:
        request = stack.Request(stack=name, parameters=parameters, poll_s=POLL_S)
        return deploy_stack(session, request, package)

    return deploy
