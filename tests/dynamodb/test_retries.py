"""The guide's retry: an operator sets `metering_pending` on a usage record again.

The ledger is the truth: nothing is ever billed twice because of a mark.
"""

from __future__ import annotations

import pytest

from marketplace_metering.core import ledger
from marketplace_metering.core.ledger import AlarmKind, Entry, State
from marketplace_metering.core.outcome import (
    Accepted,
    Duplicate,
    NoAnswer,
    NotSubscribed,
    Outcome,
    Refused,
)
from marketplace_metering.core.policy import LateUsage, Policy
from tests.dynamodb.world import TwoTables, accept
from tests.support.build import DIMENSION, PRODUCT, quantity


def refuse(entry: Entry) -> Outcome:
    return Refused("InvalidUsageDimensionException", "no such dimension")


def parked(world: TwoTables, *amounts: int) -> list[dict[str, object]]:
    """Usage of nine o'clock under a dimension that AWS does not know."""
    world.aws.answer = refuse
    keys = [
        world.put(f"09:{10 + n}", amount, dimension="api_cals") for n, amount in enumerate(amounts)
    ]
    world.run()
    return keys


def test_a_refused_window_is_visible_at_once_in_words(world: TwoTables) -> None:
    [key] = parked(world, 5)
    marked = world.item(key)
    assert marked["metering_failed"] is True
    assert "metering_pending" not in marked
    assert marked["metering_response"] == (
        "parked: window 2026-11-20T09:00Z, quantity 5. AWS answered InvalidUsageDimensionException "
        "(no such dimension): the listing has no such dimension. What to do: add the dimension to "
        "the listing, or correct it in the usage record and retry it (upper and lower case count)."
    )
    assert world.balance().parked.quantity == quantity(5)


@pytest.mark.parametrize("state", [State.BILLED, State.PRESUMED, State.UNRESOLVED])
def test_retrying_settled_usage_bills_nothing_and_marks_it_again(
    world: TwoTables, state: State
) -> None:
    """(a)"""
    by_state: dict[State, list[Outcome]] = {
        State.BILLED: [Accepted("id-1")],
        State.PRESUMED: [NoAnswer("timeout"), Duplicate()],
        State.UNRESOLVED: [Duplicate()],
    }
    answers = by_state[state]
    key = world.put("09:10", 5)
    world.aws.answer = lambda entry: answers.pop(0)
    world.run()
    assert world.entry().state is state
    marked = world.item(key)
    sent = len(world.aws.sent)
    world.retry(key)
    world.at("12:30")
    world.run()
    assert world.item(key) == marked
    assert len(world.aws.sent) == sent
    assert len(world.entries()) == 1


def test_retrying_written_off_usage_bills_nothing(world: TwoTables) -> None:
    [key] = parked(world, 5)
    [entry] = world.entries()
    now = world.clock.now()
    world.store.change([entry.key], lambda e: ledger.write_off(e, "ann", "goodwill", now), now)
    world.store.write_back(None)
    marked = world.item(key)
    assert marked["metering_response"] == (
        "written off: window 2026-11-20T09:00Z, quantity 5. written off by ann: goodwill"
    )
    world.retry(key)
    world.run()
    assert world.item(key) == marked
    assert world.balance().written_off.quantity == quantity(5)


def test_retrying_unchanged_parked_usage_sends_it_at_once(world: TwoTables) -> None:
    """(b) The cause is mended at AWS: no need to wait for the hourly try."""
    first, second = parked(world, 5, 7)
    world.aws.answer = accept
    world.clock.advance(minutes=1)
    world.run()
    assert len(world.aws.sent) == 1, "it is not due yet"
    world.retry(first)
    world.run()
    assert world.entry().state is State.BILLED
    assert world.billed_quantities() == ["12", "12"]
    for key in (first, second):
        marked = world.item(key)
        assert str(marked["metering_response"]).startswith("billed: window 2026-11-20T09:00Z")
        assert "metering_pending" not in marked
        assert "metering_failed" not in marked


def test_a_retry_that_is_refused_again_is_marked_again(world: TwoTables) -> None:
    [key] = parked(world, 5)
    marked = world.item(key)
    world.retry(key)
    world.run()
    assert len(world.aws.sent) == 2
    assert world.item(key) == marked


def test_a_retry_is_honoured_once_not_with_every_run(world: TwoTables) -> None:
    """The mark is behind until the attempt is answered; sealing again hastens nothing."""
    [key] = parked(world, 5)
    world.retry(key)
    world.seal()
    entry = world.entry()
    world.aws.answer = lambda e: NotSubscribed()
    world.store.change(
        [entry.key], lambda e: ledger.begin(e, world.clock.now(), world.policy), world.clock.now()
    )
    world.store.change(
        [entry.key],
        lambda e: ledger.answer(e, 2, NotSubscribed(), world.clock.now(), world.policy),
        world.clock.now(),
    )
    waits = world.entry().retry_at
    world.seal()
    assert world.entry().retry_at == waits > world.clock.now()


def test_repaired_usage_goes_where_it_belongs(world: TwoTables) -> None:
    """(c) Its dimension is corrected in place; nothing of its window is at AWS."""
    first, second = parked(world, 5, 7)
    world.aws.answer = lambda e: accept(e) if e.window.meter.dimension == DIMENSION else refuse(e)
    world.clock.advance(minutes=1)
    world.retry(first, dimension=DIMENSION)
    world.run()
    by_state = {(e.window.meter.dimension, e.state): str(e.quantity) for e in world.entries()}
    assert by_state[DIMENSION, State.BILLED] == "5"
    assert by_state["api_cals", State.RELEASED] == "12"
    assert str(world.item(first)["metering_response"]).startswith("billed: ")
    other = world.item(second)
    assert (other["metering_pending"], "metering_failed" in other) == ("true", False), (
        "the rest of the window is planned anew"
    )
    world.run()
    assert world.balance().parked.quantity == quantity(7)
    world.retry(second, dimension=DIMENSION)
    world.run()
    world.at("13:30")
    world.run()
    balance = world.balance()
    assert (balance.billed.quantity, balance.parked.quantity) == (quantity(12), quantity(0))


