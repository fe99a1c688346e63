"""What happens beside the calls: the thread that flushes, and forks and ends of the process."""

from __future__ import annotations

import atexit
import os
import sys
import threading
import time
from typing import Protocol
from weakref import WeakSet

from marketplace_metering.recorder.log import log

PAUSE_AFTER_BUG_S = 1.0


class Recorder(Protocol):
    """A recorder, as it is seen by its thread and by the process that it lives in."""

    def seconds_to_wait(self) -> float | None:
        """How long the thread sleeps: until something is due; None: until it is woken."""

    def flush_if_due(self) -> None:
        """What the thread does then."""

    def close_at_exit(self) -> None:
        """The process ends."""

    def hold_still(self) -> None:
        """A fork comes: no thread may be inside the store or the segment while it happens."""

    def go_on(self) -> None:
        """The fork is over, and this is the parent."""

    def restart_in_fork(self) -> None:
        """The process is a copy of the one that made this recorder."""


class Worker:
    """One daemon thread, begun when there is work and again in each fork."""

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder
        self._wake = threading.Event()
        self._thread: threading.Thread | None = None
        self._is_stopped = False

    def wake(self) -> None:
        """Have the thread look at the time, beginning it if need be."""
        if self._thread is None:
            self._start()
        self._wake.set()

    def _start(self) -> None:
        thread = threading.Thread(target=self._run, name="metering-recorder", daemon=True)
        self._thread = thread
        try:
            thread.start()
        except RuntimeError:
            self._thread = None
            return  # the interpreter is going down: closing flushes in its own thread
        # A child of multiprocessing ends without atexit.
        multiprocessing = sys.modules.get("multiprocessing.util")
        if multiprocessing is not None:
            multiprocessing.Finalize(None, self._recorder.close_at_exit, exitpriority=10)

    def _run(self) -> None:
        while not self._is_stopped:
            self._wake.wait(self._recorder.seconds_to_wait())
            self._wake.clear()
            if self._is_stopped:
                return
            try:
                self._recorder.flush_if_due()
            except Exception:  # noqa: BLE001
                # Our own bug; the usage is in the spool, and the thread is its only way out.
                log().exception("flushing failed and is tried again")
                time.sleep(PAUSE_AFTER_BUG_S)

    def stop(self) -> None:
        """End the thread at the next opportunity."""
        self._is_stopped = True
        self._wake.set()


_living: WeakSet[Recorder] = WeakSet()
_held: list[Recorder] = []  # strong: what was held must be let go
_is_registered = False


def register(recorder: Recorder) -> None:
    """Have a recorder told of forks and of the end."""
    global _is_registered
    _living.add(recorder)
    if not _is_registered:
        _is_registered = True
        atexit.register(_at_exit)
        os.register_at_fork(before=_before, after_in_parent=_in_parent, after_in_child=_in_child)


def _at_exit() -> None:
    for recorder in list(_living):
        recorder.close_at_exit()


def _before() -> None:
    _held[:] = _living
    for recorder in _held:
        recorder.hold_still()


def _in_parent() -> None:
    for recorder in _held:
        recorder.go_on()
    _held.clear()


def _in_child() -> None:
    for recorder in _held:
        recorder.restart_in_fork()
    _held.clear()
