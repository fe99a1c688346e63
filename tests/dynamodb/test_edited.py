"""A usage record whose product code or licence somebody changes in the table, between its sealing
and its marks: it is billed as it was sealed, or as it is now, never as both.
"""

from __future__ import annotations

from typing import Any

import pytest

from marketplace_metering.core.ledger import State
from tests.dynamodb.faults import PowerCutError
from tests.dynamodb.world import TwoTables
from tests.support.build import LICENSE, PRODUCT

OTHER = "prod-another"
EDITS: tuple[dict[str, Any], ...] = (
    {"productCode": OTHER},
    {"productCode": OTHER, "quantity": 7},
    {"licenseArn": LICENSE},
    {"dimension": "storage_gb", "productCode": OTHER},
)


def _sent(world: TwoTables) -> dict[str, str]:
    """What AWS was sent, by product or licence."""
    return {
        entry.window.meter.license_arn or entry.window.meter.product: str(entry.quantity)
        for batch in world.aws.sent
        for entry in batch.entries
    }


@pytest.mark.parametrize("changes", EDITS, ids=str)
def test_an_edit_before_it_is_sent_is_billed_as_it_was_sealed(
    world: TwoTables, changes: dict[str, Any]
) -> None:
    key = world.put("09:10", 5)
    world.seal()
    world.edit(key, **changes)
    world.submit()
    world.at("12:30")
    world.run()
    assert _sent(world) == {PRODUCT: "5"}
    item = world.item(key)
    if changes.keys() == {"licenseArn"}:  # not among what a mark compares where none was sealed
        assert item["metering_response"].startswith("billed")
    else:
        assert item["metering_failed"] is True
        assert "was changed after it was sealed" in item["metering_response"]


@pytest.mark.parametrize("changes", EDITS, ids=str)
def test_an_edit_that_another_job_seals_first_is_billed_as_it_is_now(
    world: TwoTables, changes: dict[str, Any]
) -> None:
    """A job has read the old picture; the other one has sealed the new one when it stores."""
    key = world.put("09:10", 5)

    def edited_and_sealed() -> None:
        world.edit(key, **changes)
        TwoTables(world.raw, world.names).seal()

    world.client.before("transact_write_items", edited_and_sealed)
    world.seal()
    world.submit()
    world.at("12:30")
    world.run()
    assert list(_sent(world).values()) == [str(changes.get("quantity", 5))]
    assert PRODUCT not in _sent(world) or "productCode" not in changes


@pytest.mark.parametrize("die", [False, True], ids=["whole", "killed"])
@pytest.mark.parametrize("moment", ["batch_execute_statement", "update_item", "query"])
def test_an_edit_around_the_marks_is_billed_once(world: TwoTables, moment: str, die: bool) -> None:
    key = world.put("09:10", 5)
    world.seal()

    def edited() -> None:
        world.edit(key, productCode=OTHER)
        if die:
            raise PowerCutError

    world.client.before(moment, edited)
    try:
        world.submit()
    except PowerCutError:
        world.store = world.new_store()
    for minute in ("11:40", "12:30", "13:30"):
        world.at(minute)
        world.run()
    assert list(_sent(world).values()) == ["5"]
    assert [entry.state for entry in world.entries()] == [State.BILLED]


def test_other_books_are_read_only_where_they_may_hold_the_usage(world: TwoTables) -> None:
    """Books of windows before the oldest pending usage hold none of it."""
    world.put("09:10", 5)
    world.put("09:20", 5, dimension="storage_gb")
    world.run()
    world.put("10:10", 5)
    world.at("11:40")
    begin = len(world.client.log)
    world.seal()
    heads = [
        key["pk"]["S"]
        for call in world.client.log[begin:]
        if call.operation == "batch_get_item"
        for key in call.parameters["RequestItems"].get(world.names.ledger, {"Keys": []})["Keys"]
        if key["sk"]["S"] == "head"
    ]
    assert len(heads) == 1
