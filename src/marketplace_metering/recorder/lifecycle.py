"""What every recorder does when the process forks or ends."""

from __future__ import annotations

import atexit
import os
from typing import Protocol
from weakref import WeakSet


class Living(Protocol):
    """A recorder."""

    def close_at_exit(self) -> None:
        """The process ends."""

    def hold_still(self) -> None:
        """A fork comes: nobody may be inside the store or the segment while it happens."""

    def go_on(self) -> None:
        """The fork is over, and this is the parent."""

    def begin_anew_in_fork(self) -> None:
        """The process is a copy of the one that made this recorder."""


_living: WeakSet[Living] = WeakSet()
_held: list[Living] = []  # strong: who was held must be let go
_is_registered = False


def register(recorder: Living) -> None:
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
        recorder.begin_anew_in_fork()
    _held.clear()
