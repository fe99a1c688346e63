"""Which usage records an entry covers, and what each of them said: exact and small.

A usage record is told from the others of its buyer by its time. For each set of tags the times and
the quantities stand in columns: times as distances, both in the coarsest unit that is exact and in
the narrowest integers that hold them, compressed. Two hundred thousand members take a few hundred
kilobytes. Keeping the quantities tells a usage record that was repaired from one that was not.
"""

from __future__ import annotations

import json
import sys
import zlib
from array import array
from collections.abc import Container, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import accumulate, pairwise
from typing import NamedTuple

from marketplace_metering.core.hours import NS_PER_MS
from marketplace_metering.core.limits import MICROS_PER_UNIT
from marketplace_metering.core.record import Tags

FORMAT = 1
COMPRESSION_LEVEL = 6
TYPES = (("B", 1 << 8), ("H", 1 << 16), ("I", 1 << 32), ("Q", 1 << 64))


@dataclass(slots=True)
class MemberColumns:
    """Usage records of one meter with the same tags: their times and quantities."""

    ns: array[int] = field(default_factory=lambda: array("q"))
    micros: array[int] = field(default_factory=lambda: array("q"))

    def add(self, ns: int, micros: int) -> None:
        """One more usage record."""
        self.ns.append(ns)
        self.micros.append(micros)

    def __len__(self) -> int:
        return len(self.ns)


class SealedContent(NamedTuple):
    """What a usage record said when it was sealed, apart from its meter and its time."""

    tags: Tags
    micros: int


class MemberList:
    """The usage records of an entry."""

    def __init__(self, columns: dict[Tags, MemberColumns]) -> None:
        self._columns = columns

    @classmethod
    def of(cls, parts: Iterable[tuple[Tags, MemberColumns]]) -> MemberList:
        """Gather usage records, sorted by time."""
        pairs: dict[Tags, list[tuple[int, int]]] = {}
        for tags, columns in parts:
            pairs.setdefault(tags, []).extend(zip(columns.ns, columns.micros, strict=True))
        sorted_columns: dict[Tags, MemberColumns] = {}
        for tags, together in sorted(pairs.items()):
            together.sort()
            ns, micros = zip(*together, strict=True)
            sorted_columns[tags] = MemberColumns(array("q", ns), array("q", micros))
        return cls(sorted_columns)

    def __len__(self) -> int:
        return sum(len(columns) for columns in self._columns.values())

    @property
    def first_ns(self) -> int:
        """The time of the earliest."""
        return min(columns.ns[0] for columns in self._columns.values())

    @property
    def last_ns(self) -> int:
        """The time of the latest."""
        return max(columns.ns[-1] for columns in self._columns.values())

    def pairs(self) -> Iterator[tuple[int, int]]:
        """The time and the quantity of each, always in the same order."""
        for columns in self._columns.values():
            yield from zip(columns.ns, columns.micros, strict=True)

    def said(self, among: Container[int] | None = None) -> dict[int, SealedContent]:
        """What each of them said, by its time; of those at certain times, if any are named.

        All of a large entry take ten times as much memory so as in their columns.
        """
        return {
            ns: SealedContent(tags, micros)
            for tags, columns in self._columns.items()
            for ns, micros in zip(columns.ns, columns.micros, strict=True)
            if among is None or ns in among
        }

    def encode(self) -> bytes:
        """As it is stored."""
        header = []
        body = bytearray()
        for tags, columns in self._columns.items():
            ns, micros = columns.ns, columns.micros
            time_unit = NS_PER_MS if all(each % NS_PER_MS == 0 for each in ns) else 1
            unit = MICROS_PER_UNIT if all(each % MICROS_PER_UNIT == 0 for each in micros) else 1
            distances = [(later - earlier) // time_unit for earlier, later in pairwise(ns)]
            time_type, times = _narrow(distances)
            quantity_type, quantities = _narrow([each // unit for each in micros])
            header.append([tags, len(ns), ns[0], time_unit, time_type, unit, quantity_type])
            body += times + quantities
        head = json.dumps(header, separators=(",", ":")).encode()
        return bytes([FORMAT]) + zlib.compress(
            len(head).to_bytes(4, "little") + head + body, COMPRESSION_LEVEL
        )

    @classmethod
    def decode(cls, content: bytes) -> MemberList:
        """Read back what `encode` wrote."""
        assert content[0] == FORMAT, f"members of format {content[0]}: a newer version wrote them"
        plain = zlib.decompress(content[1:])
        head_end = 4 + int.from_bytes(plain[:4], "little")
        at = head_end
        columns: dict[Tags, MemberColumns] = {}
        for pairs, count, first, time_unit, time_type, unit, kind in json.loads(plain[4:head_end]):
            distances, at = _wide(plain, at, time_type, count - 1)
            quantities, at = _wide(plain, at, kind, count)
            times = accumulate((each * time_unit for each in distances), initial=first)
            tags = tuple((key, value) for key, value in pairs)
            columns[tags] = MemberColumns(
                array("q", times), array("q", (each * unit for each in quantities))
            )
        return cls(columns)


def _narrow(numbers: list[int]) -> tuple[str, bytes]:
    """The numbers in the narrowest unsigned integers that hold them all, little end first."""
    largest = max(numbers, default=0)
    code = next(code for code, limit in TYPES if largest < limit)
    column = array(code, numbers)
    if sys.byteorder == "big":
        column.byteswap()
    return code, column.tobytes()


def _wide(plain: bytes, at: int, code: str, count: int) -> tuple[array[int], int]:
    column = array(code)
    end = at + column.itemsize * count
    column.frombytes(plain[at:end])
    if sys.byteorder == "big":
        column.byteswap()
    return column, end
