"""The seller's operator: retries, repairs, resolves and writes off, at random but truthfully.

They find things out as a real one does, with what CloudTrail shows, and wait long enough for it.
A finding that is wrong bills usage twice, and no program can prevent it.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from random import Random

from marketplace_metering.core.hours import UsageHour
from marketplace_metering.core.ledger import State
from marketplace_metering.core.record import UsageRecord
from marketplace_metering.core.views import EntryFilter, RecordView
from marketplace_metering.jobs.correct import (
    Finding,
    NotRepairable,
    Repaired,
    repair,
    resolve,
    retry,
    write_off,
)
from marketplace_metering.jobs.licenses import NotGivenError, give
from marketplace_metering.ports import Clock, OpenStore
from marketplace_metering.proof.worlds.aws import SimulatedAws, name_of
from marketplace_metering.proof.worlds.expected_items import Written, written_in
from marketplace_metering.proof.worlds.expected_usage import hour_text, shown
from marketplace_metering.proof.worlds.listings import LISTED, POISON
from marketplace_metering.proof.worlds.liveness import Endings
from marketplace_metering.proof.worlds.safety import Auditor
from marketplace_metering.proof.worlds.snapshot import EntryRow, MeterName, Snapshot, UsageRow
from marketplace_metering.proof.worlds.stores import GuideTable, Shop

NAME = "the operator"
METERED_UNDER = re.compile("is metered under product ([^,]+),")
# CloudTrail shows a request after a quarter of an hour. But a process that stored its intent may
# halt before its call: before an operator says "not billed", none of them can be alive.
WAITS = timedelta(hours=6)


@dataclass(slots=True)
class Person:
    """Corrects one thing at a time."""

    random: Random
    auditor: Auditor
    endings: Endings
    aws: SimulatedAws
    under_way_since_us: Callable[[], int]
    restored_at_us: int = 0  # when a copy took the place of the store
    codes: Random | None = None  # where usage of a licence names two product codes

    def act(self, opened: OpenStore, clock: Clock, shop: Shop) -> str:
        """Do something, and say what."""
        books = shop.books()
        for row in books.usage:  # what was listed a moment ago, in a run that goes on
            self.auditor.lateness.listed(row)
        if self.codes is not None and self.codes.random() < 0.2:
            return self._give_a_licence(opened, clock, books, self.codes)
        if shop.table is not None and books.usage and self.random.random() < 0.4:
            # What is misspelt is few among many, and what there is most to do about.
            misspelt = [row for row in books.usage if row.meter.dimension == POISON]
            among = misspelt if misspelt and self.random.random() < 0.5 else books.usage
            row = self.random.choice(among)
            return self._as_the_guide_says(shop, shop.table, clock, row)
        listed = _listed(books)
        unsettled = [
            entry
            for entry in books.entries
            if entry.state == "unresolved" and self._has_waited(entry, clock)
        ]
        choice = self.random.choice(("retry", "repair", "resolve", "write off"))
        if choice == "retry":
            return self._retry(opened, clock)
        if choice == "repair" and listed:
            return self._repair(opened, clock, self.random.choice(listed))
        if choice == "resolve" and unsettled:
            return self._resolve(opened, clock, self.random.choice(unsettled), books)
        parked = [entry for entry in books.entries if entry.state == "parked"]
        # What is unresolved and billed is resolved, never given up.
        lost = [entry for entry in unsettled if not self._is_billed(entry, books)]
        if choice == "write off" and parked + lost:
            return self._write_off(opened, clock, self.random.choice(parked + lost))
        return "finds nothing to do"

    def _as_the_guide_says(self, shop: Shop, table: GuideTable, clock: Clock, row: UsageRow) -> str:
        """Any usage record at all is set pending again, or corrected in the table itself."""
        place = (row.meter.account, row.created_ns)
        slots = self.auditor.recorded.slots
        is_there = place in slots and written_in(row) in slots.may_stand_there(place)
        if is_there and row.meter.dimension == POISON and self.random.random() < 0.5:
            return self.correct_in_place(shop, clock, row)
        self.auditor.marks["set pending by hand"] += 1
        table.set_pending(clock, row)
        return f"sets usage of {row.meter}, {hour_text(row.hour)} pending again"

    def correct_in_place(self, shop: Shop, clock: Clock, row: UsageRow) -> str:
        """The guide's repair of a failed usage record that was put with another dimension."""
        table = shop.table
        assert table is not None
        right = row.meter._replace(dimension=LISTED[0])
        if not self.edited(row, right, lambda: table.correct(clock, row, LISTED[0])):
            return "finds that the usage record is not failed"
        self.auditor.marks["corrected by hand"] += 1
        return f"corrects usage of {row.meter}, {hour_text(row.hour)} in the table"

    def _give_a_licence(
        self, opened: OpenStore, clock: Clock, books: Snapshot, random: Random
    ) -> str:
        cast = self.aws.cast
        found = sorted(
            {
                row.meter.license_arn
                for row in books.usage
                if row.meter.license_arn and cast.is_only_licensed(row.meter.account)
            }
        )
        if not found:
            return "finds no licence to give"
        arn, product = random.choice(found), random.choice(("prod-a", "prod-b"))
        self.endings.given.add(arn)
        try:
            given = give(opened, arn, product, clock.now())
        except NotGivenError as error:  # a job has claimed it meanwhile
            return str(error)
        self.auditor.marks["licence given to another product code"] += given.now != given.before
        return f"gives {arn} to {product}, was {given.before}: {given.now}"

    def edit_something(self, shop: Shop, clock: Clock, random: Random) -> str:
        """A change of mind about a usage record, wherever it is on its way to AWS."""
        books, slots = shop.books(), self.auditor.recorded.slots
        open_ones = {entry.name for entry in books.entries if entry.state in ("sealed", "parked")}
        # What comes in several ways is known by its event, and to edit that is another story.
        shared = {row.created_ns for rows in books.events.values() for row in rows}
        rows = [
            row
            for row in books.usage
            if row.meter.dimension in LISTED
            and row.created_ns not in shared
            and (row.meter.account, row.created_ns) in slots
            and written_in(row) in slots.may_stand_there((row.meter.account, row.created_ns))
        ]
        under_way = [row for row in rows if row.entry in open_ones]
        if not rows:
            return "finds nothing to edit"
        among = under_way if under_way and random.random() < 0.6 else rows
        return self.edit_in_place(shop, clock, random.choice(among), random)

    def edit_in_place(self, shop: Shop, clock: Clock, row: UsageRow, random: Random) -> str:
        """Another dimension, or another product; often with the guide's retry."""
        table, meter = shop.table, row.meter
        assert table is not None
        dimension = LISTED[1] if meter.dimension == LISTED[0] else LISTED[0]
        other = meter._replace(dimension=dimension)
        if meter.license_arn is None and random.random() < 0.3:
            other = meter._replace(product="prod-b" if meter.product == "prod-a" else "prod-a")
        is_retried = random.random() < 0.5
        if not self.edited(row, other, lambda: table.edit(clock, row, other, is_retried)):
            return "finds that the usage record is not what it was"
        self.auditor.marks["edited in place"] += 1
        if row.entry is not None:
            self.auditor.marks["edited in place after it was sealed"] += 1
        return f"edits usage of {meter}, {hour_text(row.hour)} in the table: now {other}"

    def edited(self, row: UsageRow, meter: MeterName, change: Callable[[], bool]) -> bool:
        """Change it, and let the auditor know that it is the same use still."""
        place, old = (row.meter.account, row.created_ns), written_in(row)
        recorded = self.auditor.recorded
        for each in (row.meter, meter):
            recorded.may_be_given_back(each, row.hour)
        self.auditor.lateness.edited(row)
        version = recorded.slots.begin(place, old._replace(meter=meter), edits=old)
        is_done = False
        try:
            is_done = change()
            if not is_done:
                recorded.slots.undone(place, version)
        finally:
            recorded.slots.end(version, is_certain=is_done)
        return is_done

    def _has_waited(self, entry: EntryRow, clock: Clock) -> bool:
        # Standstills inside of standstills keep a process for longer; and its clock may be slow.
        if self.under_way_since_us() <= self.restored_at_us:
            return False
        if self.under_way_since_us() < (entry.deadline_s + 3_600) * 1_000_000:
            return False
        return clock.now().timestamp() >= entry.deadline_s + WAITS.total_seconds()

    def _is_billed(self, entry: EntryRow, books: Snapshot) -> bool:
        """What CloudTrail shows, also of the windows that a lost store sent."""
        window = entry.window
        if entry.name in self.auditor.billed_units.holders(books):
            return True
        return window in self.auditor.accepted and window not in self.aws.foreign

    def _retry(self, opened: OpenStore, clock: Clock) -> str:
        tried = retry(opened, EntryFilter(), clock.now())
        return f"retries: {tried.usage_records} usage records, {tried.entries} entries at once"

    def _repair(self, opened: OpenStore, clock: Clock, row: UsageRow) -> str:
        view = _view_of(opened, row)
        if view is None:
            return "finds that the usage record is corrected already"
        right = corrected(view.record, view.failure or "")
        old, new = written(view.record), written(right)
        if view.entry is not None:
            window = view.entry.entry.window
            self.auditor.recorded.freed_by_person.add((old.meter, window.hour.number))
        with self.auditor.recorded.repairing(
            (row.meter.account, row.created_ns), old, new
        ) as repaired:
            outcome = repair(opened, view, right, clock.now())
            if outcome == Repaired():
                repaired()
        if isinstance(outcome, NotRepairable):
            self.auditor.marks["repair refused"] += 1
            return f"cannot repair usage of {hour_text(row.hour)}: {outcome.reason}"
        self.auditor.marks["repaired"] += 1
        return f"repairs {row.meter}, {hour_text(row.hour)}: now {new.meter.dimension}"

    def _resolve(self, opened: OpenStore, clock: Clock, entry: EntryRow, books: Snapshot) -> str:
        billed = self._is_billed(entry, books) or entry.window in self.auditor.accepted
        self.auditor.recorded.freed_by_person.add(entry.window)
        done = resolve(opened, _filter(entry), Finding(billed, NAME, "CloudTrail"), clock.now())
        self.auditor.marks[f"resolved as {'' if billed else 'not '}billed"] += len(done)
        return f"resolves {shown(entry.window)}: billed is {billed}"

    def settle(self, opened: OpenStore, clock: Clock, books: Snapshot) -> str:
        """Look all that is unresolved up in CloudTrail: it is billed there, or given up."""
        parked = [alarm for alarm in books.alarms if alarm.kind == "parked"]
        refusals = {(alarm.meter, alarm.hour): alarm.text for alarm in parked}
        done = []
        for entry in books.entries:
            if entry.state == "unresolved" and self._is_billed(entry, books):
                done.append(self._resolve(opened, clock, entry, books))
            elif entry.state == "unresolved":
                refusal = refusals.get(entry.window, "")
                why = f"CloudTrail has no such window. {refusal}".rstrip()
                done.append(self._write_off(opened, clock, entry, why))
        return "; ".join(done) or "finds nothing to do"

    def _write_off(
        self, opened: OpenStore, clock: Clock, entry: EntryRow, why: str = "too little"
    ) -> str:
        self.endings.written_off.add(entry.window)
        done = write_off(opened, _filter(entry), NAME, why, clock.now())
        self.auditor.marks["written off"] += len(done)
        return f"writes {shown(entry.window)} off: {len(done)} entries"


