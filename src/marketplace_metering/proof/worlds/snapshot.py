"""A store's books as plain rows, for an auditor that shares no code with the core."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

Tags = tuple[tuple[str, str], ...]


class MeterName(NamedTuple):
    """What AWS counts separately; no licence is metered by product code."""

    product: str
    account: str
    dimension: str
    license_arn: str | None

    def __str__(self) -> str:
        by = "" if self.license_arn is None else f" by licence …{self.license_arn[-4:]}"
        return f"{self.dimension} of {self.account} at {self.product}{by}"


class UsageRow(NamedTuple):
    """One usage record, and what the store says of it."""

    meter: MeterName
    hour: int
    tags: Tags
    micros: int
    created_ns: int
    entry: str | None = None  # the live entry that covers it
    failure: str | None = None  # why it is listed instead of pending


class EntryRow(NamedTuple):
    """One ledger entry."""

    name: str
    meter: MeterName
    hour: int
    serial: int
    micros: int
    stamp_s: int
    deadline_s: int
    lines: tuple[tuple[int, int, int], ...]  # hour, micros, usage records
    allocations: tuple[tuple[Tags, int], ...]
    state: str
    begun: int
    refused: int
    duplicates: int  # by the log of attempts
    reason: str | None

    @property
    def is_live(self) -> bool:
        """Whether it holds its window and its usage records."""
        return self.state != "released"

    @property
    def window(self) -> tuple[MeterName, int]:
        """Its window, of which only one live entry may exist."""
        return self.meter, self.hour

    @property
    def frozen(self) -> tuple[object, ...]:
        """What never changes."""
        return self[:9]


class AlarmRow(NamedTuple):
    """One alarm; delivered is what the store believes."""

    kind: str
    meter: MeterName | None
    hour: int | None
    micros: int | None
    text: str
    is_delivered: bool


class EventName(NamedTuple):
    """By what an event is known on DynamoDB."""

    account: str
    event_id: str
    second: int


class Snapshot(NamedTuple):
    """All of a store at one instant."""

    usage: list[UsageRow]
    entries: list[EntryRow]
    alarms: list[AlarmRow]
    refused_inputs: list[tuple[str, str]]  # source, text
    vanishing: Sequence[UsageRow] = ()  # billed to nobody, and yet the store may delete it
    # What is there of each event, where one may stand at several places.
    events: Mapping[EventName, Sequence[UsageRow]] = {}


def lines_of(written: Iterable[Sequence[int]]) -> tuple[tuple[int, int, int], ...]:
    """The lines of an entry from JSON, for both stores write them so."""
    return tuple((hour, micros, count) for hour, micros, count in written)


def allocations_of(written: Iterable[tuple[Any, int]]) -> tuple[tuple[Tags, int], ...]:
    """The allocations of an entry from JSON."""
    return tuple((tuple((k, v) for k, v in tags), micros) for tags, micros in written)
