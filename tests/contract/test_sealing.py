"""Sealing: a usage record is in at most one live entry, whatever overlaps (money rule 2)."""

from __future__ import annotations

from dataclasses import replace

import pytest

from marketplace_metering.core import ledger
from marketplace_metering.core.hours import UsageHour
from marketplace_metering.core.identity import Meter
from marketplace_metering.core.ledger import AlarmKind, State
from marketplace_metering.core.outcome import Deferred, NotSubscribed
from marketplace_metering.core.plan import plan
from marketplace_metering.core.policy import LateUsage, Policy, Scope
from marketplace_metering.core.quantity import QUANTITY_MAX, total
from marketplace_metering.ports import Store
from tests.support import steps
from tests.support.build import (
    DIMENSION,
    METER,
    PRODUCT,
    hour,
    licensed,
    quantity,
    tags,
    usage,
    window,
)
from tests.support.clock import utc

NOW = utc("11:30")
OTHER = Meter(PRODUCT, "999988887777", DIMENSION)


def test_sealed_usage_is_no_longer_pending_and_is_due(store: Store) -> None:
    steps.record(store, NOW, usage("09:10", 5), usage("10:10", 7))
    entries = steps.seal(store, NOW)
    assert steps.groups(store, NOW) == []
    due = store.due(NOW, steps.POLICY, ())
    assert list(due) == sorted(entries, key=lambda entry: entry.deadline)
    assert [entry.quantity for entry in due] == [quantity(5), quantity(7)]


def test_an_entry_comes_back_exactly_as_it_was_planned(store: Store) -> None:
    """The store is the memory of what was promised: stamp, lines, allocations, digits, licence."""
    meter = licensed(Meter(PRODUCT, "000000000001", "größe 📦\n"))
    steps.record(
        store,
        NOW,
        usage("09:10:00.000001", "0.000001", meter=meter, tagged=tags(team="red", env="p=1")),
        usage("09:20", "1.5", meter=meter, tagged=tags(team="blue")),
        usage("09:30", str(QUANTITY_MAX - quantity(5)), meter=meter),
    )
    [entry] = steps.seal(store, NOW)
    assert steps.stored(store, entry.key, NOW) == entry
    assert entry.stamp == utc("09:10:01")
    assert len(entry.allocations) == 3


def test_an_empty_ledger_has_nothing_pending_due_or_expired(store: Store) -> None:
    assert steps.pending(store, NOW) == []
    assert list(store.due(NOW, steps.POLICY, ())) == []
    assert list(store.expired(NOW)) == []
    assert store.next_due_at(NOW, ()) is None
    assert list(store.append([], NOW)) == []


def test_of_two_jobs_that_read_the_same_books_only_one_appends(store: Store) -> None:
    steps.record(store, NOW, usage("09:10", 5))
    first, second = steps.plans(store, NOW), steps.plans(store, NOW)
    assert list(store.append(first, NOW)) == [True]
    assert list(store.append(second, NOW)) == [False]
    assert [entry.quantity for entry in store.due(NOW, steps.POLICY, ())] == [quantity(5)]


def test_the_same_plan_twice_in_one_call_is_stored_once(store: Store) -> None:
    steps.record(store, NOW, usage("09:10", 5))
    [made] = steps.plans(store, NOW)
    assert list(store.append([made, made], NOW)) == [True, False]


def test_a_stale_plan_stores_nothing_of_itself_and_everything_of_the_others(store: Store) -> None:
    """Of two books in one call, another job has sealed the first since it was read."""
    steps.record(store, NOW, usage("09:10", 5), usage("09:10", 7, meter=OTHER))
    stale, fresh = sorted(steps.plans(store, NOW), key=lambda each: each.book.key)
    assert list(store.append([stale], NOW)) == [True]
    steps.record(store, NOW, usage("10:10", 1), source="later")
    assert list(store.append([stale, fresh], NOW)) == [False, True]
    due = {entry.window.meter: entry.quantity for entry in store.due(NOW, steps.POLICY, ())}
    assert due == {METER: quantity(5), OTHER: quantity(7)}
    assert steps.pending_quantity(store, NOW) == quantity(1)


@pytest.mark.parametrize("amount", [1, 0])
def test_usage_recorded_between_reading_and_sealing_is_not_lost(store: Store, amount: int) -> None:
    """A store refuses the plan that did not see it or leaves it pending, zero counts too: either
    way both uses end in the ledger, each once."""
    steps.record(store, NOW, usage("09:10", 5))
    made = steps.plans(store, NOW)
    steps.record(store, NOW, usage("09:50", amount), source="meanwhile")
    [is_stored] = store.append(made, NOW)
    [left] = steps.groups(store, NOW)
    expected = (quantity(amount), 1) if is_stored else (quantity(5 + amount), 2)
    assert (left.quantity, left.record_count) == expected
    steps.seal(store, NOW)
    entries = store.due(NOW, steps.POLICY, ())
    assert total(entry.quantity for entry in entries) == quantity(5 + amount)
    assert sum(entry.record_count for entry in entries) == 2
    assert steps.groups(store, NOW) == []


