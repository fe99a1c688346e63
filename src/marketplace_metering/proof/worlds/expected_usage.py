"""What was certainly recorded, what may have been, and what people made of it since.

The auditor's own list, kept while it happens: by the writers' inputs, by what was put into the
guide's table, and by repairs, whose process may die before anybody knows whether they were done.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta

from marketplace_metering.proof.worlds.applications import Input, SharedEvent
from marketplace_metering.proof.worlds.expected_items import ExpectedItems, Written, written_in
from marketplace_metering.proof.worlds.snapshot import MeterName, UsageRow
from marketplace_metering.proof.worlds.timeline import EPOCH

Window = tuple[MeterName, int]
NS_PER_MS = 1_000_000
NS_PER_S = 1_000_000_000


@dataclass(slots=True, eq=False)
class Doubt:
    """A repair that is under way, or whose process died: which of the two is there?"""

    old: Written
    new: Written
    is_over: bool = False


def _is_explained(
    extra: Counter[Written], maybe: Sequence[Counter[Written]], parts_are_kept: bool
) -> bool:
    """Whether inputs that nobody has confirmed account for this usage: some of them, each whole
    unless the store keeps parts. Two of them may hold equal usage, so every choice is tried."""
    if not extra:
        return True
    if not maybe:
        return False
    first, others = maybe[0], maybe[1:]
    if parts_are_kept:
        return _is_explained(extra - first, others, parts_are_kept)
    was_recorded = not first - extra and _is_explained(extra - first, others, parts_are_kept)
    return was_recorded or _is_explained(extra, others, parts_are_kept)


class Recorded:
    """See above."""

    def __init__(self, marks: Counter[str]) -> None:
        self.inputs: list[Input] = []
        self.events: list[SharedEvent] = []
        self.parts_are_kept = False  # of inputs that broke off
        self.corrections: Counter[Written] = Counter()  # what repairs took away and put there
        self.doubts: list[Doubt] = []
        self._taken_as_done: list[Doubt] = []  # by what was seen: an equal one may have done it
        self.freed_by_person: set[Window] = set()
        self._marks = marks
        self.slots = ExpectedItems(marks)
        self._overwritten_before: set[str] = set()
        self.moved_away: set[tuple[str, int]] = set()  # the buyer and the second
        # Places of plain puts, whose history a restored store does not share with the auditor.
        self._forgotten: set[tuple[str, int]] = set()
        self._in_copy: Counter[Written] = Counter()  # where the store was restored

    def lose(self, copy: Iterable[UsageRow]) -> None:
        """A copy takes the place of the store: what it holds is there, and nothing else."""
        self._forgotten |= self.slots.places()
        rows = (row for row in copy if _place(row) not in self._forgotten)
        self._in_copy = Counter(written_in(row) for row in rows)
        for each in self.inputs:
            each.is_lost = True
        self.inputs.clear()
        self.events.clear()
        self.corrections.clear()
        self.doubts.clear()
        self._taken_as_done.clear()
        self._overwritten_before |= self.slots.products_overwritten()
        self.slots = ExpectedItems(self._marks)

    def products_overwritten(self) -> set[str]:
        """Of whose usage something was overwritten, also before the store was restored."""
        return self._overwritten_before | self.slots.products_overwritten()

    def fault_in(self, usage: Iterable[UsageRow], held: Container[str] = ()) -> str | None:
        """Every usage record is there once, and nothing that nobody wrote: else what is wrong.

        Entries that are held for a person after a restore are not billed.
        """
        recorded: Counter[Written] = Counter()
        put: list[UsageRow] = []
        for row in usage:
            if _place(row) in self.slots:
                put.append(row)
            elif _place(row) in self._forgotten:
                continue
            else:
                recorded[written_in(row)] += 1
        fault = self.slots.fault_in(put, held)
        if fault is not None:
            return fault
        expected = self.expected()
        self._settle_doubts(recorded, expected)
        missing = expected - recorded
        if missing:
            return f"recorded usage is gone: {_listed(missing)}"
        extra = recorded - expected
        maybe = [Counter(i.good) for i in self.inputs if not i.is_confirmed and not i.is_put]
        # Where it was put as well, the recorded one may have come too late.
        maybe += [
            Counter([each.written])
            for each in self.events
            if each.is_begun and (each.is_put or not each.is_recorded)
        ]
        if not _is_explained(extra, maybe, self.parts_are_kept):
            return f"usage is recorded that was never written, or twice: {_listed(extra)}"
        return None

    def expected(self) -> Counter[Written]:
        """What is certainly recorded, but for what was put by PutItem."""
        expected = self._in_copy.copy()
        for each in self.inputs:
            if each.is_confirmed and not each.is_put:
                expected.update(each.good)
        expected.update(
            each.written for each in self.events if each.is_recorded and not each.is_put
        )
        expected.update(self.corrections)
        return expected

    def _settle_doubts(self, recorded: Counter[Written], expected: Counter[Written]) -> None:
        for doubt in list(self.doubts):
            if recorded[doubt.new] > expected[doubt.new]:
                self._correct(doubt)
                self._taken_as_done.append(doubt)
                expected.subtract({doubt.old: 1})
                expected.update({doubt.new: 1})
            elif doubt.is_over:
                self.doubts.remove(doubt)

    def _correct(self, doubt: Doubt) -> None:
        """A person put one usage record in the place of another, as the auditor knows by now."""
        self.doubts.remove(doubt)
        self.corrections.subtract({doubt.old: 1})
        self.corrections.update({doubt.new: 1})

    def _is_done(self, doubt: Doubt) -> None:
        """Its process says so. What was seen may have been taken for an equal one's work."""
        if doubt not in self.doubts:
            return
        for other in self._taken_as_done:
            if (other.old, other.new) == (doubt.old, doubt.new):
                self.doubts.remove(doubt)
                self._taken_as_done.remove(other)
                self.doubts.append(other)
                return
        self._correct(doubt)

    @contextmanager
    def putting(self, item: Mapping[str, object], written: Written | None) -> Iterator[None]:
        """An application puts an item itself; it says nothing if it was made wrong."""
        account, created_ms = item["customerAWSAccountId"], item["create_timestamp"]
        if written is None or not isinstance(created_ms, int):
            yield
            return
        place = (str(account), created_ms * NS_PER_MS)
        self._may_go_over_others(place, written)
        version = self.slots.begin(place, written)
        is_done = False
        try:
            yield
            is_done = True
        finally:
            self.slots.end(version, is_certain=is_done)
            self._may_go_over_others(place, written)  # what came meanwhile

    def _may_go_over_others(self, place: tuple[str, int], written: Written) -> None:
        for other in self.slots.may_stand_there(place) if place in self.slots else ():
            if other != written:
                self.may_be_given_back(other.meter, other.hour)

    @contextmanager
    def repairing(
        self, place: tuple[str, int], old: Written, new: Written
    ) -> Iterator[Callable[[], None]]:
        """A person puts one usage record in the place of another, and says when it is done."""
        is_done = False

        def done() -> None:
            nonlocal is_done
            is_done = True

        if place in self.slots:
            version = self.slots.begin(place, new, edits=old)
            try:
                yield done
            except BaseException:
                self.slots.end(version, is_certain=False)
                raise
            self.slots.end(version, is_certain=is_done)
            if is_done:
                self.slots.replaced(place, old, version)
            else:
                self.slots.undone(place, version)
            return
        if place in self._forgotten:
            yield done
            return
        doubt = Doubt(old, new)
        self.doubts.append(doubt)
        try:
            yield done
        finally:
            doubt.is_over = True
            if is_done:
                self._is_done(doubt)

    def moved(self, place: tuple[str, int], to: Written) -> None:
        """A person moved to another buyer what an application had put there itself."""
        self.slots.forget(place)
        self.corrections[to] += 1
        account, ns = place
        self.moved_away.add((account, ns // NS_PER_S))

    def may_be_given_back(self, meter: MeterName, hour: int) -> None:
        """Somebody changes usage of it: its window may be released, and nobody need be told."""
        self.freed_by_person |= {(meter, later) for later in range(hour, hour + 80)}


def hour_text(hour: int) -> str:
    """An hour as a person writes it."""
    return f"{EPOCH + timedelta(hours=hour):%m-%d %H:00}"


def shown(window: Window) -> str:
    """A window as a person writes it."""
    return f"{window[0]}, {hour_text(window[1])}"


def _place(row: UsageRow) -> tuple[str, int]:
    return row.meter.account, row.created_ns


def _listed(usage: Counter[Written]) -> str:
    return "; ".join(
        f"{count} × {each.micros} millionths of {shown((each.meter, each.hour))}"
        for each, count in usage.items()
    )
