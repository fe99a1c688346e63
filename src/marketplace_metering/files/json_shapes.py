"""Lines of JSON that only repeat what was read before: a short way for most of a large input.

Millions of lines differ in a few numbers. The *shape* of a line is its text without its values:
names, order and spaces. When a line of a new shape, or with a new buyer, product, dimension,
licence or set of tags, comes by, it is read with care (`json_lines`, `read_record`). If it is
right, then each line of the same shape and the same names is right as well, as long as its time
and its quantity are: only these are looked at. So `read_record` stays the one place that says what
a usage record is, and a line that is plain here means exactly what it means there.

Without a JSON parser a line takes a third of the time. What is not plain is left to the careful
way: escapes in strings, exponents, seven decimals, own attributes that are not strings or integers,
anything wrong.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TypeVar

from marketplace_metering.core.hours import NS_PER_HOUR, epoch_ns
from marketplace_metering.core.limits import MICROS_PER_UNIT
from marketplace_metering.core.record import UsageRecord
from marketplace_metering.core.record_columns import GroupName, RecordColumns, group_name
from marketplace_metering.core.record_rules import (
    EVENT_ID_LENGTH_MAX,
    KNOWN,
    rows_out_of_bounds,
)

SHAPES_MAX = 8
NAMES_MAX = 500_000
DECIMALS = 6

# Few enough that Python's garbage collector never meets what is made on the way: it would look
# through all of it again and again, for a fifth of the time.
LINES_PER_BLOCK = 200

Names = tuple[str, ...]
Value = TypeVar("Value")
NOTHING_OWN: Sequence[Mapping[str, object]] = ({},)

# A string without escapes, without what JSON forbids in one and without half a character.
_TEXT = r'[^"\\\x00-\x1f\ud800-\udfff]'
_NUMBER = rf"((?:0|[1-9][0-9]{{0,17}})(?:\.[0-9]{{1,{DECIMALS}}})?)"
_VALUES = {
    "customerAWSAccountId": rf'"({_TEXT}*)"',
    "productCode": rf'"({_TEXT}*)"',
    "dimension": rf'"({_TEXT}*)"',
    "licenseArn": rf'"({_TEXT}*)"',
    "tags": r"(\{[^{}\\\x00-\x1f\ud800-\udfff]*\})",
    "create_timestamp": _NUMBER,
    "quantity": _NUMBER,
    "event_id": rf'"({_TEXT}{{1,{EVENT_ID_LENGTH_MAX}}})"',
}
_OWN = rf'("{_TEXT}*"|-?(?:0|[1-9][0-9]{{0,17}}))'
_NEEDED = {"customerAWSAccountId", "productCode", "dimension", "create_timestamp", "quantity"}
_NAMING = ("customerAWSAccountId", "productCode", "dimension", "licenseArn", "tags")
_SPACE = r"[ \t\r\n]*"
_PENDING = "metering_pending"
_PAIR = re.compile(
    rf'({_SPACE}[{{,]{_SPACE}"({_TEXT}+)"{_SPACE}:{_SPACE})'
    rf'("{_TEXT}*"|\{{[^{{}}]*\}}|-?[0-9.]+)'
)
_END = re.compile(rf"{_SPACE}\}}{_SPACE}")


@dataclass(slots=True)
class _Shape:
    """The text between the values, and the names that were met in it and found right."""

    pattern: re.Pattern[str]
    place_of: dict[str, int]  # of each attribute among the captured values
    known: dict[Names, GroupName] = field(default_factory=dict)  # the group but for its hour

    @classmethod
    def of(cls, line: str) -> _Shape | None:
        """The shape of a line, or None if nothing of its shape is plain."""
        parts: list[str] = []
        names: list[str] = []
        end = 0
        while (pair := _PAIR.match(line, end)) is not None:
            before, name, _value = pair.groups()
            if before.strip()[0] != ("," if parts else "{"):
                return None
            if name == _PENDING:
                parts.append(re.escape(pair[0]))
            elif name in KNOWN and name not in _VALUES:  # marks, which are nobody's to record
                return None
            else:
                parts.append(re.escape(before) + _VALUES.get(name, _OWN))
                names.append(name)
            end = pair.end()
        place_of = {name: place for place, name in enumerate(names)}
        if len(place_of) < len(names) or not place_of.keys() >= _NEEDED:
            return None
        if _END.fullmatch(line, end) is None:
            return None
        pattern = re.compile("".join(parts) + re.escape(line[end:].rstrip("\r\n")) + r"[\r\n]*")
        return cls(pattern, place_of) if pattern.fullmatch(line) else None

    def extras(self, values: Sequence[Sequence[str]]) -> list[Mapping[str, object]]:
        """Of columns of captured values, the seller's own attributes of each line."""
        own = [name for name in self.place_of if name not in _VALUES]
        if not own:
            return []
        columns = [list(map(_own_value, values[self.place_of[name]])) for name in own]
        return [dict(zip(own, row, strict=True)) for row in zip(*columns, strict=True)]

    def names(self, values: Sequence[Sequence[str]]) -> list[Names]:
        """Of columns of captured values, those that tell the group, but for its hour."""
        places = [self.place_of[name] for name in _NAMING if name in self.place_of]
        return list(zip(*(values[place] for place in places), strict=True))


