"""The shipped usage file, split into what arrives before each metering run."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from importlib.resources import files

from marketplace_metering.files.json_lines import Piece, read_json

FILE_NAME = "usage-2026-11-30.jsonl"
RECORDED_AT = re.compile(r'"recorded_at": "([^"]+)"')


def read_lines() -> list[str]:
    """The lines of the file, as they are."""
    file = files("marketplace_metering.proof.demo") / FILE_NAME
    return file.read_text(encoding="utf-8").splitlines()


class Arrivals:
    """The file in order of arrival; a line that does not say when comes with the one before."""

    def __init__(self, lines: list[str]) -> None:
        self._lines = lines
        self._at: list[datetime] = []
        for line in lines:
            found = RECORDED_AT.search(line)
            self._at.append(datetime.fromisoformat(found[1]) if found else self._at[-1])
        self.read_count = 0

    @property
    def are_over(self) -> bool:
        """Whether every line has been handed out."""
        return self.read_count == len(self._lines)

    def until(self, now: datetime) -> range:
        """The numbers of the lines that arrived since the last call."""
        first, self.read_count = self.read_count, bisect_right(self._at, now)
        return range(first, self.read_count)

    def pieces(self, numbers: range) -> Iterator[Piece]:
        """These lines as pieces of input, each with its place in the file."""
        for number in numbers:
            for piece in read_json([self._lines[number]]):
                yield replace(piece, place=f"line {number + 1}")
