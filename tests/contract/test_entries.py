"""Entries: what is due, and changes decided on what is stored (money rules 5, 6, 7 and 10)."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from marketplace_metering.core import ledger
from marketplace_metering.core.identity import Meter
from marketplace_metering.core.ledger import AlarmKind, Change, Entry, State
from marketplace_metering.core.outcome import (
    Accepted,
    Deferred,
    Duplicate,
    NoAnswer,
    NotSubscribed,
    Refused,
)
from marketplace_metering.ports import Store
from tests.support import steps
from tests.support.build import DIMENSION, METER, PRODUCT, licensed, quantity, usage
from tests.support.clock import utc

NOW = utc("11:30")


def buyer(number: int, product: str = PRODUCT) -> Meter:
    return Meter(product, f"{number:012d}", DIMENSION)


def sealed(store: Store, amount: int = 5, at: str = "09:10", meter: Meter = METER) -> Entry:
    steps.record(store, NOW, usage(at, amount, meter=meter))
    [entry] = steps.seal(store, NOW)
    return entry


def test_what_is_due_comes_by_deadline_and_no_more_than_one_request_takes(store: Store) -> None:
    times = [f"{7 + number % 3:02d}:{number:02d}" for number in range(40)]
    for number, at in enumerate(times):
        steps.record(store, NOW, usage(at, 1, meter=buyer(number)))
    entries = steps.seal(store, NOW)
    due = store.due(NOW, steps.POLICY, ())
    assert len(due) == 25
    earliest = sorted(entry.deadline for entry in entries)[:25]
    assert [entry.deadline for entry in due] == earliest


def test_one_request_is_of_one_product_one_identity_and_one_month(store: Store) -> None:
    """The lane with the earliest deadline goes first, the others after it."""
    now = utc("2026-12-01 01:30")
    kinds = [
        ("2026-11-30 10:10", buyer(1)),
        ("2026-11-30 09:10", buyer(2, "prod-def456")),
        ("2026-11-30 08:10", licensed(buyer(3))),
        ("2026-12-01 00:10", buyer(4)),
    ]
    for used_at, meter in kinds:
        steps.record(store, now, usage(used_at, 1, meter=meter), usage(used_at, 1, meter=meter))
    entries = steps.seal(store, now)
    assert len(entries) == 4
    order = []
    while due := store.due(now, steps.POLICY, ()):
        [entry] = due
        order.append(entry.window.meter)
        steps.attempt(store, entry.key, Accepted("id"), now)
    deadlines = {entry.window.meter: entry.deadline for entry in entries}
    assert [deadlines[meter] for meter in order] == sorted(deadlines.values())
    assert order[-1] == buyer(4)


def test_products_can_be_passed_over(store: Store) -> None:
    sealed(store, at="08:10", meter=buyer(1, "prod-broken"))
    other = sealed(store, meter=buyer(2))
    assert list(store.due(NOW, steps.POLICY, {"prod-broken"})) == [other]
    assert list(store.due(NOW, steps.POLICY, {"prod-broken", PRODUCT})) == []


def test_parked_entries_come_last_and_alone(store: Store) -> None:
    parked = [sealed(store, at="08:10", meter=buyer(number)) for number in (1, 2)]
    for entry in parked:
        steps.attempt(store, entry.key, NotSubscribed(), NOW)
    fresh = sealed(store, at="10:10", meter=buyer(3))
    retry = NOW + steps.POLICY.parked_retry
    assert list(store.due(retry, steps.POLICY, ())) == [fresh]
    steps.attempt(store, fresh.key, Accepted("id"), retry)
    [first] = store.due(retry, steps.POLICY, ())
    assert (first.state, first.key in {entry.key for entry in parked}) == (State.PARKED, True)


def test_nothing_is_due_before_its_retry_time(store: Store) -> None:
    entry = sealed(store)
    steps.attempt(store, entry.key, NotSubscribed(), NOW)
    retry = NOW + steps.POLICY.parked_retry
    assert list(store.due(retry - timedelta(milliseconds=1), steps.POLICY, ())) == []
    assert [due.key for due in store.due(retry, steps.POLICY, ())] == [entry.key]


def test_nothing_is_due_within_the_safety_margin_of_its_deadline(store: Store) -> None:
    entry = sealed(store)
    last = entry.deadline - steps.POLICY.safety_margin
    assert list(store.due(last - timedelta(milliseconds=1), steps.POLICY, ())) == [entry]
    assert list(store.due(last, steps.POLICY, ())) == []


def test_what_is_due_can_be_begun_at_that_very_instant(store: Store) -> None:
    """Otherwise a run would find the same entry due for ever."""
    now = NOW + timedelta(microseconds=999)
    entry = sealed(store)
    steps.attempt(store, entry.key, Deferred("busy"), now)
    retry_at = steps.stored(store, entry.key, now).retry_at
    for micros in range(-1500, 1500, 250):
        at = retry_at + timedelta(microseconds=micros)
        for due in store.due(at, steps.POLICY, ()):
            assert ledger.is_sendable(due, at, steps.POLICY)
    for micros in range(-1500, 1500, 250):
        at = entry.deadline - steps.POLICY.safety_margin + timedelta(microseconds=micros)
        for due in store.due(at, steps.POLICY, ()):
            assert ledger.is_sendable(due, at, steps.POLICY)


def test_the_next_due_time_is_the_earliest_that_lies_ahead(store: Store) -> None:
    first = sealed(store, meter=buyer(1))
    second = sealed(store, meter=buyer(2, "prod-def456"))
    assert store.next_due_at(NOW, ()) is None  # both are due already
    steps.attempt(store, first.key, NotSubscribed(), NOW)
    steps.attempt(store, second.key, NotSubscribed(), NOW + timedelta(minutes=1))
    retry = NOW + steps.POLICY.parked_retry
    assert store.next_due_at(NOW, ()) == retry
    assert store.next_due_at(NOW, {PRODUCT}) == retry + timedelta(minutes=1)
    assert store.next_due_at(NOW, {PRODUCT, "prod-def456"}) is None
    assert store.next_due_at(retry, ()) == retry + timedelta(minutes=1)


def test_settled_entries_are_neither_due_nor_expected(store: Store) -> None:
    entry = sealed(store)
    steps.attempt(store, entry.key, Accepted("id"), NOW)
    assert list(store.due(NOW, steps.POLICY, ())) == []
    assert store.next_due_at(utc("00:00"), ()) is None
    assert list(store.expired(entry.deadline)) == []


def test_entries_expire_at_their_deadline(store: Store) -> None:
    entry = sealed(store)
    parked = sealed(store, meter=buyer(1))
    steps.attempt(store, parked.key, NotSubscribed(), NOW)
    assert list(store.expired(entry.deadline - timedelta(seconds=1))) == []
    assert set(store.expired(entry.deadline)) == {entry.key, parked.key}


def test_the_month_end_does_not_hide_what_expired(store: Store) -> None:
    """An outage of a week: everything is found and settled afterwards."""
    now = utc("2026-11-30 23:30")
    steps.record(store, now, usage("2026-11-30 20:10", 5))
    [entry] = steps.seal(store, now)
    assert list(store.expired(utc("2026-12-08 00:00"))) == [entry.key]


def test_an_accepted_entry_is_billed_with_its_record_id(store: Store) -> None:
    entry = sealed(store)
    steps.attempt(store, entry.key, Accepted("record-1"), NOW)
    billed = steps.stored(store, entry.key, NOW)
    assert (billed.state, billed.metering_record_id, billed.begun, billed.refused) == (
        State.BILLED,
        "record-1",
        1,
        0,
    )
    assert replace(billed, state=entry.state, metering_record_id=None, begun=0) == entry, (
        "what was sent never changes"
    )


def test_a_refused_entry_is_parked_with_words_and_an_alarm(store: Store) -> None:
    entry = sealed(store)
    outcome = Refused("InvalidUsageDimensionException", "no such dimension")
    steps.attempt(store, entry.key, outcome, NOW)
    parked = steps.stored(store, entry.key, NOW)
    assert (parked.state, parked.begun, parked.refused) == (State.PARKED, 1, 1)
    assert parked.reason is not None and "no such dimension" in parked.reason
    [alarm] = steps.alarms(store)
    assert (alarm.kind, alarm.window, alarm.quantity, alarm.raised_at) == (
        AlarmKind.PARKED,
        entry.window,
        quantity(5),
        NOW,
    )
    assert alarm.text == parked.reason


def test_a_duplicate_of_an_own_lost_attempt_is_presumed(store: Store) -> None:
    entry = sealed(store)
    steps.attempt(store, entry.key, NoAnswer("timeout"), NOW)
    later = NOW + timedelta(minutes=10)
    steps.attempt(store, entry.key, Duplicate(), later)
    assert steps.stored(store, entry.key, later).state is State.PRESUMED
    assert steps.alarms(store) == []


def test_a_duplicate_of_what_we_never_sent_is_unresolved_with_an_alarm(store: Store) -> None:
    entry = sealed(store)
    steps.attempt(store, entry.key, Duplicate(), NOW)
    assert steps.stored(store, entry.key, NOW).state is State.UNRESOLVED
    [alarm] = steps.alarms(store)
    assert (alarm.kind, alarm.quantity) == (AlarmKind.UNRESOLVED, quantity(5))


def test_a_change_is_decided_on_what_is_stored_not_on_a_copy(store: Store) -> None:
    """Between reading and releasing another process began an attempt: no release."""
    copy = sealed(store)
    assert ledger.release(copy, "a test") is not None  # on the copy it would be allowed
    steps.begin(store, copy.key, NOW)
    assert steps.change(store, copy.key, lambda e: ledger.release(e, "a test"), NOW) is None
    assert steps.stored(store, copy.key, NOW).state is State.SEALED
    assert steps.groups(store, NOW) == []


def test_only_changed_entries_are_answered(store: Store) -> None:
    first, second = sealed(store, meter=buyer(1)), sealed(store, meter=buyer(2))
    keys = [first.key, second.key]

    def only_the_first(entry: Entry) -> Change | None:
        return ledger.begin(entry, NOW, steps.POLICY) if entry.key == first.key else None

    changed = store.change(keys, only_the_first, NOW)
    assert [(entry.key, entry.begun) for entry in changed] == [(first.key, 1)]


class PowerCutError(BaseException):
    """No handler can swallow it."""


def test_a_decision_that_fails_changes_nothing_of_its_entry(store: Store) -> None:
    entry = sealed(store)

    def fail(stored: Entry) -> Change | None:
        ledger.begin(stored, NOW, steps.POLICY)
        raise PowerCutError

    with pytest.raises(PowerCutError):
        store.change([entry.key], fail, NOW)
    assert steps.stored(store, entry.key, NOW) == entry
    assert steps.begin(store, entry.key, NOW) is not None


def test_a_late_success_frees_nothing_and_turns_unresolved_into_billed(store: Store) -> None:
    entry = sealed(store)
    steps.begin(store, entry.key, NOW)
    steps.expire(store, entry.key, entry.deadline)
    assert steps.stored(store, entry.key, NOW).state is State.UNRESOLVED
    assert steps.groups(store, entry.deadline) == []
    steps.answer(store, entry.key, 1, Accepted("late"), entry.deadline)
    assert steps.stored(store, entry.key, NOW).state is State.BILLED


def test_a_settled_finding_of_a_person_frees_the_members(store: Store) -> None:
    entry = sealed(store)
    steps.attempt(store, entry.key, Duplicate(), NOW)
    steps.change(store, entry.key, lambda e: ledger.resolve(e, False, "ann", "CloudTrail"), NOW)
    released = steps.stored(store, entry.key, NOW)
    assert (released.state, released.begun, released.refused) == (State.RELEASED, 1, 1)
    assert steps.pending_quantity(store, NOW) == quantity(5)


def test_written_off_usage_stays_off(store: Store) -> None:
    entry = sealed(store)
    steps.attempt(store, entry.key, NotSubscribed(), NOW)
    steps.change(store, entry.key, lambda e: ledger.write_off(e, "ann", "goodwill", NOW), NOW)
    assert steps.stored(store, entry.key, NOW).state is State.WRITTEN_OFF
    assert steps.groups(store, NOW) == []
    assert list(store.due(NOW + timedelta(hours=2), steps.POLICY, ())) == []
    assert [alarm.kind for alarm in steps.alarms(store)] == [
        AlarmKind.PARKED,
        AlarmKind.WRITTEN_OFF,
    ]


def test_alarms_wait_until_somebody_confirms_their_delivery(store: Store) -> None:
    for number in (1, 2, 3):
        entry = sealed(store, number, meter=buyer(number))
        steps.attempt(store, entry.key, NotSubscribed(), NOW + timedelta(seconds=number))
    numbered = list(store.undelivered_alarms())
    assert [alarm.quantity for _number, alarm in numbered] == [quantity(n) for n in (1, 2, 3)]
    assert list(store.undelivered_alarms()) == numbered
    store.alarms_delivered([number for number, _alarm in numbered[:2]], NOW)
    assert list(store.undelivered_alarms()) == numbered[2:]
    store.alarms_delivered([numbered[2][0]], NOW)
    assert list(store.undelivered_alarms()) == []


def test_write_back_can_be_repeated(store: Store) -> None:
    entry = sealed(store)
    steps.attempt(store, entry.key, Accepted("id"), NOW)
    assert store.write_back(None) >= 0
    assert store.write_back(None) == 0


def test_a_change_of_no_entries_is_none(store: Store) -> None:
    assert list(store.change([], lambda entry: None, NOW)) == []
