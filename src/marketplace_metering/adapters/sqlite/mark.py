"""The mark of a store in a file: a file of its own beside it, `FILE.mark`.

It holds one line of fixed length, which is written over in place under a lock: no process sees
half of one, and a kill leaves the old line or the new one. It names the file's inode, because a
copy of both files agrees with itself: a mark that names another file has been moved or copied.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from zlib import crc32

from marketplace_metering.core.copies import Mark, MarkUnusableError, Sending

SUFFIX = ".mark"
LENGTH = 200


class FileMark:
    """See `ports.HighWaterMark`."""

    def __init__(self, path: str) -> None:
        self._store = os.path.realpath(path)  # one mark, by whichever name it is opened
        self._path = self._store + SUFFIX

    def read(self) -> Mark | None:
        """What the line says."""
        try:
            with open(self._path, "rb") as file:
                return self._mark_of(file.read(LENGTH))
        except FileNotFoundError:
            return None
        except OSError as error:
            raise self._unusable(error) from error

    def raise_to(self, sending: Sending) -> Mark:
        """Write the line, unless a higher number stands there."""
        try:
            with self._locked() as descriptor:
                there = self._mark_of(os.pread(descriptor, LENGTH, 0))
                if there is not None and there.sending.number >= sending.number:
                    return there
                written = os.pwrite(descriptor, self._line(sending), 0)
                assert written == LENGTH, f"{written} bytes of a mark were written"
                os.fsync(descriptor)
                return Mark(sending)
        except OSError as error:
            raise self._unusable(error) from error

    @contextmanager
    def _locked(self) -> Iterator[int]:
        """The file, for this process alone; made if it is not there."""
        while True:
            is_new = not os.path.exists(self._path)
            descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX)
                if is_new:
                    self._sync_folder()
                if self._is_in_place(descriptor):
                    yield descriptor
                    return
            finally:
                os.close(descriptor)

    def _is_in_place(self, descriptor: int) -> bool:
        """Whether nobody has put another file there meanwhile."""
        with suppress(FileNotFoundError):
            return os.fstat(descriptor).st_ino == os.stat(self._path).st_ino
        return False

    def _sync_folder(self) -> None:
        folder = os.open(os.path.dirname(os.path.abspath(self._path)), os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

    def _line(self, sending: Sending) -> bytes:
        said = f"sent from inode {self._inode()}: {sending}"
        text = f"{said} {crc32(said.encode()):08x}"
        return text.ljust(LENGTH - 1).encode() + b"\n"

    def _mark_of(self, line: bytes) -> Mark | None:
        """The mark of a line; None where a process died before it wrote its first one."""
        text = line.decode(errors="replace").strip()
        if not text:
            return None
        said, _space, check = text.rpartition(" ")
        try:
            if check != f"{crc32(said.encode()):08x}":
                raise ValueError("its checksum does not fit")
            inode, _colon, sending = said.removeprefix("sent from inode ").partition(": ")
            return Mark(Sending.parse(sending), inode == str(self._inode()))
        except ValueError as error:
            raise MarkUnusableError(
                f"the mark {self._path} cannot be read ({error}): if nothing was sent from another "
                "copy of this store, remove it"
            ) from error

    def _inode(self) -> int:
        return os.stat(self._store).st_ino

    def _unusable(self, error: OSError) -> MarkUnusableError:
        return MarkUnusableError(f"the mark {self._path} cannot be used: {error}")
