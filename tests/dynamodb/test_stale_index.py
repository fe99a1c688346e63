"""The indexes are eventually consistent: whatever old picture they show, nothing counts twice."""

from __future__ import annotations

from marketplace_metering.core import ledger
from marketplace_metering.core.ledger import Entry, State
from marketplace_metering.core.outcome import NotSubscribed, Outcome
from marketplace_metering.core.policy import Scope
from tests.dynamodb.test_retries import parked
from tests.dynamodb.world import TwoTables, accept
from tests.support.build import quantity


def test_sealed_usage_that_still_looks_pending_is_not_sealed_again(world: TwoTables) -> None:
    world.put("09:10", 5)
    world.client.freeze_indexes()
    world.seal()
    assert world.seal().entries == 0
    world.submit()
    assert world.seal(Scope.EVERYTHING).entries == 0
    assert world.billed_quantities() == ["5"]


def test_an_old_picture_of_billed_usage_is_no_retry(world: TwoTables) -> None:
    """It is looked at in the table, and nothing is written."""
    world.put("09:10", 5)
    world.client.freeze_indexes()
    world.run()
    world.client.log.clear()
    world.seal()
    assert not world.client.wrote(world.names.records)
    assert not world.client.wrote(world.names.ledger)


def test_new_usage_beside_an_old_picture_is_sealed(world: TwoTables) -> None:
    """Of the same hour, so that it lies among the members of what is sealed already."""
    world.put("09:10", 5)
    world.put("09:30", 6)
    world.client.freeze_indexes()
    world.run()
    world.client.thaw_indexes()
    world.put("09:20", 7)
    world.client.freeze_indexes()
    world.run()
    assert world.billed_quantities() == ["11", "7"]
    assert world.balance().billed.quantity == quantity(18)


def test_what_this_process_sealed_is_due_before_the_index_shows_it(world: TwoTables) -> None:
    world.put("09:10", 5)
    world.client.freeze_indexes()
    world.seal()
    [due] = world.store.due(world.clock.now(), world.policy, ())
    assert due.quantity == quantity(5)
    world.aws.answer = lambda entry: NotSubscribed()
    world.submit()
    [alarm] = world.alarms()
    assert alarm.quantity == quantity(5)
    assert world.entry().state is State.PARKED
    retry_at = world.clock.now() + world.policy.parked_retry
    assert world.store.next_due_at(world.clock.now(), ()) == retry_at
    assert [key.window for key in world.store.expired(world.entry().deadline)] == [
        world.entry().window
    ]


def test_what_this_process_settled_is_not_due_however_long_the_index_shows_it(
    world: TwoTables,
) -> None:
    world.put("09:10", 5)
    world.put("10:10", 7)
    world.seal()
    world.client.freeze_indexes()
    world.submit()
    assert list(world.store.due(world.clock.now(), world.policy, ())) == []
    assert list(world.store.expired(world.entries()[0].deadline)) == []


def test_what_another_process_settled_is_not_answered_as_due(world: TwoTables) -> None:
    for minute in range(30):
        world.put("09:10", 5, customerAWSAccountId=f"{minute:012d}")
    world.seal()
    world.client.freeze_indexes()
    world.submit()
    other = world.new_store()
    assert list(other.due(world.clock.now(), world.policy, ())) == []


def test_an_old_picture_of_parked_usage_hastens_nothing(world: TwoTables) -> None:
    world.aws.answer = lambda entry: NotSubscribed()
    world.put("09:10", 5)
    world.client.freeze_indexes()
    world.run()
    waits = world.entry().retry_at
    world.run()
    assert world.entry().retry_at == waits
    assert len(world.aws.sent) == 1


def test_an_old_picture_of_repaired_usage_decides_nothing(world: TwoTables) -> None:
    """Its quantity was corrected and it was set pending; the index shows what was sealed."""
    world.aws.answer = lambda entry: NotSubscribed()
    key = world.put("09:10", 5)
    world.client.freeze_indexes()
    world.run()
    waits = world.entry().retry_at
    world.retry(key, quantity=6)
    world.seal()
    assert (world.entry().state, world.entry().retry_at) == (State.PARKED, waits)
    world.client.thaw_indexes()
    world.aws.answer = accept
    world.run()
    assert world.billed_quantities() == ["5", "6"]
    assert world.balance().billed.quantity == quantity(6)


def test_an_old_picture_of_repaired_usage_is_not_billed_under_its_old_dimension(
    world: TwoTables,
) -> None:
    """Parked, repaired, released; the index still shows it as it was first recorded."""
    world.aws.answer = lambda entry: NotSubscribed()
    key = world.put("09:10", 5, dimension="old")
    world.seal()
    world.client.freeze_indexes()
    world.submit()
    old_pictures = world.client.old_pictures
    world.client.thaw_indexes()
    world.retry(key, dimension="new")
    world.seal()
    old, new = sorted(world.entries(), key=lambda e: e.window.meter.dimension, reverse=True)
    assert (old.state, new.state) == (State.RELEASED, State.SEALED)
    world.client.old_pictures = old_pictures
    world.aws.answer = accept
    world.run()
    assert {entry.window.meter.dimension for entry in world.entries(State.BILLED)} == {"new"}


def test_an_old_picture_of_expired_usage_is_not_sealed(world: TwoTables) -> None:
    """It was refused until its deadline, and marked; the index shows it from before."""
    parked(world, 5)
    world.put("09:30", 1, dimension="api_cals")
    key = world.put("09:40", 2, dimension="api_cals")
    world.edit(key, metering_pending=None)
    world.edit(key, metering_pending="true")
    world.client.freeze_indexes()
    old_pictures = world.client.old_pictures
    world.client.thaw_indexes()
    world.run()
    world.at("2026-11-21 12:30")
    world.run()
    states = {entry.state for entry in world.entries()}
    assert states == {State.RELEASED}
    world.client.old_pictures = old_pictures
    world.aws.answer = accept
    world.run()
    assert world.entries(State.BILLED) == []


def test_released_usage_is_planned_anew_only_as_it_stands_in_the_table(world: TwoTables) -> None:
    """Somebody took `metering_pending` away; the index does not know it yet."""
    key = world.put("09:10", 5)
    world.seal()
    entry = world.entry()
    world.client.freeze_indexes()
    now = world.clock.now()
    world.store.change([entry.key], lambda e: ledger.release(e, "a test"), now)
    world.edit(key, metering_pending=None)
    assert world.seal().entries == 0


def test_an_overwritten_usage_record_counts_as_it_was_sealed_until_it_is_sent(
    world: TwoTables,
) -> None:
    """Two plain puts in one millisecond: the guide's key keeps only the second."""
    world.put("09:10", 5)
    world.client.freeze_indexes()
    world.put("09:10", 7)
    world.seal()
    assert [str(entry.quantity) for entry in world.entries()] == ["5"]
    world.client.thaw_indexes()
    world.run()
    assert world.billed_quantities() == ["7"]
    assert world.balance().billed.quantity == quantity(7)


def test_an_overwritten_usage_record_whose_window_was_sent_is_listed(world: TwoTables) -> None:
    key = world.put("09:10", 5)
    world.seal()

    def overwrite(entry: Entry) -> Outcome:
        world.put("09:10", 7)
        return accept(entry)

    world.aws.answer = overwrite
    world.submit()
    assert world.item(key)["metering_pending"] == "true", "the second put has no outcome yet"
    world.run()
    assert world.item(key)["metering_failed"] is True
    balance = world.balance()
    assert (balance.billed.quantity, balance.refused.quantity) == (quantity(5), quantity(7))
