"""The AWS emulator of `metering local up` for tests, with the metering API in this process."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from marketplace_metering.local import ministack
from marketplace_metering.local.background import Background
from marketplace_metering.local.ministack import ACCOUNT, REGION, client_environment, free_port
from marketplace_metering.simulator.server import Running, running

__all__ = ["ACCOUNT", "REGION", "REPOSITORY", "Emulator", "emulator"]

REPOSITORY = Path(__file__).parents[2]


@dataclass(frozen=True, slots=True)
class Emulator:
    """A running emulator, the simulator it sends usage to, and how clients find both."""

    url: str
    simulator: Running
    environment: Mapping[str, str]


@contextmanager
def emulator(folder: Path, is_strict: bool = False) -> Iterator[Emulator]:
    """Run one on a free port while the context lasts; its output goes to `folder`."""
    port = free_port()
    # The certificate of a strict one is made for this name.
    url = f"https://localhost:{port}" if is_strict else f"http://{ministack.HOST}:{port}"
    certificate = folder / "ministack-tls" / "server.crt"
    process = Background("emulator", folder, is_detached=False)
    with running() as simulator:
        environment = client_environment(url, simulator.url)
        if is_strict:
            environment["AWS_CA_BUNDLE"] = str(certificate)
        process.start(
            ministack.command(),
            ministack.process_environment(folder, port, environment, is_strict),
            url + ministack.HEALTH_PATH,
            certificate if is_strict else None,
        )
        try:
            yield Emulator(url, simulator, environment)
        finally:
            process.stop()
