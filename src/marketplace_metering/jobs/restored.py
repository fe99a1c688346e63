"""A person says of when a restored store is: what may have been billed since is held.

Every step may be repeated: what is held already is neither unsettled nor pending any more. Last of
all the store is made level with its mark; until then it neither seals nor sends.
"""

from __future__ import annotations

import json
import secrets
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice

from marketplace_metering.core import ledger
from marketplace_metering.core.charter import charter_in
from marketplace_metering.core.copies import SENDING, Mark, Sending, Standing, hold
from marketplace_metering.core.hours import LAST, epoch_ns
from marketplace_metering.core.ledger import Change, Entry
from marketplace_metering.core.plan import Plan, Unstorable
from marketplace_metering.core.policy import Policy
from marketplace_metering.core.quantity import ZERO, Quantity, total
from marketplace_metering.core.record_rules import latest_plausible_ns
from marketplace_metering.core.views import EntryFilter, Gone
from marketplace_metering.jobs.copies import known_sending, look
from marketplace_metering.ports import Clock, HighWaterMark, OpenStore, Store

RESTORED = "restored"  # the fact: what a person said last, and what was held
STEP = 500
TRIES = 10


class NotRestorableError(Exception):
    """A person says what cannot be; the message says why."""


@dataclass(slots=True)
class RestoreReport:
    """What is held now, and what the ledger has but the usage records have not."""

    stood: Standing
    until: datetime  # what was recorded up to then may have been billed
    windows: Counter[str] = field(default_factory=Counter)  # by what they were: "sealed", ...
    records: int = 0
    quantity: Quantity = ZERO
    gone: list[Gone] = field(default_factory=list)

    @property
    def gone_quantity(self) -> Quantity:
        """All that is gone."""
        return total(each.quantity for each in self.gone)

    def count(self, what: str, entry: Entry) -> None:
        """One more window that is held."""
        self.windows[what] += 1
        self.records += entry.record_count
        self.quantity += entry.quantity


def restored(
    opened: OpenStore,
    clock: Clock,
    policy: Policy,
    copied_at: datetime,
    even_if_level: bool = False,
    on_progress: Callable[[RestoreReport], None] = lambda report: None,
) -> RestoreReport:
    """Hold all that may have been billed since the copy was made, and go on from here.

    Where the ledger is level with its mark, only the usage records were restored, if anything was:
    the ledger knows all that was sent, and nothing has to be held.
    """
    mark = _mark_of(opened)
    stands, _known, there = look(opened.store, mark)
    charter = charter_in(opened.store.facts())
    policy = policy if charter is None else charter.applied_to(policy)
    now = clock.now()
    report = RestoreReport(stands, _until(copied_at, there, now))
    is_copy = even_if_level or stands is not Standing.LEVEL  # of a new one, a person knows more
    assert opened.recovery is not None, "a store that has a mark can be restored"
    if is_copy:
        why = _why(copied_at, report.until)
        _doubt_unsettled(opened.store, why, report, clock, on_progress)
        # What is listed may have been tried again, and billed, since the copy was made.
        opened.corrections.retry_refused(EntryFilter())
        _hold_pending(opened, why, report, clock, policy, on_progress)
    for gone in opened.recovery.gone(copied_at):
        report.gone.append(gone)
    if is_copy:
        opened.store.write_back(None)
        _note(opened.store, copied_at, report, now)
        _go_on(opened.store, mark, now)
    return report


def not_a_copy(opened: OpenStore, clock: Clock) -> Standing:
    """A person says that the store was only moved, or has lost its mark: it goes on from here."""
    mark = _mark_of(opened)
    stands, _known, there = look(opened.store, mark)
    if stands is Standing.BEHIND:
        assert there is not None
        raise NotRestorableError(
            f"something was sent at {there.sending.at:%Y-%m-%d %H:%M:%S}Z that this store does not "
            "know: it is a copy. Say of when: metering restored --at TIME"
        )
    if stands in (Standing.UNMARKED, Standing.ELSEWHERE):
        _go_on(opened.store, mark, clock.now())
    return stands


