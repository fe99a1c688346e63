"""One `metering local up` for all tests of the guide; `pytest -n N --dist loadgroup`."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from tests.deploy.story import HOUR_S
from tests.guide import aws_cli
from tests.guide.world import GuideWorld, Shell, Up, metering


@pytest.fixture(scope="session")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mapping[str, str]]:
    """The environment of somebody who has nothing up, and has nothing up in the end."""
    folder = tmp_path_factory.mktemp("home")
    cache = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(folder),
        "XDG_CACHE_HOME": cache,
        **{name: os.environ[name] for name in ("METERING_MINISTACK",) if name in os.environ},
    }
    yield environment
    done = metering(environment, "local", "down")
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="session")
def clock(bring_up: Up) -> GuideWorld:
    """A stack whose schedule is due every minute, with usage of the last hour."""
    every_minute = ("-p", "Schedule=rate(1 minute)", "-p", "GraceSeconds=0")
    world = bring_up("guide-clock", *every_minute)
    hour_before = int(time.time() // HOUR_S - 1) * HOUR_S
    world.client("dynamodb").put_item(
        TableName=f"{world.stack}-MeteringRecords",
        Item={
            "customerAWSAccountId": {"S": "123456789012"},
            "productCode": {"S": world.stack},  # a product that nobody declared
            "create_timestamp": {"N": str((hour_before + HOUR_S // 2) * 1_000)},
            "dimension": {"S": "users"},
            "quantity": {"N": "6"},
            "metering_pending": {"S": "true"},
        },
    )
    return world


@pytest.fixture(scope="session")
def up(bring_up: Up, clock: GuideWorld) -> Up:
    """Brings up a stack of this name, after the one whose schedule takes its time."""
    return bring_up


@pytest.fixture(scope="session")
def bring_up(home: Mapping[str, str], tmp_path_factory: pytest.TempPathFactory) -> Up:
    """Brings up a stack of this name."""

    def bring_up(stack: str, *more: str) -> GuideWorld:
        ports = ("--port", "0", "--simulator-port", "0")
        done = metering(home, "local", "up", "--stack", stack, *ports, "--json", *more)
        assert done.returncode == 0, done.stderr
        environment = json.loads(done.stdout)["environment"]
        folder = tmp_path_factory.mktemp(stack)
        shell = Shell({**home, **environment, "HOME": str(folder)}, folder)
        return GuideWorld(stack, shell)

    return bring_up


@pytest.fixture(scope="session")
def cli_2() -> Path:
    """The AWS CLI, version 2."""
    found = aws_cli.version_2()
    if found is None:
        pytest.skip("there is no AWS CLI version 2 for this machine; install it")
    return found
