"""Reading usage records from JSON Lines and JSON documents.

Nothing is lost on the way: every piece of the input comes out, either as the attributes of a usage
record or as the problem that keeps it from being one, with its place and its exact text.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from itertools import chain, islice
from typing import Any

from marketplace_metering.core.budgets import (
    DEPTH_MAX,
    RECORD_CHARACTERS_KEPT,
    RECORD_CHARACTERS_MAX,
)
from marketplace_metering.core.record import Problem, UsageRecord
from marketplace_metering.core.record_columns import RecordColumns
from marketplace_metering.core.record_rules import is_text, read_record
from marketplace_metering.core.rounded import number_as_written
from marketplace_metering.files.json_shapes import PlainLines


@dataclass(frozen=True, slots=True)
class Piece:
    """One would-be usage record: where it stands, how it is written, what it says."""

    place: str
    text: str
    item: Mapping[str, object] | Problem


class _TwiceError(ValueError):
    """A JSON object has an attribute twice: which of the two is meant?"""


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    attributes = dict(pairs)
    if len(attributes) != len(pairs):
        counted = Counter(name for name, _value in pairs)
        twice = next(name for name, count in counted.items() if count > 1)
        raise _TwiceError(f"the attribute {twice!r} appears twice")
    return attributes


DECODER = json.JSONDecoder(
    object_pairs_hook=_once, parse_float=number_as_written, parse_constant=Decimal
)
# ArithmeticError: a number with an exponent beyond what Decimal holds.
REFUSALS = (ValueError, ArithmeticError, RecursionError)


@dataclass(frozen=True, slots=True)
class Step:
    """Some pieces of an input: the plain ones as columns, and one by one those that are not."""

    pieces: Sequence[Piece]
    plain: RecordColumns = field(default_factory=RecordColumns)
    lines: Sequence[str] = ()
    first_number: int = 0  # of the lines
    places: Sequence[int] = ()  # among the lines, of each of the plain ones

    def piece_of(self, number: int) -> Piece:
        """The piece of a plain usage record."""
        place = self.places[number]
        return _read_line(self.first_number + place, self.lines[place])


class JsonLines(Iterator[Piece]):
    """The pieces of an input in JSON: one by one, or in steps, which is many times quicker."""

    def __init__(self, lines: Iterable[str]) -> None:
        self._lines = without_mark(iter(lines))
        self._pieces = self._each()
        self._number = 0  # of lines that were read

    def __next__(self) -> Piece:
        return next(self._pieces)

    def _each(self) -> Iterator[Piece]:
        first = self._first()
        if _opens_document(first):
            yield from self._document(first)
            return
        for line in chain([first], self._lines):
            if line.strip():
                yield _read_line(self._number, line)
            self._number += 1

    def steps(self, size: int, now: Callable[[], datetime]) -> Iterator[Step]:
        """So many lines at a time; what is plain is a usage record as of the present."""
        first = self._first()
        if _opens_document(first):
            pieces = self._document(first)
            while step := list(islice(pieces, size)):
                yield Step(step)
            return
        plain = PlainLines(lambda line: _read_plainly(line, now()))
        lines = [first, *islice(self._lines, size - 1)]
        while lines:
            columns, places = plain.take(lines, now())
            pieces_left: list[Piece] = []
            if len(places) < len(lines):
                left = set(range(len(lines))).difference(places)
                pieces_left = [
                    _read_line(self._number + place, lines[place])
                    for place in sorted(left)
                    if lines[place].strip()
                ]
            yield Step(pieces_left, columns, lines, self._number, places)
            self._number += len(lines)
            lines = list(islice(self._lines, size))

    def _first(self) -> str:
        """The first line that is not empty, if there is one."""
        for self._number, line in enumerate(self._lines, start=1):  # noqa: B020 - it counts
            if line.strip():
                return line
        return ""

    def _document(self, first: str) -> Iterator[Piece]:
        return _read_document(first + "".join(self._lines), self._number)


def read_json(lines: Iterable[str]) -> JsonLines:
    """Usage records from JSON Lines, or from one JSON object or array over several lines."""
    return JsonLines(lines)


def _read_plainly(line: str, now: datetime) -> UsageRecord | None:
    item = _read_line(0, line).item
    found = (item,) if isinstance(item, Problem) else read_record(item, now)
    return found if isinstance(found, UsageRecord) else None


def without_mark(lines: Iterator[str]) -> Iterator[str]:
    """Editors on Windows begin a UTF-8 file with a byte order mark."""
    first = next(lines, None)
    return iter(()) if first is None else chain([first.removeprefix("\ufeff")], lines)


def _opens_document(line: str) -> bool:
    """Whether the first line only begins a JSON value: JSON Lines ends one on each line."""
    text = line.strip()
    if not text.startswith(("{", "[")):
        return False
    if text.startswith("["):
        return True
    try:
        json.loads(text)
    except json.JSONDecodeError as error:
        return error.pos >= len(text)
    except REFUSALS:
        return False
    return False


def _read_line(number: int, line: str) -> Piece:
    place = f"line {number}"
    text = line.rstrip("\r\n")
    if len(text) > RECORD_CHARACTERS_MAX:
        return too_large(place, text)
    try:
        value = DECODER.decode(text)
    except REFUSALS as error:
        return Piece(place, text, _no_json(text, error))
    return Piece(place, text, _attributes(text, value))


def too_large(place: str, text: str) -> Piece:
    """What is larger than any usage record: its beginning, to find it by."""
    rule = f"it has {len(text):,} characters, a usage record at most {RECORD_CHARACTERS_MAX:,}"
    fix = "put what you keep beside the usage elsewhere; is a line break missing?"
    kept = f"{text[:RECORD_CHARACTERS_KEPT]}... ({len(text):,} characters in all)"
    return Piece(place, kept, Problem.of("the line", text, rule, fix))


def _attributes(text: str, value: object) -> Mapping[str, object] | Problem:
    if not is_text(text):
        return Problem.of("the line", text, "it is not UTF-8", "save the file in UTF-8")
    if is_too_deep(text, value):
        rule = f"its lists and objects are nested more than {DEPTH_MAX} levels deep"
        return Problem.of("the line", text, rule, "write the innermost ones as strings")
    if isinstance(value, dict):
        return value
    return Problem.of(
        "the line",
        text,
        "it is JSON, but not an object",
        'write each usage record as {"customerAWSAccountId": "...", ...}',
    )


def is_too_deep(text: str, value: object) -> bool:
    """Whether an attribute of what the JSON text says is nested deeper than any store keeps."""
    if text.count("[") + text.count("{") <= DEPTH_MAX:
        return False
    level: list[object] = [value]
    for _depth in range(DEPTH_MAX + 2):
        level = [inner for each in level for inner in _inner(each)]
    return bool(level)


def _inner(value: object) -> Iterable[object]:
    if isinstance(value, dict):
        return value.values()
    return value if isinstance(value, list) else ()


def _no_json(text: str, error: Exception) -> Problem:
    if isinstance(error, _TwiceError):
        return Problem.of("the line", text, str(error), "keep only the one that you mean")
    why = str(error) or type(error).__name__
    fix = "write one JSON object a line; for CSV use --format csv"
    return Problem.of("the line", text, f"it is not JSON ({why})", fix)


def _small(piece: Piece) -> Piece:
    return too_large(piece.place, piece.text) if len(piece.text) > RECORD_CHARACTERS_MAX else piece


SEPARATORS = re.compile(r"[\s,\[\]]*")
NEXT_OBJECT = re.compile(r"\n[ \t]*(?=\{)")


def _read_document(text: str, first_line: int) -> Iterator[Piece]:
    """The objects of one JSON array, or of objects that follow each other."""
    position, line = 0, first_line
    while True:
        gap = SEPARATORS.match(text, position)
        assert gap is not None
        line += text.count("\n", position, gap.end())
        position = gap.end()
        if position == len(text):
            return
        place = f"line {line}"
        try:
            value, end = DECODER.raw_decode(text, position)
        except REFUSALS as error:
            # Where it ends cannot be told: at the latest where a line begins with another object.
            following = NEXT_OBJECT.search(text, position)
            end = len(text) if following is None else following.start()
            broken = text[position:end].rstrip()
            yield _small(Piece(place, broken, _no_json(broken, error)))
        else:
            written = text[position:end]
            yield _small(Piece(place, written, _attributes(written, value)))
        line += text.count("\n", position, end)
        position = end