class _Numbers(dict[tuple[Names, int], int]):
    """Numbers the groups of one step as they come by; -1 for names that nobody judged yet."""

    def __init__(self, known: dict[Names, GroupName], numbers: dict[GroupName, int]) -> None:
        super().__init__()
        self._known = known
        self._numbers = numbers

    def __missing__(self, key: tuple[Names, int]) -> int:
        names, hour = key
        group = self._known.get(names)
        if group is None:
            return -1
        group = group._replace(hour=hour)
        number = self[key] = self._numbers.setdefault(group, len(self._numbers))
        return number


@dataclass(slots=True)
class _PlainBatch:
    """What was found plain among some thousand lines."""

    now_ns: int
    numbers: dict[GroupName, int] = field(default_factory=dict)
    numberings: dict[int, _Numbers] = field(default_factory=dict)  # of each shape
    places: list[int] = field(default_factory=list)  # the line that each one stands on
    group_of: list[int] = field(default_factory=list)
    created_ns: list[int] = field(default_factory=list)
    micros: list[int] = field(default_factory=list)
    event_ids: list[str | None] = field(default_factory=list)
    extras: list[Mapping[str, object]] = field(default_factory=list)

    def columns(self) -> RecordColumns:
        """What was found, as columns."""
        return RecordColumns(
            list(self.numbers),
            self.group_of,
            self.created_ns,
            self.micros,
            self.event_ids if any(self.event_ids) else (),
            self.extras if any(self.extras) else (),
        )


