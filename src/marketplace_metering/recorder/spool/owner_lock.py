"""Whose spool files they are, and how another process learns that their owner is gone.

Each recorder holds a lock on a file of its own, `<name>.owner`, for as long as it lives; the
kernel gives the lock back when the process ends, however it ends. Who gets the lock of another's
file has found a dead owner and becomes the only one to finish its files.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
from pathlib import Path

from marketplace_metering.recorder.errors import SpoolUnusableError
from marketplace_metering.recorder.place import Place
from marketplace_metering.recorder.spool.journal import unusable

SUFFIX = ".owner"
REGION = "?region="  # in a destination's name, if the application has chosen it


class Owner:
    """A held lock. `name` begins the name of every file that goes with it."""

    def __init__(
        self, path: Path, descriptor: int, destination: str, place: Place | None = None
    ) -> None:
        self.path = path
        self.name = path.name.removesuffix(SUFFIX)
        self.destination = destination
        # Where its usage may be already. The name may say a part of it before the first put.
        self.place = place or Place(destination.partition(REGION)[2] or None)
        self._descriptor = descriptor

    def goes_to(self, destination: str) -> bool:
        """Whether it is the same store by name; the region is a matter of the place."""
        return self.destination.partition(REGION)[0] == destination.partition(REGION)[0]

    def bind(self, place: Place) -> None:
        """Note on the disk itself where its usage may be from now on; raises SpoolUnusableError.

        A line more, and never in the place of another: half a line says that nothing was put.
        """
        text = b"\n%b\n" % json.dumps(place._asdict()).encode()
        try:
            os.lseek(self._descriptor, 0, os.SEEK_END)
            written = os.write(self._descriptor, text)
            os.fsync(self._descriptor)
        except OSError as error:
            raise SpoolUnusableError(
                f"{self.path} cannot note where its usage goes: {error.strerror}; it waits"
            ) from error
        if written != len(text):
            raise SpoolUnusableError(f"{self.path} took only a part of a line: is the disk full?")
        self.place = place

    def release(self, *, is_done: bool) -> None:
        """Give the lock back; with it goes the file, if nothing is left to be finished."""
        if is_done:
            with contextlib.suppress(FileNotFoundError):
                self.path.unlink()
        self.drop()

    def drop(self) -> None:
        """Close the file without a word: in a fork the lock is the parent's."""
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)


def become_owner(directory: Path, destination: str) -> Owner:
    """Take a new name in the directory; raises SpoolUnusableError."""
    try:
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        while True:
            owner = _try_to_become_owner(directory, destination)
            if owner is not None:
                return owner
    except OSError as error:
        raise unusable(directory, error) from error


def _try_to_become_owner(directory: Path, destination: str) -> Owner | None:
    # 96 random bits: the ids of sums begin with this name, and must differ from all others ever.
    name = os.urandom(12).hex()
    path = directory / f"{name}{SUFFIX}"
    hidden = directory / f".{name}"
    descriptor = os.open(hidden, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        os.write(descriptor, json.dumps({"to": destination, "pid": os.getpid()}).encode())
        # Locked before it has its name: no other process may find it without its owner.
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        hidden.rename(path)
    except BaseException as error:
        os.close(descriptor)
        if isinstance(error, BlockingIOError | FileNotFoundError):
            return None  # swept away as if its owner had died
        raise
    return Owner(path, descriptor, destination)


def sweep(directory: Path) -> None:
    """Remove what those left who died before they had a name."""
    for hidden in directory.glob(f".{'[0-9a-f]' * 24}"):
        with contextlib.suppress(OSError):  # of another user: it is small, and no usage is in it
            descriptor = _lock(hidden)
            if descriptor is not None:
                hidden.unlink(missing_ok=True)
                os.close(descriptor)


def _lock(path: Path) -> int | None:
    """The locked file; None if it is gone, or another has the lock."""
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if os.fstat(descriptor).st_ino == path.stat().st_ino:
            return descriptor
    except (BlockingIOError, FileNotFoundError):
        pass
    os.close(descriptor)
    return None


def adopt_owner(path: Path) -> Owner | None:
    """The lock of an owner that is gone; None while it lives, or if another adopted it."""
    descriptor = _lock(path)
    return None if descriptor is None else _owner(path, descriptor, os.read(descriptor, 65_536))


def read_owner(path: Path) -> Owner:
    """What an owner's file says, without its lock; raises OSError."""
    return _owner(path, -1, path.read_bytes())


def _owner(path: Path, descriptor: int, text: bytes) -> Owner:
    """The first line says the destination, the last whole one the place."""
    first, *lines = text.split(b"\n")
    # What comes after the last newline was torn by a kill, before anything was put.
    noted = [line for line in lines[:-1] if line]
    try:
        destination = str(json.loads(first)["to"])
        place = Place(**json.loads(noted[-1])) if noted else None
    except (ValueError, KeyError, TypeError):
        destination, place = "", None  # an unknown destination is left to a person
    return Owner(path, descriptor, destination, place)
