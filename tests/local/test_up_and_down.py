"""`metering local up`, `status` and `down` from a shell, as the page says."""

from __future__ import annotations

import json
import os
import shlex
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from marketplace_metering.local.background import answers
from marketplace_metering.local.ministack import free_port
from tests.deploy.story import until
from tests.guide.world import metering

pytestmark = pytest.mark.xdist_group("local")

ROOT = Path(__file__).parents[2]
PORTS = ("--port", "0", "--simulator-port", "0")


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Mapping[str, str]]:
    """Somebody with AWS settings of their own, which must not be used."""
    cache = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    kept = {name: os.environ[name] for name in ("METERING_MINISTACK",) if name in os.environ}
    environment = {
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "HOME": str(tmp_path),
        "XDG_CACHE_HOME": cache,
        "AWS_PROFILE": "of-somebody",
        "AWS_ENDPOINT_URL_DYNAMODB": "http://127.0.0.1:1",
        "http_proxy": "http://127.0.0.1:1",
        **kept,
    }
    yield environment
    done = metering(environment, "local", "down")
    assert done.returncode == 0, done.stderr


def _status(home: Mapping[str, str]) -> tuple[int, dict[str, object]]:
    done = metering(home, "local", "status", "--json")
    return done.returncode, json.loads(done.stdout)


def _pid(home: Mapping[str, str], part: str) -> int:
    found = _status(home)[1][part]
    assert isinstance(found, dict)
    return int(found["pid"])


def test_a_shell_goes_up_records_bills_and_goes_down(
    home: Mapping[str, str], tmp_path: Path
) -> None:
    """With the application of examples/, and `metering` itself on the exported environment."""
    script = f"""
    eval "$(metering local up {shlex.join(PORTS)})"
    python {ROOT}/examples/local_app.py
    metering local status
    """
    environment = {name: home[name] for name in ("PATH", "HOME", "XDG_CACHE_HOME")}
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script],
        cwd=tmp_path,
        env={**environment, "AWS_PROFILE": "of-somebody"},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "11 usage records written to dynamodb://metering-local" in done.stdout
    assert "stack      metering-local\nbilled     0 windows, says the simulator" in done.stdout
    for words in ("starting the AWS emulator", "deploying stack metering-local", "Then try:"):
        assert words in done.stderr

    exports = metering(home, "local", "up").stdout
    books = f"""
    eval {shlex.quote(exports)}
    aws lambda invoke --function-name metering-local-MeteringJob --payload '{{}}' /dev/null
    while metering status --json | grep -q '"pending": "[^0]'; do sleep 0.2; done
    metering status --json
    """
    bash = subprocess.run(
        ["bash", "-euc", books], env=dict(home), capture_output=True, text=True, timeout=120
    )
    assert bash.returncode == 0, bash.stdout + bash.stderr
    until(lambda: _status(home)[1]["billed_windows"] == 9)

    down = metering(home, "local", "down")
    assert down.stderr == "stopped: emulator, simulator; the usage in them is gone\n"
    exported = {line.split()[1].split("=")[0] for line in exports.splitlines()[1:]}
    assert set(down.stdout.split()[1:]) == exported - {"no_proxy", "NO_PROXY"}


def test_up_twice_is_the_same_and_deploys_what_changed(home: Mapping[str, str]) -> None:
    first = metering(home, "local", "up", *PORTS)
    assert first.returncode == 0, first.stderr
    emulator, simulator = _pid(home, "emulator"), _pid(home, "simulator")

    again = metering(home, "local", "up")
    assert again.returncode == 0, again.stderr
    assert again.stdout == first.stdout
    assert (
        f"already up: the emulator (pid {emulator}) and the simulator (pid {simulator})\n"
        "stack metering-local is already up to date\n"
    ) in again.stderr

    changed = metering(home, "local", "up", "-p", "RequestsPerSecond=7")
    assert changed.returncode == 0, changed.stderr
    assert "deploying stack metering-local: 1 resources to create or change" in changed.stderr
    assert _pid(home, "emulator") == emulator

    moved = metering(home, "local", "up", "--port", "1")
    assert moved.returncode == 1
    assert "it is up already at http://127.0.0.1:" in moved.stderr
    _listens_on_this_machine_only(emulator, simulator)


def _listens_on_this_machine_only(*pids: int) -> None:
    """By the kernel's own list of listening sockets."""
    if not Path("/proc/net/tcp").exists():
        return
    inodes = {
        os.readlink(descriptor)
        for pid in pids
        for descriptor in Path(f"/proc/{pid}/fd").iterdir()
        if descriptor.is_symlink()
    }
    addresses = []
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]:
            fields = line.split()
            if fields[3] == "0A" and f"socket:[{fields[9]}]" in inodes:
                addresses.append(fields[1].split(":")[0])
    assert addresses == ["0100007F"] * 2  # 127.0.0.1


def test_what_was_killed_is_noticed_and_made_anew(home: Mapping[str, str]) -> None:
    assert metering(home, "local", "up", *PORTS).returncode == 0
    simulator = _pid(home, "simulator")
    os.kill(_pid(home, "emulator"), signal.SIGKILL)
    until(lambda: _status(home)[0] == 1)
    told = metering(home, "local", "status")
    assert "emulator   is gone; its log: " in told.stdout
    assert "start again with `metering local up`" in told.stdout

    again = metering(home, "local", "up", *PORTS)
    assert again.returncode == 0, again.stderr
    assert "the emulator of an earlier `up` is gone: starting again" in again.stderr
    assert _status(home)[0] == 0
    assert _pid(home, "simulator") != simulator


def test_a_taken_port_is_said_and_leaves_nothing_behind(home: Mapping[str, str]) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        refused = metering(home, "local", "up", "--port", str(port))
    assert refused.returncode == 1
    assert refused.stdout == ""
    assert refused.stderr == (
        f"Error: port {port} cannot be used: Address already in use; choose another with --port, "
        "or any free one with 0\n"
    )
    assert _status(home) == (1, {"is_up": False})


def test_a_parameter_that_the_template_refuses_is_said_and_can_be_mended(
    home: Mapping[str, str],
) -> None:
    refused = metering(home, "local", "up", *PORTS, "-p", "LateUsage=never")
    assert refused.returncode == 1
    assert refused.stdout == ""
    assert "LateUsage" in refused.stderr
    assert metering(home, "local", "up", "-p", "LateUsage=hold").returncode == 0


def test_what_cannot_be_meant_is_refused_before_anything_happens(home: Mapping[str, str]) -> None:
    unnamed = metering(home, "local", "up", "-p", "LateUsage")
    assert (unnamed.returncode, unnamed.stdout) == (2, "")
    assert "--parameter LateUsage refused: write it as NAME=VALUE" in unnamed.stderr
    misnamed = metering(home, "local", "up", "--stack", "my_stack")
    assert misnamed.returncode == 1
    assert "stack name my_stack refused" in misnamed.stderr
    assert metering(home, "local", "down").stderr == "nothing was up\n"


def test_without_anything_up_status_says_how_to_begin(home: Mapping[str, str]) -> None:
    told = metering(home, "local", "status")
    assert (told.returncode, told.stdout) == (1, "not up; `metering local up` starts it\n")
    assert not answers(f"http://127.0.0.1:{free_port()}")