class PlainLines:
    """Takes the lines of one input, some thousands at a time."""

    def __init__(self, read: Callable[[str], UsageRecord | None]) -> None:
        self._read = read  # with care; None for what is no usage record
        self._shapes: list[_Shape] = []

    def take(self, lines: Sequence[str], now: datetime) -> tuple[RecordColumns, list[int]]:
        """The plain usage records among the lines, and which lines they stand on."""
        step = _PlainBatch(epoch_ns(now))
        for start in range(0, len(lines), LINES_PER_BLOCK):
            block = lines[start : start + LINES_PER_BLOCK]
            places: Sequence[int] = range(start, start + len(block))
            shapes = iter(self._shapes)
            while block:
                shape = next(shapes, None) or self._new_shape(block)
                if shape is None:
                    break
                block, places = self._take_shape(shape, block, places, step)
        return step.columns(), step.places

    def _new_shape(self, lines: Sequence[str]) -> _Shape | None:
        """The shape of the first line that is not empty."""
        if len(self._shapes) >= SHAPES_MAX:
            return None
        shape = _Shape.of(next((line for line in lines if line.strip()), ""))
        if shape is not None:
            self._shapes.append(shape)
        return shape

    def _take_shape(
        self, shape: _Shape, lines: Sequence[str], places: Sequence[int], step: _PlainBatch
    ) -> tuple[Sequence[str], Sequence[int]]:
        """Take those lines that have the shape; answers the others, and their places."""
        matches = list(map(shape.pattern.fullmatch, lines))
        left: tuple[Sequence[str], Sequence[int]] = ((), ())
        if None in matches:
            missed = [number for number, match in enumerate(matches) if match is None]
            left = ([lines[number] for number in missed], [places[number] for number in missed])
            lines, places = _all_but(lines, missed), _all_but(places, missed)
        values = list(zip(*[match.groups() for match in matches if match], strict=True))
        if values:
            self._take_values(shape, values, lines, places, step)
        return left

    def _take_values(
        self,
        shape: _Shape,
        values: Sequence[Sequence[str]],
        lines: Sequence[str],
        places: Sequence[int],
        step: _PlainBatch,
    ) -> None:
        """Take those lines whose values are right; they came as columns, one for each attribute."""
        created_ns = _millionths(values[shape.place_of["create_timestamp"]])
        micros = _millionths(values[shape.place_of["quantity"]])
        wrong = rows_out_of_bounds(created_ns, micros, step.now_ns)
        hours = [ns // NS_PER_HOUR for ns in created_ns]
        keys = list(zip(shape.names(values), hours, strict=True))
        numbering = step.numberings.setdefault(id(shape), _Numbers(shape.known, step.numbers))
        if not wrong:
            group_of = list(map(numbering.__getitem__, keys))
        if wrong or -1 in group_of:
            self._judge(shape, [key[0] for key in keys], lines)
            group_of = [
                -1 if number in wrong else numbering[key] for number, key in enumerate(keys)
            ]
            wrong = {number for number, group in enumerate(group_of) if group < 0}
        event_place = shape.place_of.get("event_id")
        event_ids: Sequence[str | None] = (
            (None,) * len(lines) if event_place is None else values[event_place]
        )
        step.places += _all_but(places, wrong)
        step.group_of += _all_but(group_of, wrong)
        step.created_ns += _all_but(created_ns, wrong)
        step.micros += _all_but(micros, wrong)
        step.event_ids += _all_but(event_ids, wrong)
        step.extras += _all_but(shape.extras(values) or [*NOTHING_OWN] * len(lines), wrong)

    def _judge(self, shape: _Shape, names: list[Names], lines: Sequence[str]) -> None:
        """Read one line of each new combination of names with care."""
        if len(shape.known) > NAMES_MAX:
            shape.known.clear()
        judged: set[Names] = set()
        for name, line in zip(names, lines, strict=True):
            if name not in shape.known and name not in judged:
                judged.add(name)
                record = self._read(line)
                if record is not None:
                    shape.known[name] = group_name(record)._replace(hour=0)


def _all_but(values: Sequence[Value], wrong: Collection[int]) -> Sequence[Value]:
    """The values but for those at the wrong places."""
    if not wrong:
        return values
    gone = set(wrong)
    return [value for number, value in enumerate(values) if number not in gone]


def _own_value(text: str) -> object:
    return text[1:-1] if text.startswith('"') else int(text)


def _millionths(texts: Sequence[str]) -> list[int]:
    """Those of numbers with at most six decimals, as recorders write times and sums.

    A millisecond has a million nanoseconds, and a unit a million millionths.
    """
    try:
        return [int(text) * MICROS_PER_UNIT for text in texts]
    except ValueError:  # one of them has a fraction
        return list(map(_with_fraction, texts))


def _with_fraction(text: str) -> int:
    whole, _point, rest = text.partition(".")
    return int(whole + rest.ljust(DECIMALS, "0"))
