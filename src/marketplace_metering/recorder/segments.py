"""What was recorded between two flushes: one sum per group, and the events with ids.

A *group* is one meter during one UTC hour with the same tags. A segment is kept in memory and, if
the recorder is durable, in a journal at the same time; reading the journal gives the same segment.
What becomes of it is a function of its content and its name alone, so that the process
that finishes it after a crash writes the same usage records with the same ids.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple, Protocol

from marketplace_metering.core.event import place_of, second_of
from marketplace_metering.core.hours import NS_PER_HOUR
from marketplace_metering.core.limits import QUANTITY_MICROS_MAX
from marketplace_metering.core.record import Tags, UsageRecord

ENTRY_BYTES = 400  # about what a group or an event takes in memory
SUM = "sum:"  # how the ids of sums begin


class TaggedMeter(NamedTuple):
    """A meter and the tags of its usage."""

    account: str
    product: str
    dimension: str
    license_arn: str | None
    tags: Tags


class Journal(Protocol):
    """Where a segment is kept besides memory."""

    def append(self, line: bytes) -> int:
        """Keep a line and answer its bytes, or raise and keep nothing of it."""

    def sync(self, position: int) -> None:
        """Return when everything up to the position is on the disk itself."""


class RunningSum:
    """The sum of a group, so far."""

    __slots__ = ("count", "end_ns", "first_ns", "meter", "micros", "number", "segment", "start_ns")

    def __init__(self, segment: Segment | None, number: int, meter: TaggedMeter, ns: int) -> None:
        self.segment = segment
        self.number = number
        self.meter = meter
        self.start_ns = ns - ns % NS_PER_HOUR
        self.end_ns = self.start_ns + NS_PER_HOUR
        self.first_ns = ns
        self.micros = 0
        self.count = 0


NO_SUM = RunningSum(None, -1, TaggedMeter("", "", "", None, ()), 0)


# An event with an id: number of its group, millionths, its second, id. The same twice is one.
CountedEvent = tuple[int, int, int, str]


class Segment:
    """Groups and events; not thread-safe, the recorder's lock guards it."""

    def __init__(self, name: str, journal: Journal | None = None) -> None:
        self.name = name
        self.journal = journal
        self.size = 0  # bytes: on disk, or in memory where there is no journal
        self.repeated = 0
        self.event_calls = 0
        self._groups: list[RunningSum] = []
        self._by_name: dict[tuple[TaggedMeter, int], RunningSum] = {}
        self._events: dict[CountedEvent, None] = {}

    @property
    def entries(self) -> int:
        """How many usage records it may become."""
        return len(self._groups) + len(self._events)

    @property
    def calls(self) -> int:
        """How many calls it holds."""
        return sum(group.count for group in self._groups) + self.event_calls

    def group(self, meter: TaggedMeter, ns: int) -> RunningSum:
        """The group of usage at an instant."""
        name = (meter, ns // NS_PER_HOUR)
        group = self._by_name.get(name)
        if group is None:
            group = RunningSum(self, len(self._groups), meter, ns)
            self.size += self._keep(b"g %d %d %s", (group.number, ns), meter)
            self._groups.append(group)
            self._by_name[name] = group
        return group

    def add(self, group: RunningSum, micros: int, ns: int) -> None:
        """Count usage."""
        if ns >= group.first_ns:
            if self.journal is not None:
                self.size += self.journal.append(b"u %d %d" % (group.number, micros))
        else:
            if self.journal is not None:
                self.size += self.journal.append(b"t %d %d %d" % (group.number, micros, ns))
            group.first_ns = ns
        group.micros += micros
        group.count += 1

    def add_event(self, group: RunningSum, micros: int, ns: int, event_id: str) -> None:
        """Count an event, once."""
        event = (group.number, micros, second_of(ns), event_id)
        if event in self._events:
            self.repeated += 1  # it is kept already: nothing to make durable
        else:
            self.size += self._keep(b"e %d %d %d %s", event[:3], event_id)
            self._events[event] = None
        self.event_calls += 1

    def _keep(self, line: bytes, numbers: tuple[int, ...], last: TaggedMeter | str) -> int:
        if self.journal is None:
            return ENTRY_BYTES
        import json

        return self.journal.append(line % (*numbers, json.dumps(last).encode()))

    def usage_records(self) -> list[UsageRecord]:
        """What the store is to hold: a usage record per sum, and one per event."""
        records = [
            _usage_record(group.meter, micros, group.first_ns, _id(self.name, group, part))
            for group in self._groups
            if group.count
            for part, micros in enumerate(_parts(group.micros))
        ]
        for number, micros, second_ns, event_id in self._events:
            meter = self._groups[number].meter
            records.append(_usage_record(meter, micros, second_ns, event_id))
        return records

    def replay(self, lines: Iterable[bytes]) -> list[bytes]:
        """Take in the lines of a journal; answers those that mean nothing."""
        wrong = []
        groups: dict[int, RunningSum] = {}
        for line in lines:
            try:
                self._replay(line, groups)
            except (KeyError, ValueError, TypeError):
                wrong.append(line)
        return wrong

    def _replay(self, line: bytes, groups: dict[int, RunningSum]) -> None:
        import json

        kind, _space, rest = line.partition(b" ")
        if kind == b"g":
            number, ns, text = rest.split(b" ", 2)
            # Numbers count from the journal's own: a damaged line must not shift the others'.
            *names, tags = json.loads(text)
            meter = TaggedMeter._make([*names, tuple((key, value) for key, value in tags)])
            group = groups[int(number)] = self._group_at(int(number), meter, int(ns))
            assert group.number == int(number)
        elif kind == b"u":
            number, micros = rest.split(b" ")
            self.add(groups[int(number)], int(micros), groups[int(number)].first_ns)
        elif kind == b"t":
            number, micros, ns = rest.split(b" ")
            self.add(groups[int(number)], int(micros), int(ns))
        elif kind == b"e":
            number, micros, ns, text = rest.split(b" ", 3)
            event_id = json.loads(text)
            if not isinstance(event_id, str):
                raise TypeError(event_id)
            self.add_event(groups[int(number)], int(micros), int(ns), event_id)
        else:
            raise ValueError(line)

    def _group_at(self, number: int, meter: TaggedMeter, ns: int) -> RunningSum:
        while len(self._groups) < number:
            self._groups.append(RunningSum(self, len(self._groups), NO_SUM.meter, 0))
        return self.group(meter, ns)


def _parts(micros: int) -> list[int]:
    """A sum above what one usage record may hold comes in several."""
    whole, rest = divmod(micros, QUANTITY_MICROS_MAX)
    return [QUANTITY_MICROS_MAX] * whole + ([rest] if rest or not whole else [])


def _id(name: str, group: RunningSum, part: int) -> str:
    return f"{SUM}{name}:{group.number}" + (f".{part}" if part else "")


def _usage_record(meter: TaggedMeter, micros: int, ns: int, event_id: str) -> UsageRecord:
    return UsageRecord(
        account=meter.account,
        product=meter.product,
        dimension=meter.dimension,
        created_ns=place_of(event_id, ns),
        micros=micros,
        license_arn=meter.license_arn,
        tags=meter.tags,
        event_id=event_id,
    )
