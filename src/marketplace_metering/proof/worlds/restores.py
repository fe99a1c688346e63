"""What the auditor knows of a store that was restored: which usage AWS has billed already.

A restored store has forgotten what was sent since its copy. For it, those windows are another
program's; for the auditor they are usage that must never be billed again, in whichever window.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from marketplace_metering.proof.worlds.expected_usage import Window, shown
from marketplace_metering.proof.worlds.snapshot import EntryRow, MeterName, Snapshot, UsageRow
from marketplace_metering.simulator.audit import Accepted

SETTLED_FOR_GOOD = ("billed", "presumed")


class Unit(NamedTuple):
    """One usage record, whichever store holds it."""

    meter: MeterName
    created_ns: int
    micros: int


def unit_of(row: UsageRow) -> Unit:
    """The unit of a row of the books."""
    return Unit(row.meter, row.created_ns, row.micros)


class BilledUnits:
    """Empty until a store is restored."""

    def __init__(self) -> None:
        self.is_restored = False
        self._billed: dict[Unit, Window] = {}
        self._in_flight: dict[Window, tuple[EntryRow, list[Unit]]] = {}
        self._seen = 0

    def lose(self, lost: Snapshot, accepted: dict[Window, Accepted], count: int) -> set[Window]:
        """A copy takes the place of a store; answers the windows that it may not know of."""
        self.is_restored = True
        self._seen = count
        members = _members(lost)
        unknown: set[Window] = set(self._in_flight)
        for entry in lost.entries:
            units = members.get(entry.name, [])
            if entry.is_live and entry.window in accepted:
                for unit in units:
                    self._billed.setdefault(unit, entry.window)
                unknown.add(entry.window)
            elif entry.is_live and entry.begun > entry.refused:
                self._in_flight[entry.window] = (entry, units)
                unknown.add(entry.window)
        return unknown

    def holders(self, books: Snapshot) -> set[str]:
        """The names of the entries with usage that AWS has billed in another copy's window."""
        if not self._billed:
            return set()
        return {row.entry for row in books.usage if row.entry and unit_of(row) in self._billed}

    def look(self, new: Iterable[tuple[Window, Accepted]], books: Snapshot) -> str | None:
        """What AWS accepted since: none of it was billed before; else what is wrong."""
        members = _members(books)
        live = {entry.window: entry for entry in books.entries if entry.is_live}
        for window, accepted in new:
            entry = live.get(window)
            units = [] if entry is None else members.get(entry.name, [])
            late = self._in_flight.get(window)
            sent = accepted.content.quantity
            if late is not None and (entry is None or entry.micros != sent):
                units = late[1]  # on its way when the store was restored
            for unit in units:
                before = self._billed.setdefault(unit, window)
                if before != window:
                    return f"{unit} is billed twice, in {shown(before)} and in {shown(window)}"
        return None


def _members(books: Snapshot) -> dict[str, list[Unit]]:
    found: dict[str, list[Unit]] = {}
    for row in books.usage:
        if row.entry is not None:
            found.setdefault(row.entry, []).append(unit_of(row))
    return found
