"""The marks on usage records: one write each, safe to repeat, never against the ledger."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from marketplace_metering.core import ledger
from marketplace_metering.core.balance import Sum
from marketplace_metering.core.ledger import Entry, State
from marketplace_metering.core.outcome import (
    Accepted,
    Deferred,
    Duplicate,
    NoAnswer,
    NotSubscribed,
    Outcome,
)
from marketplace_metering.core.views import EntryFilter
from tests.dynamodb.faults import PowerCutError
from tests.dynamodb.world import TwoTables, accept
from tests.support import steps
from tests.support.build import PRODUCT, quantity, usage


def not_subscribed(entry: Entry) -> Outcome:
    return NotSubscribed()


def settled(world: TwoTables, records: int) -> list[dict[str, object]]:
    """Billed usage of one window whose marks are not written yet."""
    keys = [world.put(f"09:{n // 60:02d}:{n % 60:02d}", 1) for n in range(records)]
    world.seal()
    entry = world.entry()
    steps.attempt(world.store, entry.key, accept(entry), world.clock.now())
    return keys


def test_each_usage_record_is_written_once(world: TwoTables) -> None:
    settled(world, 60)
    world.client.log.clear()
    assert world.store.write_back(None) == 60
    statements = [
        statement["Statement"]
        for call in world.client.log
        if call.operation == "batch_execute_statement"
        for statement in call.parameters["Statements"]
    ]
    assert len([words for words in statements if world.names.records in words]) == 60
    assert world.store.write_back(None) == 0


def test_a_crash_in_the_middle_leaves_the_rest_to_the_next_run(world: TwoTables) -> None:
    keys = settled(world, 100)
    store = world.new_store(workers=1)
    world.client.die_after("batch_execute_statement", calls=2)
    with pytest.raises(PowerCutError):
        store.write_back(None)
    pending = [key for key in keys if "metering_pending" in world.item(key)]
    assert 0 < len(pending) < 100
    assert world.new_store().write_back(None) == 100
    assert not [key for key in keys if "metering_pending" in world.item(key)]


def test_a_run_stops_at_its_instant_and_the_next_one_goes_on_from_there(world: TwoTables) -> None:
    keys = settled(world, 250)
    store = world.new_store(workers=1)
    until = world.clock.now() + timedelta(seconds=1)
    world.client.before("batch_execute_statement", lambda: world.clock.advance(seconds=0.3), 4)
    first = store.write_back(until)
    assert first == 100, "four batches of 25 a look at the clock"
    assert len([key for key in keys if "metering_pending" in world.item(key)]) == 150
    assert store.write_back(world.clock.now()) == 0
    assert world.new_store().write_back(None) == 150
    assert not [key for key in keys if "metering_pending" in world.item(key)]


def test_an_entry_that_changes_while_it_is_marked_is_marked_again(world: TwoTables) -> None:
    """Another process settles it in the meantime, and its newer marks are overwritten first."""
    key = world.put("09:10", 5)
    world.aws.answer = not_subscribed
    world.seal()
    entry = world.entry()
    steps.attempt(world.store, entry.key, NotSubscribed(), world.clock.now())
    other = world.new_store(world.raw)

    def settle_and_mark() -> None:
        later = world.clock.now() + timedelta(hours=1)
        steps.attempt(other, entry.key, accept(entry), later)
        other.write_back(None)

    world.client.before("batch_execute_statement", settle_and_mark)
    world.store.write_back(None)
    marked = world.item(key)
    assert str(marked["metering_response"]).startswith("billed: ")
    assert "metering_failed" not in marked


def test_a_deleted_usage_record_does_not_come_back(world: TwoTables) -> None:
    """A seller archives old usage records."""
    first, second = settled(world, 2)
    world.raw.delete_item(TableName=world.names.records, Key=first)
    assert world.store.write_back(None) == 1
    assert "Item" not in world.raw.get_item(TableName=world.names.records, Key=first)
    assert "metering_pending" not in world.item(second)


def test_a_record_without_room_for_words_gets_its_flags(world: TwoTables) -> None:
    key = world.put("09:10", 5, note="x" * 409_350)
    world.aws.answer = not_subscribed
    world.run()
    marked = world.item(key)
    assert marked["metering_failed"] is True
    assert "metering_pending" not in marked
    assert "metering_response" not in marked


def test_a_billed_record_without_room_for_words_is_in_the_books(world: TwoTables) -> None:
    key = world.put("09:10", 5, note="x" * 409_350)
    world.run()
    assert not world.item(key).keys() & {"metering_pending", "metering_response"}
    balance = world.balance()
    assert balance.is_balanced
    assert balance.recorded == balance.billed == Sum(quantity(5), 1)
    assert balance.missing == ()


def test_released_usage_that_was_marked_is_pending_again(world: TwoTables) -> None:
    key = world.put("09:10", 5)
    world.aws.answer = not_subscribed
    world.run()
    entry = world.entry()
    now = world.clock.now()
    steps.change(world.store, entry.key, lambda e: ledger.release(e, "a test"), now)
    assert world.store.write_back(None) == 1
    marked = world.item(key)
    assert marked["metering_pending"] == "true"
    assert "metering_failed" not in marked
    assert marked["metering_response"] == (
        "planned again, it was not billed: window 2026-11-20T09:00Z, quantity 5. a test"
    )


def test_released_usage_that_was_never_marked_needs_no_writing(world: TwoTables) -> None:
    world.put("09:10", 5)
    world.seal()
    entry = world.entry()
    now = world.clock.now()
    steps.change(world.store, entry.key, lambda e: ledger.release(e, "a test"), now)
    assert world.store.write_back(None) == 0


def test_billed_usage_may_be_deleted_after_a_time_refused_usage_never(world: TwoTables) -> None:
    billed = world.put("09:10", 5)
    refused = world.put("09:10", 5, productCode="prod-other")
    world.aws.answer = lambda entry: (
        accept(entry) if entry.window.meter.product == PRODUCT else NotSubscribed()
    )
    billed = world.put("09:10", 5, customerAWSAccountId="0" * 12)
    world.store = world.new_store(retention=timedelta(days=30))
    world.run()
    expires_at = world.clock.now() + timedelta(days=30)
    assert world.item(billed)["expires_at"] == int(expires_at.timestamp())
    assert "expires_at" not in world.item(refused)


def kept_for_a_month(world: TwoTables, *answers: Outcome) -> dict[str, object]:
    """Usage that AWS has or seems to have, and that DynamoDB may delete in a month."""
    world.store = world.new_store(retention=timedelta(days=30))
    given = list(answers)
    world.aws.answer = lambda entry: given.pop(0)
    key = world.put("09:10", 5)
    world.run()
    while given:
        world.clock.advance(minutes=10)
        world.run()
    assert "expires_at" in world.item(key)
    return key


def test_usage_that_was_presumed_and_is_unresolved_is_not_deleted(world: TwoTables) -> None:
    """The answer that was waited for comes after all: AWS had refused it."""
    key = kept_for_a_month(world, NoAnswer("timeout"), Duplicate())
    steps.change(
        world.store,
        world.entry().key,
        lambda entry: ledger.answer(
            entry, 1, Deferred("throttled"), world.clock.now(), world.policy
        ),
        world.clock.now(),
    )
    assert world.entry().state is State.UNRESOLVED
    world.store.write_back(None)
    assert "expires_at" not in world.item(key)


@pytest.mark.parametrize("changed", [7, -1])
def test_billed_usage_that_is_changed_in_place_is_not_deleted(
    world: TwoTables, changed: int
) -> None:
    """What was sent never changes: the usage record is listed, and a person needs it."""
    key = kept_for_a_month(world, Accepted("id-1"))
    world.retry(key, quantity=changed)
    world.seal()
    assert world.item(key)["metering_failed"] is True
    assert "expires_at" not in world.item(key)


def test_listed_usage_that_is_retried_is_not_deleted(world: TwoTables) -> None:
    """Whoever wrote the date: an application may have an attribute of that name."""
    world.aws.answer = not_subscribed
    key = world.put("09:10", 5)
    world.run()
    world.at("2026-11-21 11:30")
    world.run()
    world.edit(key, expires_at=1)
    assert world.store.corrections().retry_refused(EntryFilter()) == 1
    assert world.item(key)["metering_pending"] == "true"
    assert "expires_at" not in world.item(key)


def test_a_mark_that_is_repeated_gives_no_date_to_be_deleted_at(world: TwoTables) -> None:
    """Its entry may have become unresolved meanwhile: nobody would take the date back."""
    key = kept_for_a_month(world, Accepted("id-1"))
    world.put("09:10", 5)  # the application repeats it
    world.seal()
    assert "metering_pending" not in world.item(key)
    assert "expires_at" not in world.item(key)


def test_a_mark_that_is_repeated_gives_way_to_a_newer_one(world: TwoTables) -> None:
    """While a retry is answered with the mark of old, AWS turns out to have refused the window."""
    answers: list[Outcome] = [NoAnswer("timeout"), Duplicate()]
    world.aws.answer = lambda entry: answers.pop(0)
    key = world.put("09:10", 5)
    world.run()
    entry = world.entry()
    assert entry.state is State.PRESUMED
    world.retry(key)
    other = world.new_store(world.raw)

    def it_is_refused_after_all() -> None:
        now = world.clock.now()
        refused = Deferred("throttled")
        steps.change(
            other, entry.key, lambda e: ledger.answer(e, 1, refused, now, world.policy), now
        )
        other.write_back(None)

    world.client.before("batch_execute_statement", it_is_refused_after_all)
    world.seal()
    marked = world.item(key)
    assert str(marked["metering_response"]).startswith("unresolved: ")
    assert marked["metering_failed"] is True


def test_fractions_of_a_millisecond_and_of_a_unit_are_marked(world: TwoTables) -> None:
    now = world.clock.now()
    plain = usage("09:10", "0.000001")
    record = replace(plain, created_ns=plain.created_ns + 123)
    steps.record(world.store, now, record)
    world.run()
    views = world.reports.records_at(record.account, record.created_ns, record.created_ns + 1)
    [view] = views
    assert view.entry is not None
    assert view.entry.entry.state is State.BILLED
    items = world.raw.scan(TableName=world.names.records)["Items"]
    assert "metering_pending" not in items[0]
