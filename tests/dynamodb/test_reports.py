"""The reading side tells the same as the embedded store's."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from marketplace_metering.cli.selecting import find_records
from marketplace_metering.core.balance import Sum
from marketplace_metering.core.charter import CHARTER, Charter
from marketplace_metering.core.hours import NS_PER_MS
from marketplace_metering.core.identity import Meter
from marketplace_metering.core.ledger import Entry, State
from marketplace_metering.core.outcome import Accepted, Deferred, Duplicate, NotSubscribed, Outcome
from marketplace_metering.core.policy import LateUsage, Policy
from marketplace_metering.core.record import Problem, RefusedInput
from marketplace_metering.core.views import EntryFilter
from tests.dynamodb.world import TwoTables
from tests.support import steps
from tests.support.build import BUYER, DIMENSION, METER, PRODUCT, hour, quantity, usage

OUTCOMES: dict[str, Outcome] = {
    "billed": Accepted("id-1"),
    "parked": NotSubscribed(),
    "unresolved": Duplicate(),
    "sealed": Deferred("busy"),
}


def by_dimension(entry: Entry) -> Outcome | None:
    return OUTCOMES.get(entry.window.meter.dimension)


def test_a_balance_with_something_everywhere(world: TwoTables) -> None:
    world.policy = Policy(late=LateUsage.REJECT)
    world.aws.answer = by_dimension
    for amount, dimension in enumerate(OUTCOMES, start=1):
        world.put(f"09:1{amount}", amount, dimension=dimension)
    world.run()
    world.put("09:30", 16, dimension="billed")  # late: rejected
    world.put("11:10", 32, dimension="billed")  # pending: its hour is not over
    world.put("09:40", "x", dimension="billed")
    world.put("09:41", 64, dimension=None)
    world.seal()
    world.store.write_back(None)
    intake = world.store.intake("usage.jsonl", world.clock.now())
    problem = Problem.of("the line", "{", "it is not JSON", "write one JSON object a line")
    intake.refuse(
        [RefusedInput("usage.jsonl, line 1", "{", (problem,), PRODUCT, quantity(128))],
        world.clock.now(),
    )
    balance = world.balance()
    assert balance.billed == Sum(quantity(1), 1)
    assert balance.parked == Sum(quantity(2), 1)
    assert balance.unresolved == Sum(quantity(3), 1)
    assert balance.sealed == Sum(quantity(4), 1)
    assert balance.refused == Sum(quantity(16), 1)
    assert balance.pending == Sum(quantity(32), 1)
    assert balance.refused_input == Sum(quantity(192), 2)
    assert balance.unreadable_inputs == 1
    assert balance.recorded == Sum(quantity(250), 8)


def test_billed_usage_that_is_deleted_is_named(world: TwoTables) -> None:
    key = world.put("09:10", 5)
    world.put("09:11", 7)
    world.run()
    world.raw.delete_item(TableName=world.names.records, Key=key)
    [balance] = world.reports.balances()
    assert balance.is_balanced, "the ledger says that it was recorded"
    assert balance.recorded == balance.billed == Sum(quantity(12), 2)
    [missing] = balance.missing
    assert (missing.quantity, missing.state, missing.there) == (quantity(5), State.BILLED, None)
    assert (missing.meter, missing.hour) == (METER, hour("09:00"))


def test_usage_that_dynamodb_deleted_in_its_time_is_not_named(world: TwoTables) -> None:
    key = world.put("09:10", 5)
    other = world.put("09:11", 7, dimension="parked")
    world.aws.answer = lambda entry: (
        NotSubscribed() if entry.window.meter.dimension == "parked" else Accepted("id-1")
    )
    world.run()
    kept = Charter(
        region="us-east-1",
        account=None,
        window_length=timedelta(hours=24),
        late=LateUsage.CARRY,
        grace=timedelta(minutes=5),
        retention=timedelta(days=2),
    )
    assert world.store.set_fact(CHARTER, str(kept), None)
    for deleted in (key, other):
        world.raw.delete_item(TableName=world.names.records, Key=deleted)

    def named() -> list[str]:
        [balance] = world.reports.balances()
        assert balance.is_balanced
        return [str(each.quantity) for each in balance.missing]

    assert named() == ["5", "7"]
    world.clock.advance(hours=47)
    assert named() == ["5", "7"]
    world.clock.advance(hours=2)
    assert named() == ["7"], "what is not billed has no date to be deleted at"


def test_a_copy_of_a_settled_usage_record_is_no_member(world: TwoTables) -> None:
    """Marks that somebody copies do not hide usage that nobody was billed for."""
    key = world.put("09:10", 5)
    world.run()
    item = world.raw.get_item(TableName=world.names.records, Key=key)["Item"]
    copied = {**item, "create_timestamp": {"N": str(int(item["create_timestamp"]["N"]) + 1)}}
    world.raw.put_item(TableName=world.names.records, Item=copied)
    [balance] = world.reports.balances()
    assert not balance.is_balanced
    assert balance.recorded == Sum(quantity(10), 2)


def test_billed_usage_that_is_changed_without_a_retry_is_named(world: TwoTables) -> None:
    key = world.put("09:10", 5)
    world.run()
    world.edit(key, dimension="storage_gb")
    [balance] = world.reports.balances()
    assert balance.is_balanced
    assert balance.recorded == balance.billed == Sum(quantity(5), 1)
    assert [each.there for each in balance.missing] == [f"storage_gb 5 of product {PRODUCT}"]


def test_entries_by_what_is_asked_for(world: TwoTables) -> None:
    other = Meter(PRODUCT, "999988887777", DIMENSION)
    world.put("09:10", 5)
    world.put("10:10", 6)
    world.put("09:10", 7, customerAWSAccountId=other.account)
    world.run()

    def amounts(**which: Any) -> list[str]:
        return [str(view.entry.quantity) for view in world.reports.entries(EntryFilter(**which))]

    whole = {"product": PRODUCT, "account": BUYER, "dimension": DIMENSION}
    assert amounts() == ["5", "6", "7"]
    assert amounts(limit=2) == ["5", "6"]
    assert amounts(account=other.account) == ["7"]
    assert amounts(hour=hour("09:00")) == ["5", "7"]
    assert amounts(**whole) == ["5", "6"]
    assert amounts(**whole, hour=hour("10:00")) == ["6"]
    assert amounts(state=State.PARKED) == []
    assert amounts(state=State.BILLED, limit=1) == ["5"]
    [view, *_rest] = world.reports.entries(EntryFilter())
    assert view.sealed_at == world.clock.now()


def test_attempts_of_an_entry_the_latest_twenty(world: TwoTables) -> None:
    world.aws.answer = lambda entry: NotSubscribed("who?")
    world.put("09:10", 5)
    world.run()
    entry = world.entry()
    [first] = world.reports.attempts(entry.key)
    assert (first.number, first.begun_at, first.answer, first.words) == (
        1,
        world.clock.now(),
        "NotSubscribed",
        "who?",
    )
    for _hour in range(21):
        world.clock.advance(hours=1)
        world.submit()
    numbers = [attempt.number for attempt in world.reports.attempts(entry.key)]
    assert numbers == list(range(3, 23))
    assert (world.entry().begun, world.entry().refused) == (22, 22)


def test_why_a_usage_record_is_where_it_is(world: TwoTables) -> None:
    world.aws.answer = by_dimension
    billed = usage("09:10", 5, meter=Meter(PRODUCT, BUYER, "billed"))
    parked = usage("09:20", 6, meter=Meter(PRODUCT, BUYER, "parked"))
    steps.record(world.store, world.clock.now(), billed, parked, source="usage.jsonl")
    world.run()
    world.put("11:10", 7)
    first, last = billed.created_ns, usage("11:59").created_ns
    views = world.reports.records_at(BUYER, first, last)
    assert [view.record.quantity for view in views] == [quantity(5), quantity(6), quantity(7)]
    assert [view.source for view in views] == ["usage.jsonl"] * 2 + ["the application"]
    assert [view.entry and str(view.entry.entry.state) for view in views] == [
        "billed",
        "parked",
        None,
    ]
    assert [view.metering_pending for view in views] == [False, False, True]
    assert [view.metering_failed for view in views] == [False, True, False]
    assert world.reports.records_at(BUYER, first + 1, parked.created_ns) == []
    assert list(world.reports.waiting(METER, hour("11:00"))) == [views[2]]
    assert world.reports.oldest_pending_at() == world.clock.now() - timedelta(minutes=20)


def test_why_usage_is_listed(world: TwoTables) -> None:
    world.aws.answer = lambda entry: NotSubscribed()
    record = usage("09:10", 5)
    steps.record(world.store, world.clock.now(), record)
    world.run()
    world.at("2026-11-21 09:20")
    now = world.clock.now()
    for key in world.store.expired(now):
        steps.expire(world.store, key, now)
    for _marked in (False, True):
        [view] = world.reports.records_at(BUYER, record.created_ns, record.created_ns + 1)
        assert view.entry is None
        assert view.released_from is not None
        assert view.failure is not None
        assert "the deadline 2026-11-21 09:10:00Z passed unbilled" in view.failure
        assert world.reports.oldest_pending_at() is None
        world.store.write_back(None)


def test_refused_inputs_the_newest_first(world: TwoTables) -> None:
    problem = Problem.of("the line", "{", "it is not JSON", "write one JSON object a line")
    inputs = [
        RefusedInput(f"usage.jsonl, line {n}", f"{n}{'x' * n * 150_000}", (problem,))
        for n in range(4)
    ]
    for at, each in enumerate(inputs):
        now = world.clock.now() + timedelta(seconds=at)
        assert world.store.intake("usage.jsonl", now).refuse([each], now) == 1
    world.put("09:10", "five", note="mine")
    world.seal()
    *kept, malformed = world.reports.refused_inputs()
    assert kept == list(reversed(inputs))
    assert malformed.source == f"the usage record {BUYER} 1795165800000"
    assert '"quantity": "five"' in malformed.text
    assert '"note": "mine"' in malformed.text
    assert "metering_failed" not in malformed.text
    assert len(world.reports.refused_inputs(limit=2)) == 2


def test_an_empty_store(world: TwoTables) -> None:
    reports = world.reports
    assert list(reports.balances()) == []
    assert list(reports.entries(EntryFilter())) == []
    assert reports.records_at(BUYER, 0, 10) == []
    assert reports.refused_inputs() == []
    assert reports.oldest_pending_at() is None


def test_an_event_is_found_by_the_time_that_was_recorded(world: TwoTables) -> None:
    """It stands elsewhere in its second; other usage of the second is not meant."""
    event = usage("09:10:00.250", 5, event_id="e-1")
    steps.record(world.store, world.clock.now(), event, usage("09:10:00.251", 6))
    ms = event.created_ns // NS_PER_MS
    for at, amount in ((ms, 5), (ms + 1, 6), (ms + 2, 5)):
        [view] = find_records(world.reports, BUYER, str(at), None, None)
        assert view.record.quantity == quantity(amount)
    assert find_records(world.reports, BUYER, str(ms + 1_000), None, None) == []
