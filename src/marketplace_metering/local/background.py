"""Processes in the background. A lock of the kernel tells the living from the dead.

Each process inherits its locked file and holds the lock as long as it lives. So a process that was
killed, or a machine that was started again, is never mistaken for a living one, even if another
process has got its number since.
"""

from __future__ import annotations

import fcntl
import os
import signal
import ssl
import subprocess
import time
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from marketplace_metering.local import LocalError

START_PATIENCE_S = 60.0
STOP_PATIENCE_S = 10.0
PAUSE_S = 0.05
ANSWER_PATIENCE_S = 5.0
LINES_SHOWN_MAX = 10
# Kept, because Popen warns when it is forgotten while its process lives.
_started: list[subprocess.Popen[bytes]] = []


@dataclass(frozen=True, slots=True)
class Background:
    """One process in the background: its name, and the folder with its lock and its log.

    One that is not detached ends with the terminal or the job that started it, as tests want it.
    """

    name: str
    folder: Path
    is_detached: bool = True

    @property
    def log(self) -> Path:
        """Where it writes what it says."""
        return self.folder / f"{self.name}.log"

    @property
    def pid_file(self) -> Path:
        """The locked file that names the process."""
        return self.folder / f"{self.name}.pid"

    def pid(self) -> int | None:
        """Its number, if it lives."""
        try:
            with open(self.pid_file) as file:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except FileNotFoundError:
            return None
        except BlockingIOError:
            return self._number()
        return None

    def start(
        self,
        command: Sequence[str],
        environment: Mapping[str, str],
        health: str,
        certificate: Path | None = None,
    ) -> None:
        """Start it and wait until it answers there with 200. One with TLS makes its certificate."""
        if (pid := self.pid()) is not None:
            raise LocalError(f"the {self.name} runs already (pid {pid})")
        self.folder.mkdir(parents=True, exist_ok=True)
        with open(self.pid_file, "a+") as lock, open(self.log, "wb") as log:
            fcntl.flock(lock, fcntl.LOCK_EX)  # free but for a process that asks `pid` this instant
            lock.truncate(0)
            process = subprocess.Popen(  # noqa: S603 - programs of ours, no shell
                command,
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=dict(environment),
                start_new_session=self.is_detached,  # then Ctrl-C here is not meant for it
                pass_fds=[lock.fileno()],
            )
            _started.append(process)
            lock.write(str(process.pid))
        self._wait_for(health, certificate)

    def stop(self) -> bool:
        """End it; answers whether it lived. It keeps nothing anyway.

        A detached one is ended with all that it started.
        """
        pid = self.pid()
        if pid is None:
            return False
        if self.is_detached:
            os.killpg(pid, signal.SIGKILL)
        else:
            os.kill(pid, signal.SIGKILL)
        end = time.monotonic() + STOP_PATIENCE_S
        while self.pid() is not None:
            if time.monotonic() > end:
                raise LocalError(f"the {self.name} (pid {pid}) does not stop; stop it yourself")
            time.sleep(PAUSE_S)
        self.pid_file.unlink(missing_ok=True)
        _started[:] = [process for process in _started if process.poll() is None]
        return True

    def last_words(self) -> str:
        """The end of its log."""
        try:
            lines = self.log.read_text(errors="replace").strip().splitlines()
        except OSError:
            return "it left no log"
        return "\n".join(lines[-LINES_SHOWN_MAX:]) or "it said nothing"

    def _number(self) -> int:
        text = self.pid_file.read_text()
        if not text:  # its starter has not come to write it, or was killed right then
            raise LocalError(
                f"the {self.name} is still starting; if that lasts, stop it by hand: it holds "
                f"{self.pid_file}"
            )
        return int(text)

    def _wait_for(self, health: str, certificate: Path | None) -> None:
        end = time.monotonic() + START_PATIENCE_S
        while not answers(health, certificate):
            if self.pid() is None:
                raise LocalError(f"the {self.name} ended at once:\n{self.last_words()}")
            if time.monotonic() > end:
                self.stop()
                raise LocalError(
                    f"the {self.name} does not answer at {health} after {START_PATIENCE_S:.0f} s:\n"
                    f"{self.last_words()}"
                )
            time.sleep(PAUSE_S)


def answers(url: str, certificate: Path | None = None) -> bool:
    """Whether something answers there with 200."""
    try:
        request(url, certificate=certificate)
    except OSError:  # an HTTPError is one, too
        return False
    return True


def request(url: str, body: bytes | None = None, certificate: Path | None = None) -> bytes:
    """The body of an answer; a POST if there is something to send. Raises OSError."""
    # No proxy lies between this machine and itself, even if the environment names one.
    handlers: list[urllib.request.BaseHandler] = [urllib.request.ProxyHandler({})]
    if certificate is not None:
        context = ssl.create_default_context(cafile=certificate)
        handlers.append(urllib.request.HTTPSHandler(context=context))
    opener = urllib.request.build_opener(*handlers)
    with opener.open(url, body, timeout=ANSWER_PATIENCE_S) as answer:
        content: bytes = answer.read()
    return content


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Keep a second `up` or `down` waiting while the context lasts."""
    folder.mkdir(parents=True, exist_ok=True)
    with open(folder / "lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
