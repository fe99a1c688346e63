"""What `metering local up` brings up, as somebody at a shell has it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import boto3

from marketplace_metering.local.background import request
from tests.deploy.story import until
from tests.guide import aws_cli, node
from tests.guide.blocks import block

PATIENCE_S = 120
Meter = tuple[str, str, str]  # product, buyer, dimension


@dataclass(frozen=True)
class Shell:
    """A shell in a folder of its own, with what `up` says to export."""

    environment: Mapping[str, str]
    folder: Path

    def start(self, script: str, cli: Path | None = None) -> subprocess.Popen[str]:
        """Begin to run a script; `cli` is the folder of the AWS CLI to take."""
        path = [cli or aws_cli.version_1(), aws_cli.VENV_BIN, node.BIN, os.defpath]
        environment = {**self.environment, "PATH": ":".join(map(str, path))}
        return subprocess.Popen(
            ["bash", "-euo", "pipefail", "-c", script],
            cwd=self.folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, script: str, cli: Path | None = None) -> str:
        """What a script prints."""
        process = self.start(script, cli)
        out, err = process.communicate(timeout=PATIENCE_S)
        assert process.returncode == 0, f"{script}\n{out}\n{err}"
        return out

    def json(self, script: str, cli: Path | None = None) -> Any:
        """The JSON that a script prints."""
        return json.loads(self.run(script, cli))


@dataclass(frozen=True)
class GuideWorld:
    """A deployed stack, and the simulator that it reports to."""

    stack: str
    shell: Shell

    def client(self, service: str) -> Any:
        """A client that needs no environment of this process."""
        exported = self.shell.environment
        return boto3.session.Session().client(
            service,  # type: ignore[call-overload]
            endpoint_url=exported["AWS_ENDPOINT_URL"],
            aws_access_key_id=exported["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=exported["AWS_SECRET_ACCESS_KEY"],
            region_name=exported["AWS_REGION"],
        )

    @property
    def simulator_url(self) -> str:
        """Where the simulator listens."""
        return f"{self.shell.environment['AWS_ENDPOINT_URL_MARKETPLACE_METERING']}/_simulator"

    def tell_simulator(self, what: str, **members: object) -> None:
        """A request to its admin API."""
        request(f"{self.simulator_url}/{what}", json.dumps(members).encode())

    def billed(self, product: str | None = None) -> dict[Meter, Decimal]:
        """What the simulator accepted, added up for each meter."""
        found: dict[Meter, Decimal] = {}
        for each in json.loads(request(f"{self.simulator_url}/usage"))["usage"]:
            if product in (None, each["productCode"]):
                meter = (each["productCode"], each["customerAWSAccountId"], each["dimension"])
                found[meter] = found.get(meter, Decimal(0)) + Decimal(each["quantity"])
        return found

    def command(self, words: str) -> str:
        """The command of the guide with these words, for this stack."""
        return block("bash", words).of(self.stack)

    def pending(self) -> Any:
        """What the guide's query for pending records answers."""
        return self.shell.json(self.command("PendingMeteringRecordsIndex"))

    def invoke(self, cli: Path | None = None) -> Any:
        """What the job answers to the guide's manual invocation."""
        self.shell.run(self.command("--payload '{}'"), cli)
        return self.response()

    def response(self) -> Any:
        """What an invocation wrote into its file."""
        return json.loads((self.shell.folder / "response.json").read_text())

    def wait_until_nothing_is_pending(self) -> None:
        """Until each usage record has its outcome."""
        until(lambda: self.pending()["Count"] == 0)


Up = Callable[..., GuideWorld]


def metering(environment: Mapping[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the command line."""
    command = [str(Path(sys.executable).parent / "metering"), *arguments]
    return subprocess.run(
        command, env=dict(environment), capture_output=True, text=True, timeout=PATIENCE_S
    )