@pytest.mark.parametrize("changes", [{"quantity": 6}, {"tags": {"team": "red"}}])
def test_a_repaired_quantity_or_tag_counts_as_repaired(
    world: TwoTables, changes: dict[str, object]
) -> None:
    [key] = parked(world, 5)
    world.retry(key, **changes)
    world.seal()
    old, new = sorted(world.entries(), key=lambda entry: entry.serial)
    assert (old.state, new.state) == (State.RELEASED, State.SEALED)
    assert str(new.quantity) == str(changes.get("quantity", 5))
    world.aws.answer = accept
    world.run()
    assert world.balance().billed.quantity == new.quantity


def test_repaired_usage_stays_while_aws_may_have_its_window(world: TwoTables) -> None:
    """(c) An earlier attempt has no answer: releasing could bill it twice."""
    answers: list[Outcome] = [NoAnswer("timeout"), NotSubscribed()]
    world.aws.answer = lambda entry: answers.pop(0)
    key = world.put("09:10", 5)
    world.run()
    world.clock.advance(minutes=10)
    world.run()
    assert (world.entry().state, world.entry().refused) == (State.PARKED, 1)
    world.retry(key, dimension="other")
    world.seal()
    assert [entry.state for entry in world.entries()] == [State.PARKED]
    marked = world.item(key)
    assert marked["metering_failed"] is True
    assert "metering_pending" not in marked
    assert marked["metering_response"] == (
        f"this usage record was changed after it was sealed as {DIMENSION} 5 of product {PRODUCT} "
        "in the window 2026-11-20T09:00Z, and AWS may have that window, because an earlier answer "
        "was lost: what was sent never changes. Set metering_pending again when the window is "
        "settled."
    )
    [_parked, alarm] = world.alarms()
    assert (alarm.kind, alarm.quantity) == (AlarmKind.REFUSED_INPUT, quantity(5))


def test_usage_changed_after_it_was_billed_is_told_so(world: TwoTables) -> None:
    key = world.put("09:10", 5)
    world.run()
    world.retry(key, quantity=9)
    world.run()
    assert world.billed_quantities() == ["5"]
    marked = world.item(key)
    assert marked["metering_failed"] is True
    assert "that window is billed: what was sent never changes" in str(marked["metering_response"])
    [alarm] = world.alarms()
    assert (alarm.kind, alarm.quantity) == (AlarmKind.REFUSED_INPUT, quantity(9))
    balance = world.balance()
    assert (balance.billed.quantity, balance.refused.quantity) == (quantity(5), quantity(9))


def test_a_billed_record_under_another_dimension_is_not_billed_there(world: TwoTables) -> None:
    """The mark names the entry, so the record is found whatever its meter says now."""
    key = world.put("09:10", 5)
    world.run()
    world.retry(key, dimension="other")
    world.run()
    assert world.billed_quantities() == ["5"]
    assert world.item(key)["metering_failed"] is True


def test_refused_usage_that_expired_is_retried_as_late_usage(world: TwoTables) -> None:
    """(d)"""
    [key] = parked(world, 5)
    world.at("2026-11-21 11:30")
    world.run()
    assert world.entry().state is State.RELEASED
    assert world.item(key)["metering_failed"] is True
    assert world.balance().refused.quantity == quantity(5)
    world.aws.answer = accept
    world.run()
    assert world.item(key)["metering_failed"] is True, "nobody retried it"
    world.retry(key)
    world.run()
    balance = world.balance()
    assert (balance.billed.quantity, balance.carried) == (quantity(5), quantity(5))
    assert "metering_failed" not in world.item(key)


def test_rejected_late_usage_is_retried(world: TwoTables) -> None:
    """(d)"""
    world.policy = Policy(late=LateUsage.REJECT)
    world.put("09:10", 5)
    world.run()
    late = world.put("09:40", 2)
    world.run()
    marked = world.item(late)
    assert marked["metering_failed"] is True
    assert "metering_pending" not in marked
    assert "late usage of product prod-abc123 is rejected" in str(marked["metering_response"])
    assert world.balance().refused.quantity == quantity(2)
    world.policy = Policy()
    world.run()
    assert world.item(late)["metering_failed"] is True, "nobody retried it"
    world.retry(late)
    world.run()
    assert world.balance().billed.quantity == quantity(7)


def test_many_retries_at_once(world: TwoTables) -> None:
    keys = parked(world, *range(1, 41))
    world.aws.answer = accept
    for key in keys:
        world.retry(key)
    world.run()
    assert world.entry().state is State.BILLED
    assert all("metering_failed" not in world.item(key) for key in keys)


def test_copied_marks_do_not_hide_new_usage(world: TwoTables) -> None:
    """An application copies an old usage record with all its attributes under a new time."""
    key = world.put("09:10", 5)
    world.run()
    copied = {
        name: value
        for name, value in world.item(key).items()
        if name in ("metering_entry", "metering_response")
    }
    world.put("10:10", 5, **copied)
    world.run()
    assert world.balance().billed.quantity == quantity(10)
