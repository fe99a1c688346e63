"""The append-only file of a segment: a line a call, each with its checksum.

    8 hexadecimal digits, a space, the line, a newline

The digits are the CRC-32 of the line, begun with the CRC-32 of the journal's name, so that a line
of another file that a power cut left in this one's place does not count. One write(2) hands a line
to the kernel: after that a kill -9 cannot take it back. Only the last line can be torn, by a kill
in the middle of that write, and then its call was never acknowledged.
"""

from __future__ import annotations

import os
import threading
from dataclasses import dataclass, field
from pathlib import Path
from zlib import crc32

from marketplace_metering.recorder.errors import SpoolUnusableError


class FileJournal:
    """A journal that is being written; the recorder's lock guards it."""

    def __init__(self, path: Path, name: str) -> None:
        self.path = path
        self.size = 0
        self._seed = crc32(name.encode())
        self._synced = 0
        self._syncing = threading.Lock()
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC
        try:
            self._fd = os.open(path, flags, 0o600)
        except OSError as error:
            raise unusable(path, error) from error

    def append(self, line: bytes) -> int:
        """Keep a line and answer its bytes, or raise SpoolUnusableError and keep nothing of it."""
        text = b"%08x %b\n" % (crc32(line, self._seed), line)
        size = len(text)
        try:
            written = os.write(self._fd, text)
        except OSError as error:
            raise unusable(self.path, error) from error
        if written != size:
            self._cut()
            raise SpoolUnusableError(f"{self.path} took only a part of a line: is the disk full?")
        self.size += size
        return size

    def _cut(self) -> None:
        """Take a part of a line away again: what comes after it must be readable."""
        try:
            os.ftruncate(self._fd, self.size)
        except OSError as error:
            # Nothing may follow half a line. Later calls fail like this one until the next flush.
            self.drop()
            raise unusable(self.path, error) from error

    def sync(self, position: int) -> None:
        """Return when everything up to the position is on the disk itself.

        Threads that wait here share the next sync.
        """
        with self._syncing:
            if position <= self._synced or self._fd < 0:
                return  # closed: by then its usage records were synced
            reached = self.size
            try:
                os.fdatasync(self._fd)
            except OSError as error:
                raise SpoolUnusableError(
                    f"{self.path} took this usage, but the disk does not confirm it: "
                    f"{error.strerror}. It counts unless the power fails: do not record it again"
                ) from error
            self._synced = reached

    def close(self) -> None:
        """Give the file back; what it holds stays."""
        with self._syncing:
            self.drop()

    def drop(self) -> None:
        """Close the file without waiting for anybody: in a fork the others are not there."""
        descriptor, self._fd = self._fd, -1
        if descriptor >= 0:
            os.close(descriptor)


@dataclass(slots=True)
class Lines:
    """What a journal held."""

    good: list[bytes] = field(default_factory=list)
    damaged: list[bytes] = field(default_factory=list)
    torn: bytes = b""  # the beginning of a line whose call was never acknowledged


def read_journal(path: Path, name: str) -> Lines:
    """Every line of a journal, good or damaged."""
    seed = crc32(name.encode())
    found = Lines()
    *whole, found.torn = path.read_bytes().split(b"\n")
    for text in whole:
        digits, _space, line = text.partition(b" ")
        if digits == b"%08x" % crc32(line, seed):
            found.good.append(line)
        else:
            found.damaged.append(text)
    return found


def unusable(path: Path, error: OSError) -> SpoolUnusableError:
    """What to say of a file that cannot be used."""
    return SpoolUnusableError(
        f"the spool file {path} cannot be used: {error.strerror}; this call recorded nothing. "
        "Give spool= a writable directory on a local disk with room"
    )
