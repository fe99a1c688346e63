"""Bringing the marks on usage records up to the ledger.

An entry whose members' marks are behind it stands in an index until they are up to it. The marks
are written twenty-five at a time, one write each, and only onto a usage record that still says
what was sealed: one that was edited or overwritten since gets the entry's name, and is left to the
next sealing run, which knows by the name that it was sealed in another window, or even in another
book. If an entry changed while its marks were being written, they are written again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from itertools import islice
from typing import NamedTuple

from marketplace_metering.adapters.dynamodb.api.apart import apart
from marketplace_metering.adapters.dynamodb.api.attributes import Attributes, text
from marketplace_metering.adapters.dynamodb.api.requests import (
    GET_KEYS_MAX,
    STATEMENTS_MAX,
    Calls,
    Refusal,
    portions,
)
from marketplace_metering.adapters.dynamodb.items import keys, tables
from marketplace_metering.adapters.dynamodb.items.chunks import read_contents
from marketplace_metering.adapters.dynamodb.items.entry import (
    MARKS,
    Covering,
    Names,
    Stored,
    read_covering,
    update_statement,
)
from marketplace_metering.adapters.dynamodb.items.keys import Place
from marketplace_metering.adapters.dynamodb.items.member_list import MemberList
from marketplace_metering.adapters.dynamodb.items.tables import TableNames
from marketplace_metering.adapters.dynamodb.items.usage_record import MARKED_BY, is_moved
from marketplace_metering.adapters.dynamodb.settling.broken_entries import BrokenEntries
from marketplace_metering.adapters.dynamodb.settling.outcome_marks import (
    Fate,
    Mark,
    Marking,
    Room,
    mark_of,
    marking,
    naming,
)
from marketplace_metering.adapters.dynamodb.settling.recent_writes import Memory
from marketplace_metering.core.hours import epoch_ms

TRIES = 5
ENTRIES_READ_AHEAD = 10_000
BATCHES_PER_WORKER = 4  # between two looks at the clock


@dataclass(slots=True)
class _Work:
    """An entry whose members are being marked."""

    covering: Covering
    mark: Mark
    content: bytes
    marking: Marking
    done: int
    is_whole: bool = False
    has_nameless: bool = False  # some members have no room for the entry's name


class _MarkToWrite(NamedTuple):
    """One usage record to be marked."""

    work: _Work
    ns: int
    micros: int


class WriteBack:
    """The marks of a store."""

    def __init__(
        self,
        calls: Calls,
        names: TableNames,
        memory: Memory,
        broken: BrokenEntries,
        now: Callable[[], datetime],
        new_revision: Callable[[], str],
        workers: int,
        read_retention: Callable[[], timedelta | None],
    ) -> None:
        self._calls = calls
        self._names = names
        self._memory = memory
        self._broken = broken
        self._now = now
        self._new_revision = new_revision
        self._workers = workers
        self._read_retention = read_retention
        self._retention: tuple[timedelta | None] | None = None  # read once in each run

    def all_due(self, until: datetime | None) -> int:
        """Bring every mark that is behind up to the ledger; answers how many were written."""
        marked = 0
        self._retention = None
        for places in portions(self._due_places(), GET_KEYS_MAX):
            if self._is_over(until):
                break
            marked += sum(apart(places, partial(self.of_entries, until=until), self._leave))
        return marked

    def _leave(self, place: Place, error: Exception) -> int:
        self._broken.tell(place, error)
        return 0

    def _due_places(self) -> Iterator[Place]:
        """Some pages at a time: there may be very many, and little time."""
        own = list(self._memory.marks_due)
        rows = self._calls.items(
            TableName=self._names.ledger,
            IndexName=tables.OUTBOX_INDEX,
            KeyConditionExpression="outbox = :marks",
            ExpressionAttributeValues={":marks": text(MARKS)},
        )
        shown: set[Place] = set()
        # Lists: what is marked leaves the index while it is being read.
        for part in portions(rows, ENTRIES_READ_AHEAD):
            # One that changes meanwhile may come twice, and a request may not name it twice.
            places = [place for place in map(keys.place_of, part) if place not in shown]
            places = list(dict.fromkeys(places))
            shown.update(places)
            yield from places
        yield from (place for place in own if place not in shown)

    def _is_over(self, until: datetime | None) -> bool:
        return until is not None and self._now() >= until

    def of_entries(self, places: Sequence[Place], until: datetime | None = None) -> int:
        """Bring the marks of these entries up to the ledger."""
        marked = 0
        may_be_overwritten: set[Place] = set()
        for _try in range(TRIES):
            work = self._load(places, may_be_overwritten)
            marked += self._mark(work, until)
            changed = self._note(work)
            if not changed or self._is_over(until):
                break
            # Another process may have written newer marks, and ours went over them.
            may_be_overwritten.update(changed)
            places = changed
        return marked

    def _load(self, places: Sequence[Place], even_if_not_due: set[Place]) -> list[_Work]:
        found = read_covering(self._calls, self._names.ledger, places)
        marks = {
            place: mark
            for place, covering in found.items()
            if (covering.marks_due_at_ms is not None or place in even_if_not_due)
            and (mark := mark_of(covering)) is not None
        }
        for place in places:
            if place not in marks:
                self._memory.marks_due.pop(place, None)
        members = ((place, found[place].members) for place in marks)
        contents = read_contents(self._calls, self._names.ledger, members)
        return [
            _Work(
                found[place],
                mark,
                contents[place],
                self._marking(found[place], mark),
                found[place].marks_done,
            )
            for place, mark in marks.items()
        ]

    def _marking(self, covering: Covering, mark: Mark, room: Room = Room.FOR_WORDS) -> Marking:
        return marking(self._names.records, covering, mark, self.expires_s(mark), room)

    def expires_s(self, mark: Mark) -> int | None:
        """When usage records with that mark may be deleted: never while a person may need them."""
        if mark.fate is not Fate.DONE:
            return None
        if self._retention is None:
            self._retention = (self._read_retention(),)
        [retention] = self._retention
        return None if retention is None else epoch_ms(self._now() + retention) // 1_000

    def _mark(self, work: list[_Work], until: datetime | None) -> int:
        marked = 0
        steps = _steps(work)
        with ThreadPoolExecutor(self._workers) as pool:
            while not self._is_over(until):
                size = self._workers * BATCHES_PER_WORKER
                batches = list(islice(portions(steps, STATEMENTS_MAX), size))
                if not batches:
                    break
                run = map if self._workers == 1 else pool.map
                marked += sum(run(self._mark_batch, batches))
                for batch in batches:
                    for step in batch:
                        step.work.done += 1
        return marked

    def _mark_batch(self, batch: list[_MarkToWrite]) -> int:
        statements = [work.marking.statement(ns, micros) for work, ns, micros in batch]
        refusals = self._calls.execute(statements)
        changed: list[tuple[_MarkToWrite, Place | None]] = []
        for step, refusal in zip(batch, refusals, strict=True):
            if refusal is not None and refusal.invalid is not None:
                self._mark_large(step)
            elif refusal is not None and _is_to_be_named(step, refusal):
                changed.append((step, _named(refusal.there)))
        self._name(changed)
        return sum(refusal is None or refusal.invalid is not None for refusal in refusals)

    def _mark_large(self, step: _MarkToWrite) -> None:
        """Mark a usage record that is as large as an item may be."""
        work = step.work
        for room in (Room.FOR_NAME, Room.FOR_FLAGS):
            statement = self._marking(work.covering, work.mark, room)
            (refusal,) = self._calls.execute([statement.statement(step.ns, step.micros)])
            if refusal is None:
                break
            work.has_nameless = True

    def _name(self, changed: list[tuple[_MarkToWrite, Place | None]]) -> None:
        """Have those that do not say what was sealed name the entry: no other book seals them.

        Another name goes only where that entry has given them back: one that the ledger does not
        know may have been lost, and `Recovery.open_usage` asks a person about it.
        """
        others = dict.fromkeys(place for _step, place in changed if place is not None)
        found = read_covering(self._calls, self._names.ledger, others)
        free: list[_MarkToWrite] = []
        for step, place in changed:
            if place is None or _holds_nothing(found.get(place)):
                free.append(step)
            else:
                step.work.has_nameless = True
        statements = [naming(self._names.records, each.work.covering, each.ns) for each in free]
        for each, refusal in zip(free, self._calls.execute(statements), strict=True):
            if refusal is not None and refusal.invalid is not None:
                each.work.has_nameless = True

    def _note(self, work: list[_Work]) -> list[Place]:
        """Note what is marked; answers the entries that changed meanwhile."""
        changed: list[Place] = []
        for part in portions((each for each in work if _has_news(each)), STATEMENTS_MAX):
            statements = [
                update_statement(self._names.ledger, each.covering, self._noted(each))
                for each in part
            ]
            refusals = self._calls.execute(statements)
            for each, refusal in zip(part, refusals, strict=True):
                place = each.covering.place
                self._memory.entries.pop(place, None)
                if refusal is not None:
                    changed.append(place)
                elif each.is_whole:
                    self._memory.marks_due.pop(place, None)
        return changed

    def _noted(self, work: _Work) -> Covering:
        covering = replace(work.covering, revision=self._new_revision())
        if work.has_nameless and isinstance(covering, Stored):
            covering = replace(covering, names=Names.NOT_ALL)
        if work.is_whole:
            return replace(covering, marks_due_at_ms=None, marks_done=0)
        return replace(covering, marks_done=work.done)


def _is_to_be_named(step: _MarkToWrite, refusal: Refusal) -> bool:
    """Whether it was changed before it was first marked: what is put later is other usage."""
    covering, there = step.work.covering, refusal.there
    if there is None or is_moved(there):
        return False
    if not isinstance(covering, Stored) or covering.names_members:
        return False
    return covering.entry.state.is_live and _named(there) != covering.place


def _holds_nothing(covering: Covering | None) -> bool:
    """Whether it is known, and no live entry."""
    is_live = isinstance(covering, Stored) and covering.entry.state.is_live
    return covering is not None and not is_live


def _named(item: Attributes | None) -> Place | None:
    """The entry that a usage record names."""
    return keys.parse_place((item or {}).get(MARKED_BY, {}).get("S", ""))


def _has_news(work: _Work) -> bool:
    return work.is_whole or work.done > work.covering.marks_done


def _steps(work: list[_Work]) -> Iterator[_MarkToWrite]:
    """Every usage record to be marked; an entry's members are unpacked when they come up."""
    for each in work:
        members = MemberList.decode(each.content)
        for ns, micros in islice(members.pairs(), each.done, None):
            yield _MarkToWrite(each, ns, micros)
        each.is_whole = True
