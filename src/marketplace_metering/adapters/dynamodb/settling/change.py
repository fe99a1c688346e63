"""Changing entries: a decision on the entry as it is stored, written only if it still is.

Every change gives the entry a new revision, and is written on the condition that the revision is
the one that was decided upon. If it is not, the entry is read again and the decision made again:
so a release, too, is decided inside the store (money rule 6). What belongs to a change, its alarm
and for a release the head of the book, is written in the same transaction.
"""

from __future__ import annotations

import logging
from collections import ChainMap
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from datetime import datetime
from itertools import chain, groupby
from typing import Any, NamedTuple

from marketplace_metering.adapters.dynamodb.api.apart import apart, is_broken
from marketplace_metering.adapters.dynamodb.api.attributes import text
from marketplace_metering.adapters.dynamodb.api.requests import (
    GET_KEYS_MAX,
    STATEMENTS_MAX,
    Calls,
    InvalidRequestError,
    Refusal,
    StoreBusyError,
    portions,
)
from marketplace_metering.adapters.dynamodb.items import keys
from marketplace_metering.adapters.dynamodb.items.alarm import Alarms
from marketplace_metering.adapters.dynamodb.items.book_head import Head, Holding, read_heads
from marketplace_metering.adapters.dynamodb.items.entry import (
    Rejected,
    Stored,
    read_covering,
    update_statement,
    update_write,
)
from marketplace_metering.adapters.dynamodb.items.keys import Place
from marketplace_metering.adapters.dynamodb.items.tables import TableNames
from marketplace_metering.adapters.dynamodb.settling.broken_entries import BrokenEntries
from marketplace_metering.adapters.dynamodb.settling.outcome_marks import with_marks
from marketplace_metering.adapters.dynamodb.settling.recent_writes import Memory
from marketplace_metering.core.ledger import AfterRelease, Change, Entry, EntryKey

logger = logging.getLogger("marketplace_metering.adapters.dynamodb.settling")

TRIES = 10
STEPS_PER_TRANSACTION = 30  # each may bring an alarm along; and a head for all


class _EntryChange(NamedTuple):
    """One entry's change, ready to be written."""

    before: Stored
    after: Stored
    change: Change


class Changes:
    """The entries of a store, as they change."""

    def __init__(
        self,
        calls: Calls,
        names: TableNames,
        alarms: Alarms,
        memory: Memory,
        broken: BrokenEntries,
        new_revision: Callable[[], str],
    ) -> None:
        self._calls = calls
        self._names = names
        self._memory = memory
        self._broken = broken
        self._writer = _Writer(calls, names, alarms, memory, broken)
        self._new_revision = new_revision

    def read(self, places: Iterable[Place]) -> dict[Place, Stored]:
        """The entries as they are now; those that do not exist or are broken are left out."""

        def read(some: Sequence[Place]) -> dict[Place, Stored | Rejected]:
            return read_covering(self._calls, self._names.ledger, some)

        found = ChainMap(*apart(list(places), read, self._leave))
        entries = {place: each for place, each in found.items() if isinstance(each, Stored)}
        for each in entries.values():
            self._memory.saw(each)
        return entries

    def _leave(self, place: Place, error: Exception) -> dict[Place, Stored | Rejected]:
        self._broken.tell(place, error)
        return {}

    def change(
        self,
        entry_keys: Sequence[EntryKey],
        decide: Callable[[Entry], Change | None],
        now: datetime,
        is_marked_anew: bool = False,
    ) -> list[Entry]:
        """Decide on each entry as it is stored, and store the change; answers the changed ones."""
        changed: dict[Place, Entry] = {}
        places = list(dict.fromkeys(keys.entry_place(key) for key in entry_keys))
        for part in portions(places, GET_KEYS_MAX):
            self._change(part, decide, now, is_marked_anew, changed)
        return [changed[place] for place in places if place in changed]

    def _change(
        self,
        places: list[Place],
        decide: Callable[[Entry], Change | None],
        now: datetime,
        is_marked_anew: bool,
        changed: dict[Place, Entry],
    ) -> None:
        seen = {
            place: self._memory.entries[place] for place in places if place in self._memory.entries
        }
        current = self._read_some([place for place in places if place not in seen])
        for _try in range(TRIES):
            steps, undecided = self._decide(seen | current, decide, now, is_marked_anew)
            lost, left = self._writer.store(steps, now)
            for step in steps:
                if step.after.place not in lost and step.after.place not in left:
                    changed[step.after.place] = step.change.entry
            # What is only remembered may be out of date: what it refuses is looked at again.
            again = [*lost, *(place for place in undecided if place in seen)]
            if not again:
                return
            seen, current = {}, self._read_some(again)
            for step in steps:
                there = current.get(step.after.place)
                if there is not None and _is_done(step, there):
                    changed[step.after.place] = step.change.entry
                    del current[step.after.place]
        raise StoreBusyError(
            "other processes keep changing the same entries; the next run continues"
        )

    def _read_some(self, places: Sequence[Place]) -> dict[Place, Stored]:
        found = self.read(places) if places else {}
        for place in places:
            if place not in found and place not in self._broken:
                # The table was restored since it was looked at, or somebody deleted it.
                logger.error("%s is in the ledger no more, and what AWS said of it is lost", place)
        return found

    def _decide(
        self,
        entries: dict[Place, Stored],
        decide: Callable[[Entry], Change | None],
        now: datetime,
        is_marked_anew: bool,
    ) -> tuple[list[_EntryChange], list[Place]]:
        steps: list[_EntryChange] = []
        undecided: list[Place] = []
        for place, before in entries.items():
            try:
                change = decide(before.entry)
            except Exception as error:
                if not is_broken(error):
                    raise
                self._broken.tell(place, error)
                continue
            if change is None:
                undecided.append(place)
                continue
            after = before.changed(change, self._new_revision())
            steps.append(
                _EntryChange(before, with_marks(before, after, now, is_marked_anew), change)
            )
        return steps, undecided


