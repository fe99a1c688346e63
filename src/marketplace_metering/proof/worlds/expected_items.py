"""What plain PutItems made of places in the guide's table, as the auditor remembers it.

A PutItem overwrites any item at its key, a buyer and a millisecond, without a check. So a place has
a history: the last put must be there, and what was there before may be billed if it was sealed in
time. Writes whose process died may have happened or not.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Container, Iterable
from dataclasses import dataclass
from typing import NamedTuple

from marketplace_metering.proof.worlds.snapshot import MeterName, Tags, UsageRow


class Written(NamedTuple):
    """One usage record that a store must hold exactly once."""

    meter: MeterName
    hour: int
    tags: Tags
    micros: int


def written_in(row: UsageRow) -> Written:
    """What a row of the books says."""
    return Written(row.meter, row.hour, row.tags, row.micros)


Place = tuple[str, int]  # the buyer and the nanosecond


@dataclass(slots=True, eq=False)
class Version:
    """One write to a place: when it began and ended, in the auditor's own count."""

    written: Written
    began: int
    ended: int | None = None
    is_certain: bool = False
    is_replaced: bool = False  # by a repair that holds only if nobody bills it
    edits: Written | None = None  # what it is the same use as; None: an application's own put


class ExpectedItems:
    """All places that were written by PutItem."""

    def __init__(self, marks: Counter[str]) -> None:
        self._marks = marks
        self._versions: dict[Place, list[Version]] = {}
        self._count = 0
        self.is_ledger_restored = False

    def __contains__(self, place: Place) -> bool:
        return place in self._versions

    def __bool__(self) -> bool:
        return bool(self._versions)

    def places(self) -> set[Place]:
        """All places that were written."""
        return set(self._versions)

    def begin(self, place: Place, written: Written, edits: Written | None = None) -> Version:
        """A write is on its way; one that edits makes no other use of what stands there."""
        self._count += 1
        version = Version(written, self._count, edits=edits)
        versions = self._versions.setdefault(place, [])
        if versions and versions[-1].written != written:
            self._marks["usage put over other usage"] += 1
        versions.append(version)
        return version

    def end(self, version: Version, is_certain: bool) -> None:
        """It was done, or its process never knew."""
        self._count += 1
        version.ended = self._count
        version.is_certain = is_certain

    def undone(self, place: Place, version: Version) -> None:
        """It certainly did not happen."""
        self._versions[place].remove(version)

    def replaced(self, place: Place, old: Written, by: Version) -> None:
        """A repair found the old one, billed by nobody, and put another in its place."""
        for version in self._versions[place]:
            if version.written == old and version.ended is not None and version.ended < by.began:
                version.is_replaced = True

    def forget(self, place: Place) -> None:
        """What was put there stands elsewhere now: a later put begins a history of its own."""
        del self._versions[place]

    def was_overwritten(self, place: Place) -> bool:
        """Whether different usage was written to it."""
        return len({version.written for version in self._versions.get(place, ())}) > 1

    def products_overwritten(self) -> set[str]:
        """Of whose usage something was overwritten, or written over something."""
        return {
            version.written.meter.product
            for place, versions in self._versions.items()
            if self.was_overwritten(place)
            for version in versions
        }

    def may_stand_there(self, place: Place) -> set[Written]:
        """What the table may hold now: no later write is certain to have gone over it."""
        versions = self._versions[place]
        return {
            version.written
            for version in versions
            if not any(
                later.is_certain and version.ended is not None and later.began > version.ended
                for later in versions
            )
        }

    def fault_in(self, usage: Iterable[UsageRow], held: Container[str] = ()) -> str | None:
        """What is wrong with the usage records at these places, if anything is.

        Entries that are held for a person after a restore are not billed.
        """
        found: defaultdict[Place, list[UsageRow]] = defaultdict(list)
        for row in usage:
            found[row.meter.account, row.created_ns].append(row)
        for place, versions in self._versions.items():
            if place not in found and any(version.is_certain for version in versions):
                return f"recorded usage is gone: {versions[-1].written}"
        for place, rows in found.items():
            fault = self._fault_at(place, rows, held)
            if fault is not None:
                return fault
        return None

    def _fault_at(
        self, place: Place, rows: list[UsageRow], held_for_a_person: Container[str]
    ) -> str | None:
        known = {each.written for each in self._versions[place] if not each.is_replaced}
        loose = [row for row in rows if row.entry is None]
        held = [row for row in rows if row.entry is not None]
        for row in held:
            if written_in(row) not in known:
                return f"usage is billed that was never put there, or that was repaired: {row}"
        books = {(row.meter.product, row.meter.dimension) for row in held}
        # A ledger that was restored may hold what stood there before, beside what was billed since.
        may_hold_both = self.is_ledger_restored
        if (len(books) < len(held) and not may_hold_both) or len(loose) > 1:
            return f"one usage record is there twice: {rows}"
        billed = {written_in(row) for row in held if row.entry not in held_for_a_person}
        if self._is_billed_too_often(self._versions[place], billed) and not may_hold_both:
            return f"one use is billed in two books, because it was edited between them: {rows}"
        standing = {written_in(row) for row in loose or held}
        if not standing & self.may_stand_there(place):
            return f"the last put is not there: {rows}"
        return None

    @staticmethod
    def _is_billed_too_often(versions: Iterable[Version], held: set[Written]) -> bool:
        """Whether more is held of what edits made of one put than was put."""
        same: dict[Written, set[Written]] = {each.written: {each.written} for each in versions}
        for each in versions:
            if each.edits is not None:
                together = same.get(each.edits, {each.edits}) | same[each.written]
                same.update(dict.fromkeys(together, together))
        puts = Counter(each.written for each in versions if each.edits is None)
        return any(
            len(held & uses) > sum(puts[written] for written in uses) for uses in same.values()
        )
