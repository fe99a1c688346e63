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
from marketplace_metering.core.views import EntryFilter, RecordView
from marketplace_metering.ports import OpenStore


@dataclass(frozen=True, slots=True)
class Retried:
    """What is tried again."""

    usage_records: int  # pending again
    entries: int  # due at once


@dataclass(frozen=True, slots=True)
class Repaired:
    """The corrected usage record is stored and pending."""


@dataclass(frozen=True, slots=True)
class NotRepairable:
    """The usage record stays as it is."""

    reason: str


@dataclass(frozen=True, slots=True)
class Finding:
    """What a person found out about a window that AWS may have billed."""

    billed: bool
    author: str
    evidence: str


def retry(opened: OpenStore, which: EntryFilter, now: datetime) -> Retried:
    """Try refused usage again at once, because its cause is said to be fixed."""
    hastened = _change(opened, which, lambda entry: ledger.hasten(entry, now), now)
    return Retried(opened.corrections.retry_refused(which), len(hastened))


def repair(
    opened: OpenStore, view: RecordView, corrected: UsageRecord, now: datetime
) -> Repaired | NotRepairable:
    """Correct a refused usage record in place.

    The parked entry that covers it is released, provided AWS certainly does not have it; the other
    usage records of the entry are planned again.
    """
    if view.entry is not None:
        entry = view.entry.entry
        if entry.state is not State.PARKED:
            return NotRepairable(
                f"it is part of a window that is {entry.state}: what was sent never changes"
            )
        why = "a usage record of this window was corrected"
        if not opened.store.change([entry.key], lambda e: _release_parked(e, why), now):
            return NotRepairable(
                "AWS may have its window, because an earlier answer was lost: it stays unchanged "
                "until the window is settled"
            )
    if not opened.corrections.replace(view, corrected, now):
        return NotRepairable(
            "another run has sealed it meanwhile, or its event is already recorded where it would "
            "go: look again with metering why"
        )
    return Repaired()


def _release_parked(entry: Entry, why: str) -> Change | None:
    return ledger.release(entry, why) if entry.state is State.PARKED else None


def resolve(
    opened: OpenStore, which: EntryFilter, finding: Finding, now: datetime
) -> Sequence[Entry]:
    """Settle unresolved entries by what a person found out."""

    def decide(entry: Entry) -> Change | None:
        return ledger.resolve(entry, finding.billed, finding.author, finding.evidence)

    return _change(opened, which, decide, now)


def write_off(
    opened: OpenStore, which: EntryFilter, author: str, why: str, now: datetime
) -> Sequence[Entry]:
    """Give parked or unresolved entries up, by name."""
    return _change(opened, which, lambda entry: ledger.write_off(entry, author, why, now), now)


def _change(
    opened: OpenStore,
    which: EntryFilter,
    decide: Callable[[Entry], Change | None],
    now: datetime,
) -> Sequence[Entry]:
    seen = {view.entry.key: view.entry.state for view in opened.reports.entries(which)}

    def decide_what_was_seen(entry: Entry) -> Change | None:
        # Of what was sent or settled meanwhile the person knows nothing: AWS may bill it now.
        return decide(entry) if entry.state is seen[entry.key] else None

    changed = opened.store.change(list(seen), decide_what_was_seen, now)
    # What is free again is pending, and people see what became of the rest.
    opened.store.write_back(None)
    return changed