class _Writer:
    """Writes changes of entries, each on the condition that the entry is as it was decided on."""

    def __init__(
        self,
        calls: Calls,
        names: TableNames,
        alarms: Alarms,
        memory: Memory,
        broken: BrokenEntries,
    ) -> None:
        self._calls = calls
        self._names = names
        self._alarms = alarms
        self._memory = memory
        self._broken = broken
        self._left: set[Place] = set()

    def store(
        self, steps: list[_EntryChange], now: datetime
    ) -> tuple[Collection[Place], Collection[Place]]:
        """Write the changes; answers the entries that were not as they had been seen, and those
        that DynamoDB can never take as they should be, of which people are told."""
        self._left = set()
        alone = [step for step in steps if step.change.alarm is None and step.change.frees is None]
        alarming = [step for step in steps if step.change.alarm and step.change.frees is None]
        freeing = sorted(
            (step for step in steps if step.change.frees is not None),
            key=lambda step: step.before.place,
        )
        lost: list[Place] = []
        for part in portions(alone, STATEMENTS_MAX):
            lost += self._store_alone(part)
        for part in portions(alarming, STEPS_PER_TRANSACTION):
            lost += self._store_apart(part, None, now)
        for pk, of_book in groupby(freeing, key=lambda step: step.before.place.pk):
            for part in portions(of_book, STEPS_PER_TRANSACTION):
                lost += self._store_apart(part, pk, now)
        return lost, self._left

    def _store_alone(self, steps: list[_EntryChange]) -> Iterator[Place]:
        statements = [update_statement(self._names.ledger, s.before, s.after) for s in steps]
        refusals = self._calls.execute(statements)
        for step, refusal in zip(steps, refusals, strict=True):
            if refusal is None or _is_own(refusal, step):
                self._memory.wrote(step.after)
            elif refusal.invalid is not None:
                self._leave(step, InvalidRequestError(refusal.invalid))
            else:
                self._memory.forget(step.before.place)
                yield step.before.place

    def _leave(self, step: _EntryChange, error: Exception) -> list[Place]:
        self._memory.forget(step.before.place)
        self._left.add(step.before.place)
        self._broken.tell(step.before.place, error)
        return []

    def _store_apart(self, steps: list[_EntryChange], pk: str | None, now: datetime) -> list[Place]:
        def store(some: Sequence[_EntryChange]) -> list[Place]:
            return self._store_together(some, pk, now)

        return list(chain.from_iterable(apart(steps, store, self._leave)))

    def _store_together(
        self, steps: Sequence[_EntryChange], pk: str | None, now: datetime
    ) -> list[Place]:
        """Write changes with their alarms, and the head of the book that they free usage of."""
        writes: list[dict[str, Any]] = []
        if pk is not None:
            head = read_heads(self._calls, self._names.ledger, [pk])[pk]
            writes.append(_freed(head, steps, now).write(self._names.ledger, head))
        owner: dict[int, _EntryChange] = {}
        for step in steps:
            owner[len(writes)] = step
            writes.append(update_write(self._names.ledger, step.before, step.after))
            if step.change.alarm is not None:
                writes.append(self._alarms.write(step.change.alarm))
        refused = self._calls.transact(writes)
        if refused is None or any(
            refusal is not None and _is_own(refusal, owner[index])
            for index, refusal in enumerate(refused)
            if index in owner
        ):
            self._alarms.were_raised(writes)
            for step in steps:
                self._memory.wrote(step.after)
            return []
        for index, refusal in enumerate(refused):
            if refusal is not None and refusal.invalid is not None:
                raise InvalidRequestError(refusal.invalid)
            if refusal is not None and index in owner:
                self._memory.forget(owner[index].before.place)
        return [step.before.place for step in steps]


def _freed(head: Head, steps: Sequence[_EntryChange], now: datetime) -> Head:
    holdings = {
        step.before.place: (
            Holding.FREED if step.change.frees is AfterRelease.PENDING else Holding.LISTED
        )
        for step in steps
    }
    return head.freed(holdings, now)


def _is_done(step: _EntryChange, there: Stored) -> bool:
    """Whether a step that counts something was done, or may have been, before what is there now.

    A write whose answer was lost may have been done, and others have gone on with the entry since.
    A refusal or a duplicate that counts twice would pass for the answer to an attempt that has
    none; an attempt that counts twice would never be answered.
    """
    attempt = step.change.attempt
    if attempt is None:
        return False
    if attempt.answer is None:
        return any(each.begun_by == step.after.revision for each in there.attempts)
    counts = step.change.entry.possibly_accepted < step.before.entry.possibly_accepted
    is_open = any(each.number == attempt.number and not each.answer for each in there.attempts)
    return counts and not is_open


def _is_own(refusal: Refusal, step: _EntryChange) -> bool:
    """Whether the change was stored after all and only the answer to it was lost."""
    there = refusal.there or {}
    return bool(there.get("revision") == text(step.after.revision))