def _mark_of(opened: OpenStore) -> HighWaterMark:
    if opened.mark is None:
        raise NotRestorableError("this store has no mark: it lives in memory")
    return opened.mark


def _until(copied_at: datetime, there: Mark | None, now: datetime) -> datetime:
    """The latest instant at which something may have been sent that the store does not know.

    What was recorded after it was sent by nobody. Without a mark nobody knows the instant.
    """
    return max(copied_at, now if there is None else there.sending.at)


def _why(copied_at: datetime, until: datetime) -> str:
    return (
        f"the store was restored to {copied_at:%Y-%m-%d %H:%M:%S}Z, and usage was sent until "
        f"{until:%Y-%m-%d %H:%M:%S}Z that it does not know: AWS may have billed this. Look in "
        "CloudTrail (BatchMeterUsage) from the one to the other for the buyer and the dimension, "
        "in this window and in later ones, and settle it: metering resolve"
    )


def _doubt_unsettled(
    store: Store,
    why: str,
    report: RestoreReport,
    clock: Clock,
    on_progress: Callable[[RestoreReport], None],
) -> None:
    keys = list(store.expired(LAST))
    for start in range(0, len(keys), STEP):
        now = clock.now()
        before: dict[object, str] = {}

        def decide(entry: Entry, now: datetime = now) -> Change | None:
            before[entry.key] = entry.state  # noqa: B023 - called before the next step begins
            return ledger.doubt(entry, why, now)

        for entry in store.change(keys[start : start + STEP], decide, now):
            report.count(before[entry.key], entry)
        on_progress(report)


def _hold_pending(
    opened: OpenStore,
    why: str,
    report: RestoreReport,
    clock: Clock,
    policy: Policy,
    on_progress: Callable[[RestoreReport], None],
) -> None:
    assert opened.recovery is not None
    until_ns = latest_plausible_ns(epoch_ns(report.until))  # an application's clock may be ahead
    unstorable = ""
    for _try in range(TRIES):
        is_contended = False
        now = clock.now()
        books = opened.recovery.open_usage(now)
        while step := list(islice(books, STEP)):
            plans = [hold(book, groups, until_ns, why, now, policy) for book, groups in step]
            plans = [each for each in plans if each.changes_ledger]
            stored = opened.store.append(plans, now)
            for plan, is_stored in zip(plans, stored, strict=True):
                _count(report, [plan] if is_stored else [])
                is_contended |= not is_stored
                if isinstance(is_stored, Unstorable):
                    unstorable = f" {plan.book.key} cannot be stored: {is_stored.words}."
            on_progress(report)
        if not is_contended:
            return
    raise NotRestorableError(
        f"other processes keep changing this store: stop them, and say it again.{unstorable} What "
        "is held so far stays held"
    )


def _count(report: RestoreReport, plans: Sequence[Plan]) -> None:
    for plan in plans:
        for sealing in plan.sealings:
            report.count("pending or listed", sealing.entry)


def _note(store: Store, copied_at: datetime, report: RestoreReport, now: datetime) -> None:
    """Keep what was said; only the latest, for people."""
    said = {
        "to": copied_at.isoformat(),
        "said_at": now.isoformat(),
        "sent_until": report.until.isoformat(),
        "held": str(report.quantity),
    }
    store.set_fact(RESTORED, json.dumps(said), store.facts().get(RESTORED))


def _go_on(store: Store, mark: HighWaterMark, now: datetime) -> None:
    """Make the store level with its mark, under a number that no other copy has."""
    by = secrets.token_hex(6)
    for _try in range(TRIES):
        there = mark.read()
        known = known_sending(store)
        seen = [each for each in (known, None if there is None else there.sending) if each]
        number = max((each.number for each in seen), default=0) + 1
        restores = max((each.restores for each in seen), default=0) + 1
        sending = Sending(number, restores, by, now)
        instead_of = None if known is None else str(known)
        is_known = store.set_fact(SENDING, str(sending), instead_of)
        if is_known and mark.raise_to(sending).sending.is_same(sending):
            return
    raise NotRestorableError(
        "another process is sending from another copy of this store: stop it, and say it again"
    )
