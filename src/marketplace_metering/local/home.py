"""Where the local pipeline is remembered: its two processes and what was deployed."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from marketplace_metering.local.background import Background
from marketplace_metering.local.ministack import HOST, client_environment

STORE = "METERING_STORE"
# What would lead a client elsewhere, although the rest is exported.
IN_THE_WAY = ("AWS_PROFILE", "AWS_SESSION_TOKEN", "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS")
ENDPOINT = "AWS_ENDPOINT_URL_"  # of one service: it goes before that of all
NO_PROXY = "no_proxy"


@dataclass(frozen=True, slots=True)
class LocalPipeline:
    """A local pipeline: where its parts listen, and its stack."""

    emulator_url: str
    simulator_url: str
    stack: str

    @property
    def environment(self) -> dict[str, str]:
        """What a shell exports so that every AWS client and `metering` itself find it."""
        clients = client_environment(self.emulator_url, self.simulator_url)
        return {**clients, STORE: f"dynamodb://{self.stack}"}


def to_unset(environment: Mapping[str, str], pipeline: LocalPipeline) -> list[str]:
    """What there is in an environment that would lead a client elsewhere."""
    exported = pipeline.environment
    return sorted(
        name
        for name in environment
        if name in IN_THE_WAY or (name.startswith(ENDPOINT) and name not in exported)
    )


def beside_proxies(environment: Mapping[str, str]) -> dict[str, str]:
    """What clients need in addition where requests go through a proxy: it cannot reach us."""
    lower = {name.lower(): value for name, value in environment.items()}
    if not {"http_proxy", "all_proxy"} & lower.keys():
        return {}
    excepted = [HOST, *filter(None, lower.get(NO_PROXY, "").split(","))]
    return dict.fromkeys((NO_PROXY, NO_PROXY.upper()), ",".join(dict.fromkeys(excepted)))


@dataclass(frozen=True, slots=True)
class Home:
    """The folder of the one local pipeline that a person has."""

    folder: Path

    @property
    def emulator(self) -> Background:
        """The AWS emulator's process."""
        return Background("emulator", self.folder)

    @property
    def simulator(self) -> Background:
        """The metering simulator's process."""
        return Background("simulator", self.folder)

    def pipeline(self) -> LocalPipeline | None:
        """What was last brought up, whether it still lives or not."""
        try:
            return LocalPipeline(**json.loads(self._state.read_text(encoding="utf-8")))
        except (FileNotFoundError, ValueError, TypeError):
            return None  # nothing, or of another version: a lock shows what lives

    def remember(self, pipeline: LocalPipeline) -> None:
        """Keep what was brought up."""
        self.folder.mkdir(parents=True, exist_ok=True)
        partial = self._state.with_suffix(".new")
        partial.write_text(json.dumps(asdict(pipeline)), encoding="utf-8")
        partial.replace(self._state)

    def forget(self) -> None:
        """Nothing is up."""
        self._state.unlink(missing_ok=True)

    @property
    def _state(self) -> Path:
        return self.folder / "state.json"


def default_home(environment: Mapping[str, str] = os.environ) -> Home:
    """The folder for this person's state."""
    base = environment.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
    return Home(Path(base) / "marketplace-metering" / "local")
