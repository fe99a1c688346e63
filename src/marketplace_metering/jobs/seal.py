"""The metering job: turn pending groups into ledger entries."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice
from typing import Any

from marketplace_metering.core.identity import BookKey
from marketplace_metering.core.plan import Plan, Unstorable, Waits, plan
from marketplace_metering.core.policy import Policy, Scope
from marketplace_metering.core.quantity import ZERO, Quantity, total
from marketplace_metering.jobs.admit import chartered
from marketplace_metering.jobs.copies import admitted
from marketplace_metering.jobs.looking_through import Looking
from marketplace_metering.jobs.unstorable import UnstorableBook, tell
from marketplace_metering.ports import Ports

TRIES_PER_BOOK = 3
BOOKS_PER_STEP = 500


@dataclass(slots=True)
class SealReport:
    """What one run sealed, and what it left pending and why (usage records per reason)."""

    entries: int = 0
    records: int = 0
    quantity: Quantity = ZERO
    carried: Quantity = ZERO
    rejected_records: int = 0
    waiting_records: Counter[Waits] = field(default_factory=Counter)
    unstorable: list[UnstorableBook] = field(default_factory=list)  # they cost only themselves
    contended_books: int = 0  # others kept changing them: they are sealed by the next run
    is_partial: bool = False  # of some book, not all could be read: the next run sees the rest
    is_cut_short: bool = False  # the run was to end before every book was looked at

    def count(self, done: Plan) -> None:
        """Add what a stored plan did."""
        self.entries += len(done.sealings)
        for sealing in done.sealings:
            self.records += sealing.entry.record_count
            self.carried += sealing.entry.carried
        self.quantity += total(sealing.entry.quantity for sealing in done.sealings)
        self.rejected_records += sum(group.record_count for group, _why in done.rejected)

    @property
    def needs_person(self) -> bool:
        """Whether usage was refused, is held until somebody decides, or cannot be stored."""
        return bool(self.rejected_records or self.waiting_records[Waits.HELD] or self.unstorable)

    def figures(self) -> dict[str, Any]:
        """What a run sealed, as JSON; quantities are strings, because they are exact."""
        not_stored = [each.figures() for each in self.unstorable]
        return {
            "entries": self.entries,
            "usage_records": self.records,
            "quantity": str(self.quantity),
            "carried": str(self.carried),
            "rejected_usage_records": self.rejected_records,
            "left_pending": {str(why): count for why, count in self.waiting_records.items()},
            "contended_meters": self.contended_books,
        } | ({"not_stored": not_stored} if not_stored else {})


def seal(
    ports: Ports,
    policy: Policy,
    scope: Scope = Scope.CLOSED_HOURS,
    until: datetime | None = None,
    on_progress: Callable[[SealReport], None] = lambda report: None,
) -> SealReport:
    """Freeze every pending group that a window can be found for; safe to run twice at once.

    Ends at the instant `until`, if one is given, and leaves the rest pending for the next run.
    """
    policy = chartered(ports, policy)
    ports = admitted(ports, policy)
    report = SealReport()
    looking = Looking.begin(ports.store, ports.clock.now())
    contended: set[BookKey] | None = None
    for _try in range(TRIES_PER_BOOK):
        report.waiting_records.clear()
        contended = _seal_once(ports, policy, scope, until, contended, report, on_progress, looking)
        if not contended or report.is_cut_short:
            break
    else:
        report.contended_books = len(contended or ())
    if not (contended or report.is_cut_short):
        looking.end(ports.store, policy)
    ports.store.refuse_malformed(until)
    tell(ports, report.unstorable)
    return report


def _seal_once(
    ports: Ports,
    policy: Policy,
    scope: Scope,
    until: datetime | None,
    only: set[BookKey] | None,
    report: SealReport,
    on_progress: Callable[[SealReport], None],
    looking: Looking,
) -> set[BookKey]:
    """One pass over the books; answers those that somebody else changed meanwhile."""
    contended: set[BookKey] = set()
    now = ports.clock.now()
    books = ports.store.pending(now, policy)
    while step := list(islice(books, BOOKS_PER_STEP)):
        for book, groups in step:
            if book.unreadable:
                looking.left_a_book()
                if only is None:
                    report.unstorable.append(UnstorableBook.unread(book, groups))
        plans = [
            plan(book, groups, now, policy, scope, looking.hour)
            for book, groups in step
            if not book.unreadable
        ]
        for each in plans:
            looking.saw(each)
            report.is_partial |= each.book.is_partial
            for group, why in each.waiting:
                report.waiting_records[why] += group.record_count
        plans = [
            each
            for each in plans
            if each.changes_ledger and (only is None or each.book.key in only)
        ]
        stored = ports.store.append(plans, now)
        for done, is_stored in zip(plans, stored, strict=True):
            if isinstance(is_stored, Unstorable):
                report.unstorable.append(UnstorableBook.of(done, is_stored))
                looking.left_a_book()
            elif is_stored:
                report.count(done)
            else:
                contended.add(done.book.key)
        on_progress(report)
        if until is not None and ports.clock.now() >= until:
            report.is_cut_short = True
            break
    return contended
