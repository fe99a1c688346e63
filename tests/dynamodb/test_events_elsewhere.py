"""Events that an application put elsewhere than at their place: whatever became of the first, and
whoever comes between, one of them counts. See `sealing.events`.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from marketplace_metering.core import ledger
from marketplace_metering.core.event import place_of
from marketplace_metering.core.ledger import State
from marketplace_metering.core.outcome import Duplicate, NoAnswer, NotSubscribed, Outcome
from marketplace_metering.core.policy import LateUsage, Policy, Scope
from marketplace_metering.core.record_item import timestamp_text
from marketplace_metering.files.json_lines import Piece
from marketplace_metering.jobs.looking_through import Looking
from marketplace_metering.jobs.record import record
from marketplace_metering.jobs.seal import seal
from marketplace_metering.ports import Ports
from tests.dynamodb.faults import PowerCutError
from tests.dynamodb.world import Collector, TwoTables, accept
from tests.support.build import BUYER, quantity
from tests.support.clock import utc

ID = "order-4711"
FIRST, SECOND = "09:10:07.250", "09:10:07.650"
PLACE = place_of(ID, int(utc(FIRST).timestamp() * 1_000) * 1_000_000)
KEY = {"customerAWSAccountId": {"S": BUYER}, "create_timestamp": {"N": timestamp_text(PLACE)}}


def is_listed(world: TwoTables, key: dict[str, Any]) -> bool:
    item = world.item(key)
    words = str(item.get("metering_response"))
    return item.get("metering_failed") is True and "an event counts once" in words


def billed(world: TwoTables) -> None:
    world.run()


def parked(world: TwoTables) -> None:
    world.aws.answer = lambda entry: NotSubscribed()
    world.run()


def presumed(world: TwoTables) -> None:
    answers: list[Outcome] = [NoAnswer("timeout"), Duplicate()]
    world.aws.answer = lambda entry: answers.pop(0)
    world.run()


def unresolved(world: TwoTables) -> None:
    world.aws.answer = lambda entry: Duplicate()
    world.run()


def written_off(world: TwoTables) -> None:
    parked(world)
    now = world.clock.now()
    key = world.entry().key
    world.store.change([key], lambda e: ledger.write_off(e, "ann", "goodwill", now), now)
    world.store.write_back(None)


def released(world: TwoTables) -> None:
    """AWS refused it up to its deadline."""
    parked(world)
    world.at("2026-11-21 11:30")
    world.run()
    assert world.entry().state is State.RELEASED


def rejected(world: TwoTables) -> None:
    world.policy = Policy(late=LateUsage.REJECT)
    world.at("2026-11-22 10:30")
    Looking.begin(world.store, world.clock.now()).end(world.store, world.policy)
    world.at("2026-11-22 11:30")
    world.run()
    assert world.entries() == []


def sealed(world: TwoTables) -> None:
    world.seal()


def looked_at(world: TwoTables) -> None:
    """Nothing is sealed yet: the run died."""
    assert list(world.store.pending(world.clock.now(), world.policy))


STATES = (looked_at, sealed, billed, parked, presumed, unresolved, written_off, released, rejected)


@pytest.mark.parametrize("becomes", STATES, ids=lambda becomes: becomes.__name__)
def test_whatever_became_of_the_first_the_second_is_listed(
    world: TwoTables, becomes: Callable[[TwoTables], None]
) -> None:
    first = world.put(FIRST, 5, event_id=ID)
    becomes(world)
    before = [(entry.key, entry.state) for entry in world.entries()]
    second = world.put(SECOND, 5, event_id=ID)
    world.policy = Policy()
    world.seal()
    assert is_listed(world, second)
    assert not is_listed(world, first)
    if before:
        assert [(entry.key, entry.state) for entry in world.entries()] == before
    world.aws.answer = accept
    world.run()
    balance = world.balance()
    # What was rejected or released is listed until a person retries it.
    assert (balance.recorded.quantity, balance.refused.quantity) in (
        (quantity(10), quantity(5)),
        (quantity(10), quantity(10)),
    )


def test_a_repetition_that_is_put_over_itself_is_still_listed(world: TwoTables) -> None:
    world.put(FIRST, 5, event_id=ID)
    second = world.put(SECOND, 5, event_id=ID)
    world.run()
    assert world.put(SECOND, 5, event_id=ID) == second
    world.run()
    assert is_listed(world, second)
    assert world.billed_quantities() == ["5"]


def put_at(world: TwoTables, ns: int, amount: int, **more: Any) -> dict[str, Any]:
    """As a writer does it that knows about nanoseconds."""
    return world.put(0, amount, create_timestamp=Decimal(timestamp_text(ns)), **more)


def test_where_other_usage_stands_at_the_place_the_next_one_is_looked_at(world: TwoTables) -> None:
    put_at(world, PLACE, 3)
    at_next = put_at(world, PLACE + 1, 5, event_id=ID)  # as a recorder does it
    elsewhere = world.put(SECOND, 5, event_id=ID)
    world.run()
    assert is_listed(world, elsewhere)
    assert not is_listed(world, at_next)
    assert world.billed_quantities() == ["8"]


def test_two_runs_at_once_agree(world: TwoTables) -> None:
    first = world.put(FIRST, 5, event_id=ID)
    second = world.put(SECOND, 5, event_id=ID)
    other = world.new_store(world.raw)

    def another_run() -> None:
        ports = Ports(other, world.aws, world.clock, Collector())
        seal(ports, world.policy, Scope.CLOSED_HOURS)

    world.client.before("batch_execute_statement", another_run)
    world.run()
    assert not is_listed(world, first)
    assert is_listed(world, second)
    assert world.billed_quantities() == ["5"]


def test_a_recorder_that_comes_between_reading_and_writing_is_the_first(world: TwoTables) -> None:
    key = world.put(FIRST, 5, event_id=ID)
    world.client.before("batch_execute_statement", lambda: put_at(world, PLACE, 5, event_id=ID))
    world.seal()
    world.run()
    assert is_listed(world, key)
    assert world.billed_quantities() == ["5"]


@pytest.mark.parametrize("calls", [1, 2, 3])
def test_the_power_may_go_when_it_is_known(world: TwoTables, calls: int) -> None:
    first = world.put(FIRST, 5, event_id=ID)
    second = world.put(SECOND, 5, event_id=ID)
    operation = ("batch_execute_statement", "transact_write_items", "transact_write_items")
    world.client.die_after(operation[calls - 1], max(1, calls - 1))
    with pytest.raises(PowerCutError):
        world.run()
    world.client.faults.clear()
    world.store = world.new_store()
    world.run()
    assert not is_listed(world, first)
    assert is_listed(world, second)
    assert world.billed_quantities() == ["5"]


def test_a_signpost_whose_answer_was_lost_is_known_as_ones_own(world: TwoTables) -> None:
    world.put(FIRST, 5, event_id=ID)
    world.client.repeat("batch_execute_statement")
    world.run()
    assert world.billed_quantities() == ["5"]


def test_a_signpost_says_what_it_is_and_stays_when_the_usage_record_is_gone(
    world: TwoTables,
) -> None:
    key = world.put(FIRST, 5, event_id=ID, tags={"team": "red"}, note="mine")
    world.run()
    at = key["create_timestamp"]["N"]
    post = world.item(KEY)
    assert post["metering_response"] == f"no usage: event {ID} is the usage record {BUYER} {at}"
    assert "metering_pending" not in post
    assert world.balance().recorded.records == 1
    world.raw.delete_item(TableName=world.names.records, Key=key)
    second = world.put(SECOND, 5, event_id=ID, tags={"team": "red"})
    world.run()
    assert is_listed(world, second)
    assert world.billed_quantities() == ["5"]


def test_a_file_that_comes_later_finds_it_known(world: TwoTables) -> None:
    """With all that the application says of it, and attributes of its own."""
    world.put(FIRST, 5, event_id=ID, note="mine")
    world.run()
    ms = int(utc(FIRST).timestamp() * 1_000)
    item: dict[str, object] = {
        "customerAWSAccountId": BUYER,
        "productCode": "prod-abc123",
        "create_timestamp": ms,
        "dimension": "api_calls",
        "quantity": 5,
        "metering_pending": "true",
        "event_id": ID,
    }
    report = record(world.store, world.clock, "usage.jsonl", [Piece("line 1", "", item)])
    assert (report.added, report.already_there, report.refused) == (0, 1, 0)


def test_many_events_elsewhere(world: TwoTables) -> None:
    """More than a request takes, each put twice, in several books."""
    keys = [
        [
            world.put(
                f"09:{n % 60:02d}:{n // 60:02d}.{ms}", 1, event_id=f"e-{n}", dimension=f"d{n % 3}"
            )
            for n in range(130)
        ]
        for ms in (250, 650)
    ]
    world.run()
    assert sum(is_listed(world, key) for key in keys[1]) == 130
    assert not any(is_listed(world, key) for key in keys[0])
    assert world.balance().billed.quantity == quantity(130)


def test_an_entry_never_waits_for_it(world: TwoTables) -> None:
    """What cannot be judged by this run is left to the next; the others are sealed."""
    world.put("09:05", 3)
    gone = world.put(FIRST, 5, event_id=ID)
    world.client.freeze_indexes()
    world.raw.delete_item(TableName=world.names.records, Key=gone)
    world.run()
    assert world.billed_quantities() == ["3"]


def test_a_late_index_shows_a_listed_one_once_more(world: TwoTables) -> None:
    world.put(FIRST, 5, event_id=ID)
    world.put(SECOND, 5, event_id=ID)
    world.client.freeze_indexes()
    world.run()
    world.run()
    world.client.thaw_indexes()
    world.run()
    assert world.billed_quantities() == ["5"]
    assert len(world.alarms()) == 1
