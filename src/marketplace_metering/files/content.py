"""What an input holds, as a digest: by that it is known again.

It is read once for that, before anything of it is recorded, and then only so far as it reached.
"""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import sys
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import BinaryIO

from marketplace_metering.core.inputs import KnownInput

NAMES_A_BUYER = re.compile(rb"[0-9]{12}")
BLOCK = 1 << 20
DIGEST_LENGTH = 32
HEAD_BYTES_MAX = 1 << 20


@contextmanager
def rereadable(file: BinaryIO) -> Iterator[BinaryIO]:
    """The file if it can be read from its beginning again, or else a copy of all that comes."""
    if file is not sys.stdin.buffer and file.seekable():
        yield file
        return
    with tempfile.TemporaryFile() as copy:
        shutil.copyfileobj(file, copy)
        yield copy


class FileContent:
    """The content of a file that can be read from its beginning; see `core.inputs.Content`."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.size = file.seek(0, 2)
        self._left = self.size
        self.head = self._head()
        self._digests = {0: _short(hashlib.sha256())}

    @property
    def digest(self) -> str:
        """Of all of it."""
        self.digest_up_to([])
        return self._digests[self.size]

    def begins_with(self, known: KnownInput) -> bool:
        """Whether it begins with all that this input held, and goes on with a line of its own."""
        if known.size > self.size:
            return False
        self.digest_up_to([known.size])
        return self._digests[known.size] == known.digest and self._ends_line(known.size)

    def digest_up_to(self, sizes: Iterable[int]) -> None:
        """Digest its beginnings of these sizes, and all of it, in one reading."""
        wanted = sorted({self.size, *(size for size in sizes if size <= self.size)})
        if self._digests.keys() >= set(wanted):
            return
        found = hashlib.sha256()
        at = self._file.seek(0)
        for size in wanted:
            while at < size:
                block = self._file.read(min(BLOCK, size - at))
                if not block:
                    raise OSError("it became shorter while it was being read")
                found.update(block)
                at += len(block)
            self._digests[size] = _short(found)

    def lines(self) -> Iterator[bytes]:
        """Its lines, as far as it reached when it was looked at."""
        self._file.seek(0)
        self._left = self.size
        for line in self._file:
            left = self._left = self._left - len(line)
            if left < 0:  # it has grown since
                if line[:left]:
                    yield line[:left]
                return
            yield line

    @property
    def position(self) -> int:
        """How far its lines were read."""
        return self.size - max(self._left, 0)

    def _ends_line(self, size: int) -> bool:
        if size in (0, self.size):
            return True
        self._file.seek(size - 1)
        last, following = self._file.read(2)
        return last == ord("\n") or following in b"\r\n" or self._cuts_object(size)

    def _cuts_object(self, size: int) -> bool:
        """Whether its last line was half a JSON object: that was refused, and is whole now."""
        self._file.seek(max(0, size - HEAD_BYTES_MAX))
        line = self._file.read(min(size, HEAD_BYTES_MAX)).rpartition(b"\n")[2]
        try:
            json.loads(line)
        except ValueError:
            return line.lstrip().startswith(b"{")
        return False

    def _head(self) -> str:
        head = hashlib.sha256()
        self._file.seek(0)
        taken = 0
        for line in iter(lambda: self._file.readline(HEAD_BYTES_MAX), b""):
            head.update(line.rstrip(b"\r\n,]"))  # an end of file, or of a list, is no difference
            taken += len(line)
            if taken >= HEAD_BYTES_MAX or NAMES_A_BUYER.search(line):
                break
        return _short(head)


def _short(digest: hashlib._Hash) -> str:
    return digest.hexdigest()[:DIGEST_LENGTH]
