"""From the application's put to a billed usage record, as the guide describes it."""

from __future__ import annotations

from marketplace_metering.core.ledger import State
from marketplace_metering.core.policy import Scope
from tests.dynamodb.world import TwoTables
from tests.support.build import quantity


def test_usage_is_sealed_billed_and_marked(world: TwoTables) -> None:
    first = world.put("09:10", 5, team="blue")
    second = world.put("09:20", 7)
    report = world.run()
    entry = world.entry()
    assert (entry.state, entry.quantity, entry.record_count) == (State.BILLED, quantity(12), 2)
    assert report.written_back == 2
    marked = world.item(first)
    assert "metering_pending" not in marked
    assert "metering_failed" not in marked
    record_id = f"id-{entry.window.hour.number}-0"
    assert marked["metering_response"] == (
        f"billed: window 2026-11-20T09:00Z, quantity 12, MeteringRecordId {record_id}"
    )
    assert marked["team"] == "blue", "a seller's own attributes are kept"
    assert world.item(second)["metering_response"] == marked["metering_response"]
    assert world.balance().billed.quantity == quantity(12)


def test_nothing_is_left_to_do_afterwards(world: TwoTables) -> None:
    world.put("09:10", 5)
    world.run()
    world.client.log.clear()
    again = world.run(Scope.EVERYTHING)
    assert (again.requests, again.written_back) == (0, 0)
    assert not world.client.wrote(world.names.records)
    assert not world.client.wrote(world.names.ledger)
