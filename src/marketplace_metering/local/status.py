"""How the local pipeline is: its processes, its stack, and what the simulator accepted."""

from __future__ import annotations

import json
from dataclasses import dataclass

from marketplace_metering.local import ministack
from marketplace_metering.local.background import answers, request
from marketplace_metering.local.home import Home, LocalPipeline


@dataclass(frozen=True, slots=True)
class Part:
    """One of the two processes."""

    name: str
    url: str
    pid: int | None
    is_answering: bool
    log: str

    @property
    def is_well(self) -> bool:
        """Whether it lives and answers."""
        return self.pid is not None and self.is_answering


@dataclass(frozen=True, slots=True)
class Status:
    """Both processes; no pipeline means that nothing was brought up."""

    pipeline: LocalPipeline | None
    parts: tuple[Part, ...] = ()
    billed_count: int = 0  # windows that the simulator accepted

    @property
    def is_well(self) -> bool:
        """Whether everything is up."""
        return self.pipeline is not None and all(part.is_well for part in self.parts)


def status(home: Home) -> Status:
    """Look, and change nothing."""
    pipeline = home.pipeline()
    if pipeline is None:
        return Status(None)
    health = pipeline.emulator_url + ministack.HEALTH_PATH
    simulator_health = f"{pipeline.simulator_url}/_simulator/health"
    parts = tuple(
        Part(each.name, url, each.pid(), each.pid() is not None and answers(at), str(each.log))
        for each, url, at in (
            (home.emulator, pipeline.emulator_url, health),
            (home.simulator, pipeline.simulator_url, simulator_health),
        )
    )
    return Status(pipeline, parts, _billed(pipeline) if parts[-1].is_well else 0)


def _billed(pipeline: LocalPipeline) -> int:
    return len(json.loads(request(f"{pipeline.simulator_url}/_simulator/usage"))["usage"])
