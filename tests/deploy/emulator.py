"""An AWS emulator in a process of its own, and the metering API beside it.

MiniStack pins a botocore of its own, older than the one that metering needs, so it lives in a
virtual environment of its own: the one that METERING_MINISTACK names, or `.ministack` in this
repository, which is made at the first use.
"""

from __future__ import annotations

import fcntl
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from marketplace_metering.simulator.server import Running, running

REQUIREMENT = "ministack==1.5.33"
REPOSITORY = Path(__file__).parents[2]
REGION = "us-east-1"
ACCOUNT = "000000000000"
START_TRIES = 200
START_PAUSE_S = 0.1


@dataclass(frozen=True, slots=True)
class Emulator:
    """A running emulator, the simulator it sends usage to, and how clients find both."""

    url: str
    simulator: Running
    environment: Mapping[str, str]


def command() -> str:
    """The emulator's program; installed if it is not there."""
    named = os.environ.get("METERING_MINISTACK")
    if named:
        return named
    folder = REPOSITORY / ".ministack"
    program = folder / "bin" / "ministack"
    folder.mkdir(exist_ok=True)
    with open(folder / ".lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not program.exists():
            subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
            pip = [str(folder / "bin" / "python"), "-m", "pip", "install", "--quiet", REQUIREMENT]
            subprocess.run([*pip, "boto3<1.44"], check=True)
    return str(program)


def client_environment(url: str, metering_url: str) -> dict[str, str]:
    """What an AWS client needs to talk to both."""
    return {
        "AWS_ENDPOINT_URL": url,
        "AWS_ENDPOINT_URL_MARKETPLACE_METERING": metering_url,
        "AWS_ACCESS_KEY_ID": ACCOUNT,
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": REGION,
    }


@contextmanager
def emulator(folder: Path, is_strict: bool = False) -> Iterator[Emulator]:
    """Run one on a free port while the context lasts; its output goes to `folder`.

    A strict one speaks TLS only, checks signatures, and lets nobody do what no policy allows.
    """
    port = _free_port()
    with running() as simulator, open(folder / "ministack.log", "wb") as log:
        url = f"{'https' if is_strict else 'http'}://localhost:{port}"
        environment = client_environment(url, simulator.url)
        if is_strict:
            environment["AWS_CA_BUNDLE"] = str(folder / "ministack-tls" / "server.crt")
        process = subprocess.Popen(
            [command()],
            cwd=folder,
            stdout=log,
            stderr=subprocess.STDOUT,
            env={
                "PATH": os.environ["PATH"],
                "HOME": str(folder),
                "BIND_HOST": "127.0.0.1",
                "GATEWAY_PORT": str(port),
                "IOT_MTLS_PORT": str(_free_port()),
                "TMPDIR": str(folder),
                **({"AUTH": "true", "USE_SSL": "1"} if is_strict else {}),
                **environment,
            },
        )
        try:
            _wait(process, port, folder)
            yield Emulator(url, simulator, environment)
        finally:
            # It keeps nothing, and would wait for clients that keep their connections.
            process.kill()
            process.wait()


def _wait(process: subprocess.Popen[bytes], port: int, folder: Path) -> None:
    for _try in range(START_TRIES):
        if process.poll() is not None:
            break
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=1):
                return
        except OSError:
            time.sleep(START_PAUSE_S)
    raise AssertionError(f"the emulator did not start: {(folder / 'ministack.log').read_text()}")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