def test_a_new_group_of_a_read_book_waits_for_the_next_run(store: Store) -> None:
    steps.record(store, NOW, usage("09:10", 5))
    made = steps.plans(store, NOW)
    steps.record(store, NOW, usage("09:10", 1, tagged=tags(team="red")), source="meanwhile")
    if list(store.append(made, NOW)) == [True]:  # a store may also refuse and plan anew
        [group] = steps.groups(store, NOW)
        assert (group.tags, group.quantity) == (tags(team="red"), quantity(1))
    else:
        assert steps.pending_quantity(store, NOW) == quantity(6)


def test_late_usage_finds_its_window_live_in_the_book(store: Store) -> None:
    steps.record(store, NOW, usage("09:10", 5))
    steps.seal(store, NOW)
    steps.record(store, NOW, usage("09:40", 2), source="late")
    [(book, [group])] = steps.pending(store, NOW)
    assert window("09:00") in book.live
    assert (group.hour, group.quantity) == (hour("09:00"), quantity(2))
    [carried] = steps.seal(store, NOW)
    assert (carried.window, carried.carried) == (window("10:00"), quantity(2))


def test_every_state_but_released_keeps_its_window_live(store: Store) -> None:
    steps.record(store, NOW, usage("09:10", 5))
    [entry] = steps.seal(store, NOW)
    steps.attempt(store, entry.key, NotSubscribed(), NOW)
    steps.record(store, NOW, usage("09:40", 2), source="late")
    [(book, _groups)] = steps.pending(store, NOW)
    assert window("09:00") in book.live


def test_rejected_usage_is_listed_instead_of_pending(store: Store) -> None:
    policy = Policy(late=LateUsage.REJECT)
    steps.record(store, NOW, usage("09:10", 5))
    steps.seal(store, NOW)
    steps.record(store, NOW, usage("09:40", 2), source="late")
    looked_through = UsageHour.of(utc("09:00"))
    assert steps.seal(store, NOW, policy=policy, looked_through=looked_through) == []
    assert steps.groups(store, NOW) == []
    [alarm] = steps.alarms(store)
    assert (alarm.kind, alarm.window, alarm.quantity) == (
        AlarmKind.LATE_REJECTED,
        window("09:00"),
        quantity(2),
    )


def test_usage_recorded_between_reading_and_rejecting_is_not_rejected_unseen(store: Store) -> None:
    """A store refuses the plan that did not see it, or rejects and tells what was seen alone."""
    steps.record(store, NOW, usage("09:10", 5))
    steps.seal(store, NOW)
    steps.record(store, NOW, usage("09:40", 2), source="late")
    looked_through = UsageHour.of(utc("09:00"))
    rejecting = Policy(late=LateUsage.REJECT)
    made = steps.plans(store, NOW, policy=rejecting, looked_through=looked_through)
    steps.record(store, NOW, usage("09:41", 3), source="later")
    [is_stored] = store.append(made, NOW)
    told = [alarm.quantity for alarm in steps.alarms(store)]
    assert told == ([quantity(2)] if is_stored else [])
    assert steps.pending_quantity(store, NOW) == quantity(3 if is_stored else 5)


def test_released_members_are_pending_again_and_their_window_can_be_sealed_again(
    store: Store,
) -> None:
    """AWS never saw the window: the same hour is sealed once more, as the next of its serials."""
    steps.record(store, NOW, usage("09:10", 5))
    [entry] = steps.seal(store, NOW)
    assert steps.change(store, entry.key, lambda e: ledger.release(e, "a test"), NOW) is not None
    [(book, [group])] = steps.pending(store, NOW)
    assert group.quantity == quantity(5)
    assert window("09:00") not in book.live
    assert list(book.released) == [entry.key]
    [again] = steps.seal(store, NOW)
    assert (again.window, again.serial, again.quantity) == (entry.window, 1, quantity(5))
    assert steps.stored(store, entry.key, NOW).state is State.RELEASED
    assert steps.stored(store, again.key, NOW).state is State.SEALED


def test_usage_that_was_given_back_is_apart_from_usage_that_no_entry_had(store: Store) -> None:
    """The one was on time, the other may be late: one group cannot be both."""
    steps.record(store, NOW, usage("09:10", 5), usage("09:20", 1))
    [entry] = steps.seal(store, NOW)
    steps.change(store, entry.key, lambda e: ledger.release(e, "a test"), NOW)
    steps.record(store, NOW, usage("09:40", 2), source="late")
    [(_book, groups)] = steps.pending(store, NOW)
    assert {(group.quantity, group.was_given_back) for group in groups} == {
        (quantity(6), True),
        (quantity(2), False),
    }
    # Sealed and given back together, both are.
    [entry] = steps.seal(store, NOW)
    steps.change(store, entry.key, lambda e: ledger.release(e, "a test"), NOW)
    [(_book, groups)] = steps.pending(store, NOW)
    assert all(group.was_given_back for group in groups)
    assert total(group.quantity for group in groups) == quantity(8)