def _listed(books: Snapshot) -> list[UsageRow]:
    open_entries = {each.name for each in books.entries if each.state in ("parked", "unresolved")}
    return [row for row in books.usage if row.failure is not None or row.entry in open_entries]


def _filter(entry: EntryRow) -> EntryFilter:
    return EntryFilter(
        product=entry.meter.product,
        account=entry.meter.account,
        dimension=entry.meter.dimension,
        license_arn=entry.meter.license_arn or "",
        hour=UsageHour(entry.hour),
        state=State(entry.state),
    )


def _view_of(opened: OpenStore, row: UsageRow) -> RecordView | None:
    views = opened.reports.records_at(row.meter.account, row.created_ns, row.created_ns + 1)
    return next((view for view in views if written(view.record) == written_in(row)), None)


def corrected(record: UsageRecord, failure: str = "") -> UsageRecord:
    """What should have been written: what the refusal says, or half of it in whole units."""
    owner = METERED_UNDER.search(failure)
    if owner is not None:
        return replace(record, product=owner[1])
    if record.dimension == POISON:
        return replace(record, dimension=LISTED[0])
    return replace(record, micros=record.micros // 2_000_000 * 1_000_000 or 2_000_000)


def written(record: UsageRecord) -> Written:
    """As the auditor lists it."""
    return Written(name_of(record.meter), record.hour.number, record.tags, record.micros)
