"""Processes in the background: who lives is told by a lock, not by a number."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from marketplace_metering.local import LocalError
from marketplace_metering.local.background import Background, alone, answers
from marketplace_metering.local.ministack import free_port
from tests.deploy.story import until

SERVER = [sys.executable, "-m", "http.server", "--bind", "127.0.0.1"]


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Background]:
    server = Background("server", tmp_path)
    yield server
    server.stop()


def _start(server: Background) -> str:
    port = free_port()
    url = f"http://127.0.0.1:{port}/"
    server.start([*SERVER, str(port)], os.environ, url)
    return url


def test_it_answers_when_start_returns_and_is_gone_when_stop_does(server: Background) -> None:
    url = _start(server)
    assert answers(url)
    assert server.pid() is not None

    assert server.stop()

    assert not answers(url)
    assert server.pid() is None
    assert not server.stop()


def test_it_is_not_started_twice(server: Background) -> None:
    _start(server)
    with pytest.raises(LocalError, match=rf"the server runs already \(pid {server.pid()}\)"):
        _start(server)


def test_a_number_that_another_process_has_got_since_is_not_taken_for_it(
    server: Background,
) -> None:
    """As after a restart of the machine: the file names a living process, which is not ours."""
    server.pid_file.write_text(str(os.getpid()))

    assert server.pid() is None
    assert not server.stop()  # or this test would be dead
    _start(server)
    assert server.pid() != os.getpid()


def test_one_that_was_killed_is_gone(server: Background) -> None:
    _start(server)
    pid = server.pid()
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    until(lambda: server.pid() is None)


def test_stopping_ends_what_it_started_too(server: Background) -> None:
    """An emulator's functions are processes of their own."""
    port = free_port()
    parent = "import subprocess, sys, time; subprocess.Popen(sys.argv[1:]); time.sleep(99)"
    url = f"http://127.0.0.1:{port}/"
    server.start([sys.executable, "-c", parent, *SERVER, str(port)], os.environ, url)
    server.stop()
    until(lambda: not answers(url))


def test_one_that_ends_at_once_says_why(server: Background) -> None:
    with pytest.raises(LocalError) as failed:
        server.start([sys.executable, "-c", "exit('no such thing')"], os.environ, "http://[::1]:1")
    assert str(failed.value) == "the server ended at once:\nno such thing"
    assert server.pid() is None


def test_a_start_that_was_interrupted_is_not_killed_blindly(server: Background) -> None:
    """Its number is not known: nothing is the number 0 of a whole process group."""
    import fcntl

    with open(server.pid_file, "w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        with pytest.raises(LocalError, match="is still starting"):
            server.stop()


def test_two_at_a_time_wait_for_each_other(tmp_path: Path) -> None:
    import fcntl

    with alone(tmp_path), open(tmp_path / "lock") as other, pytest.raises(BlockingIOError):
        fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