def test_a_window_given_back_twice_is_sealed_a_third_time(store: Store) -> None:
    steps.record(store, NOW, usage("09:10", 5))
    for serial in range(3):
        [entry] = steps.seal(store, NOW)
        assert entry.serial == serial
        steps.change(store, entry.key, lambda e: ledger.release(e, "a test"), NOW)
    assert steps.pending_quantity(store, NOW) == quantity(5)


def test_members_of_a_refused_entry_that_expired_are_listed_not_pending(store: Store) -> None:
    steps.record(store, NOW, usage("09:10", 5))
    [entry] = steps.seal(store, NOW)
    steps.attempt(store, entry.key, NotSubscribed(), NOW)
    released = steps.expire(store, entry.key, entry.deadline)
    assert released is not None and released.state is State.RELEASED
    assert steps.groups(store, entry.deadline) == []


def test_members_of_an_entry_that_aws_never_judged_are_planned_anew(store: Store) -> None:
    steps.record(store, NOW, usage("09:10", 5))
    [entry] = steps.seal(store, NOW)
    steps.attempt(store, entry.key, Deferred("Rate exceeded"), NOW)
    steps.expire(store, entry.key, entry.deadline)
    assert steps.pending_quantity(store, entry.deadline) == quantity(5)
    [carried] = steps.seal(store, entry.deadline)
    assert carried.carried == quantity(5)


def test_released_usage_and_new_usage_of_its_hour_are_sealed_together(store: Store) -> None:
    steps.record(store, NOW, usage("09:10", 5))
    [entry] = steps.seal(store, NOW)
    steps.record(store, NOW, usage("09:40", 2), source="late")
    steps.change(store, entry.key, lambda e: ledger.release(e, "a test"), NOW)
    [again] = steps.seal(store, NOW)
    assert (again.quantity, again.record_count) == (quantity(7), 2)
    assert again.stamp == utc("09:10")


def test_a_plan_read_before_a_release_is_refused(store: Store) -> None:
    steps.record(store, NOW, usage("09:10", 5))
    [entry] = steps.seal(store, NOW)
    steps.record(store, NOW, usage("09:40", 2), source="late")
    made = steps.plans(store, NOW)
    steps.change(store, entry.key, lambda e: ledger.release(e, "a test"), NOW)
    assert list(store.append(made, NOW)) == [False]
    assert steps.pending_quantity(store, NOW) == quantity(7)


def test_groups_above_the_cap_fill_one_window_after_the_other(store: Store) -> None:
    steps.record(store, NOW, *[usage("08:10", str(QUANTITY_MAX)) for _ in range(3)])
    entries = steps.seal(store, NOW)
    assert {entry.window.hour for entry in entries} == {hour("08:00"), hour("09:00"), hour("10:00")}
    assert all(entry.quantity == QUANTITY_MAX for entry in entries)
    assert total(entry.carried for entry in entries) == QUANTITY_MAX + QUANTITY_MAX


def test_the_current_hour_can_be_sealed_on_request_and_later_usage_of_it_is_carried(
    store: Store,
) -> None:
    steps.record(store, NOW, usage("11:10", 5))
    assert steps.seal(store, NOW) == []
    [entry] = steps.seal(store, NOW, Scope.EVERYTHING)
    steps.record(store, NOW, usage("11:40", 2), source="late")
    later = utc("13:30")
    [carried] = steps.seal(store, later)
    assert (carried.window, carried.carried) == (window("12:00"), quantity(2))
    assert steps.stored(store, entry.key, later).quantity == quantity(5)


def test_a_plan_without_sealings_changes_nothing_that_can_be_seen(store: Store) -> None:
    steps.record(store, NOW, usage("11:10", 5))
    [(book, groups)] = steps.pending(store, NOW)
    empty = plan(book, groups, NOW, steps.POLICY, Scope.CLOSED_HOURS)
    store.append([replace(empty)], NOW)
    assert steps.pending_quantity(store, NOW) == quantity(5)


def test_many_books_are_all_found_once(store: Store) -> None:
    """More books than any store reads at once."""
    buyers = [f"{number:012d}" for number in range(700)]
    store.intake("app", NOW).add(
        [usage("09:10", 2, meter=Meter(PRODUCT, buyer, DIMENSION)) for buyer in buyers]
    )
    keys = [book.key for book, _groups in steps.pending(store, NOW)]
    assert len(keys) == len(set(keys)) == 700
    assert len(steps.seal(store, NOW)) == 700
    assert steps.groups(store, NOW) == []


def test_other_books_do_not_matter_to_a_plan(store: Store) -> None:
    steps.record(store, NOW, usage("09:10", 5))
    made = steps.plans(store, NOW)
    steps.record(store, NOW, usage("09:10", 7, meter=OTHER), source="another buyer")
    assert list(store.append(made, NOW)) == [True]
