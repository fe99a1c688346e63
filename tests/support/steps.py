"""Steps with a store, through its ports alone."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime

from marketplace_metering.core import ledger
from marketplace_metering.core.hours import UsageHour
from marketplace_metering.core.ledger import Alarm, Change, Entry, EntryKey
from marketplace_metering.core.outcome import Outcome
from marketplace_metering.core.plan import Book, Group, Plan, plan
from marketplace_metering.core.policy import Policy, Scope
from marketplace_metering.core.quantity import Quantity, total
from marketplace_metering.core.record import UsageRecord
from marketplace_metering.ports import Store, Taken

POLICY = Policy()


def record(store: Store, now: datetime, *usage: UsageRecord, source: str = "app") -> Taken:
    """Record usage as an input of its own."""
    return store.intake(source, now).add(usage)


def pending(store: Store, now: datetime) -> list[tuple[Book, Sequence[Group]]]:
    """Everything pending."""
    return list(store.pending(now, POLICY))


def groups(store: Store, now: datetime) -> list[Group]:
    """Every pending group."""
    return [group for _book, found in pending(store, now) for group in found]


def pending_quantity(store: Store, now: datetime) -> Quantity:
    """The sum of what is pending."""
    return total(group.quantity for group in groups(store, now))


def plans(
    store: Store,
    now: datetime,
    scope: Scope = Scope.CLOSED_HOURS,
    policy: Policy = POLICY,
    looked_through: UsageHour | None = None,
) -> list[Plan]:
    """What a sealing run that reads now would store."""
    found = [
        plan(book, each, now, policy, scope, looked_through)
        for book, each in store.pending(now, policy)
    ]
    return [each for each in found if each.changes_ledger]


def seal(
    store: Store,
    now: datetime,
    scope: Scope = Scope.CLOSED_HOURS,
    policy: Policy = POLICY,
    looked_through: UsageHour | None = None,
) -> list[Entry]:
    """Seal what can be sealed; the entries that came of it."""
    made = plans(store, now, scope, policy, looked_through)
    stored = store.append(made, now)
    assert all(stored)
    return [sealing.entry for each in made for sealing in each.sealings]


def stored(store: Store, key: EntryKey, now: datetime) -> Entry:
    """The entry as it is stored."""
    found: list[Entry] = []

    def look(entry: Entry) -> None:
        found.append(entry)

    store.change([key], look, now)
    return found[0]


def change(
    store: Store, key: EntryKey, decide: Callable[[Entry], Change | None], now: datetime
) -> Entry | None:
    """One change; None if it was refused."""
    changed = store.change([key], decide, now)
    return changed[0] if changed else None


def begin(store: Store, key: EntryKey, now: datetime) -> Entry | None:
    """Log an attempt."""
    return change(store, key, lambda entry: ledger.begin(entry, now, POLICY), now)


def answer(
    store: Store, key: EntryKey, number: int, outcome: Outcome, now: datetime
) -> Entry | None:
    """Log AWS's answer to an attempt."""
    return change(store, key, lambda e: ledger.answer(e, number, outcome, now, POLICY), now)


def attempt(store: Store, key: EntryKey, outcome: Outcome, now: datetime) -> Entry:
    """One whole attempt and its answer."""
    begun = begin(store, key, now)
    assert begun is not None
    answered = answer(store, key, begun.begun, outcome, now)
    assert answered is not None
    return answered


def expire(store: Store, key: EntryKey, now: datetime) -> Entry | None:
    """Settle an entry whose deadline passed."""
    return change(store, key, lambda entry: ledger.expire(entry, now), now)


def alarms(store: Store) -> list[Alarm]:
    """Alarms that nobody has delivered."""
    return [alarm for _number, alarm in store.undelivered_alarms()]
