"""Real processes on a disk that is full or cannot be written, and a marketplace that is silent.

Whatever a run had come to, the next one takes it up when the trouble is over: every unit once.
"""

from __future__ import annotations

import ctypes
import os
import random
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from marketplace_metering.simulator import MarketplaceSimulator
from marketplace_metering.simulator.server import Running, running
from tests.processes.test_kill import accepted, assert_books_agree, write_usage

# Kilobytes that a file may have: the store cannot be opened, or fails while it seals or sends.
LIMITS_KB = (8, 60, 120, 160, 200, 260, 320)
PR_CAPBSET_DROP, CAP_DAC_OVERRIDE = 24, 1  # prctl(2), capabilities(7)


@pytest.fixture
def simulator() -> Iterator[Running]:
    with running(MarketplaceSimulator(requests_per_second=None)) as server:
        yield server


def metering(
    url: str, *arguments: str, file_kb_max: int | None = None, obeys_modes: bool = False
) -> subprocess.CompletedProcess[str]:
    """Run the real command; no file may grow beyond the limit, as on a disk that is full."""
    command = [sys.executable, "-m", "marketplace_metering", *arguments]
    if file_kb_max is not None:
        limit = f'ulimit -f {file_kb_max * 2}; exec "$@"'  # in blocks of 512 bytes
        command = ["sh", "-c", limit, "sh", *command]
    return subprocess.run(
        command,
        env=environment(url),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        preexec_fn=_give_up_roots_privilege if obeys_modes else None,
    )


def _give_up_roots_privilege() -> None:
    """Root may write every file, whatever its mode: not so the command that is started now."""
    if os.geteuid() == 0:
        ctypes.CDLL(None).prctl(PR_CAPBSET_DROP, CAP_DAC_OVERRIDE, 0, 0, 0)


def environment(url: str) -> dict[str, str]:
    return {
        **os.environ,
        "AWS_ENDPOINT_URL_MARKETPLACE_METERING": url,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": "us-east-1",
        "METERING_REQUESTS_PER_SECOND": "1000",
    }


def test_a_full_disk_costs_nothing(simulator: Running, tmp_path: Path) -> None:
    """Each round records, runs while the disk is full, and says so; the last one has room."""
    store, database = f"sqlite:///{tmp_path}/metering.db", tmp_path / "metering.db"
    rng = random.Random(21)
    usage = tmp_path / "usage.jsonl"
    recorded = write_usage(usage, 400, rng)
    assert metering(simulator.url, "record", str(usage), "--store", store).returncode == 0
    said = []
    for limit in LIMITS_KB:
        ran = metering(simulator.url, "run", "--all", "--store", store, file_kb_max=limit)
        said.append(ran.stderr.strip().splitlines()[-1] if ran.returncode else "")
    assert said[0].startswith(f"Error: the store {database} cannot be opened: disk I/O error")
    stopped = [line for line in said[1:] if line]
    assert len(stopped) >= 3, said
    for line in stopped:
        assert "nothing that was confirmed is lost, repeat the command when that is fixed" in line
    assert metering(simulator.url, "run", "--all", "--store", store).returncode == 0
    assert_books_agree(recorded, simulator, database)


def test_a_full_disk_while_recording(simulator: Running, tmp_path: Path) -> None:
    """The file is not confirmed, and recording it again adds what is missing."""
    store = f"sqlite:///{tmp_path}/metering.db"
    usage = tmp_path / "usage.jsonl"
    recorded = write_usage(usage, 20_000, random.Random(22))
    assert metering(simulator.url, "status", "--store", store).returncode == 0
    for limit in (200, 400, 600):
        ran = metering(simulator.url, "record", str(usage), "--store", store, file_kb_max=limit)
        assert ran.returncode != 0
        assert "disk I/O error" in ran.stderr or "is full" in ran.stderr
        assert "Traceback" not in ran.stderr
    assert metering(simulator.url, "record", str(usage), "--store", store).returncode == 0
    assert metering(simulator.url, "run", "--all", "--store", store).returncode == 0
    assert_books_agree(recorded, simulator, tmp_path / "metering.db")


def test_a_read_only_file_is_named(simulator: Running, tmp_path: Path) -> None:
    """Its user may not write the file: nothing is sent, and the message says what to do."""
    store, database = f"sqlite:///{tmp_path}/metering.db", tmp_path / "metering.db"
    usage = tmp_path / "usage.jsonl"
    recorded = write_usage(usage, 40, random.Random(23))
    assert metering(simulator.url, "record", str(usage), "--store", store).returncode == 0
    with read_only(database):
        ran = metering(simulator.url, "run", "--all", "--store", store, obeys_modes=True)
        assert ran.returncode != 0
        assert str(database) in ran.stderr
        assert "readonly database" in ran.stderr or "unable to open" in ran.stderr
        assert "Traceback" not in ran.stderr
        assert not accepted(simulator.simulator)
    assert metering(simulator.url, "run", "--all", "--store", store).returncode == 0
    assert_books_agree(recorded, simulator, database)


@contextmanager
def read_only(database: Path) -> Iterator[None]:
    """Neither the file nor its folder can be written."""
    database.chmod(0o444)
    database.parent.chmod(0o555)
    try:
        yield
    finally:
        database.parent.chmod(0o755)
        database.chmod(0o644)


class Silence:
    """Passes requests on to the simulator and never answers."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}"
        self.passed_on = threading.Event()
        self._open: list[socket.socket] = []
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        connection, _address = self._socket.accept()
        self._open.append(connection)
        with connection.makefile("rb") as incoming:
            incoming.readline()
            headers = {}
            while line := incoming.readline().strip():
                name, _colon, value = line.decode().partition(": ")
                headers[name] = value
            body = incoming.read(int(headers["Content-Length"]))
        request = urllib.request.Request(self._url, body, headers, method="POST")
        urllib.request.urlopen(request).read()
        self.passed_on.set()

    def close(self) -> None:
        for each in (self._socket, *self._open):
            each.close()


def test_a_marketplace_that_is_silent(simulator: Running, tmp_path: Path) -> None:
    """It takes a request and never answers; the run is killed while it waits. Billed once."""
    store, database = f"sqlite:///{tmp_path}/metering.db", tmp_path / "metering.db"
    usage = tmp_path / "usage.jsonl"
    recorded = write_usage(usage, 40, random.Random(24))
    assert metering(simulator.url, "record", str(usage), "--store", store).returncode == 0
    silence = Silence(simulator.url)
    command = [sys.executable, "-m", "marketplace_metering", "run", "--all", "--store", store]
    process = subprocess.Popen(
        command, env=environment(silence.url), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    assert silence.passed_on.wait(30)
    billed = accepted(simulator.simulator)
    assert billed, "AWS has accepted what the process does not know of"
    time.sleep(0.1)
    assert process.poll() is None, "it waits for the answer"
    process.send_signal(signal.SIGKILL)
    process.wait()
    silence.close()
    assert metering(simulator.url, "run", "--all", "--store", store).returncode == 0
    assert_books_agree(recorded, simulator, database)
