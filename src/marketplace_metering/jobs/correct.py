"""What a person does about usage that is not billed: retry, repair, resolve, write off.

Nothing here can bill usage twice: every step goes through the transitions of `core.ledger`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from marketplace_metering.core import ledger
from marketplace_metering.core.ledger import Change, Entry, State
from marketplace_metering.core.record import UsageRecord
from marketplace_metering.ports import Corrections, EntryFilter, RecordView, Reports, Store


@dataclass(frozen=True, slots=True)
class Retried:
    """What is tried again."""

    usage_records: int  # pending again
    entries: int  # due at once


def retry(
    store: Store, corrections: Corrections, reports: Reports, which: EntryFilter, now: datetime
) -> Retried:
    """Try refused usage again at once, because its cause is said to be mended."""
    hastened = _change(store, reports, which, lambda entry: ledger.hasten(entry, now), now)
    return Retried(corrections.retry_refused(which), len(hastened))


def repair(
    store: Store, corrections: Corrections, view: RecordView, corrected: UsageRecord, now: datetime
) -> str | None:
    """Correct a refused usage record in place; answers why not, if that cannot be.

    The parked entry that covers it is released, provided AWS has certainly none of it; the other
    usage records of the entry are planned anew.
    """
    if view.entry is not None:
        entry = view.entry.entry
        if entry.state is not State.PARKED:
            return f"it is part of a window that is {entry.state}: what was sent never changes"
        why = "a usage record of this window was corrected"
        if not store.change([entry.key], lambda e: _release_parked(e, why), now):
            return (
                "AWS may hold its window, for an earlier answer was lost: it stays as it is until "
                "the window is settled"
            )
    if not corrections.replace(view, corrected, now):
        return "another run has sealed it meanwhile: look again with metering why"
    return None


def _release_parked(entry: Entry, why: str) -> Change | None:
    return ledger.release(entry, why) if entry.state is State.PARKED else None


def resolve(
    store: Store,
    reports: Reports,
    which: EntryFilter,
    billed: bool,
    author: str,
    evidence: str,
    now: datetime,
) -> Sequence[Entry]:
    """Settle unresolved entries by what a person found out."""
    return _change(
        store, reports, which, lambda entry: ledger.resolve(entry, billed, author, evidence), now
    )


def write_off(
    store: Store, reports: Reports, which: EntryFilter, author: str, why: str, now: datetime
) -> Sequence[Entry]:
    """Give parked or unresolved entries up, by name."""
    return _change(
        store, reports, which, lambda entry: ledger.write_off(entry, author, why, now), now
    )


def _change(
    store: Store,
    reports: Reports,
    which: EntryFilter,
    decide: Callable[[Entry], Change | None],
    now: datetime,
) -> Sequence[Entry]:
    keys = [view.entry.key for view in reports.entries(which)]
    return store.change(keys, decide, now)
