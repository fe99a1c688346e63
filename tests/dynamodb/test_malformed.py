"""Usage records that are none: marked with what is wrong, never in the way of others."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from marketplace_metering.adapters.dynamodb.sealing import pending_reader
from marketplace_metering.core.ledger import AlarmKind, State
from tests.dynamodb.world import TwoTables
from tests.support.build import BUYER, quantity

MALFORMED: list[tuple[dict[str, Any], str]] = [
    ({"quantity": "5"}, "this is a string: write the number without quotes"),
    ({"quantity": Decimal("-1")}, "AWS takes nothing back"),
    ({"quantity": None}, "quantity refused: it is missing"),
    ({"quantity": Decimal("0.0000001")}, "round it to six decimals"),
    ({"productCode": None, "productcode": "prod-abc123"}, "misspelt as 'productcode'"),
    ({"dimension": {"a": 1}}, "must be a string, this is a map"),
    ({"dimension": None}, "dimension refused: it is missing"),
    ({"customerAWSAccountId": "12345"}, "must be exactly 12 digits"),
    ({"create_timestamp": 1_708_012_345}, "this looks like seconds: multiply it by 1000"),
    ({"create_timestamp": 1_999_999_999_999}, "in the future"),
    ({"licenceArn": "arn:aws:license-manager::1:license:l-1"}, "looks like a misspelt"),
    ({"licenseArn": "l-1"}, "must be a licence ARN"),
    ({"tags": {"team": 5}}, "a tag value must be a string"),
    ({"tags": ["team"]}, "must be a map of strings"),
    ({"event_id": ""}, "must be a string of 1 to 256 characters"),
]


@pytest.mark.parametrize(("changes", "words"), MALFORMED)
def test_it_is_marked_with_what_is_wrong(
    world: TwoTables, changes: dict[str, Any], words: str
) -> None:
    good = world.put("09:05", 3)
    at = changes.pop("create_timestamp", "09:10")
    key = world.put(at, **{"quantity": 7, "note": "mine", **changes})
    world.run()
    marked = world.item(key)
    assert marked["metering_failed"] is True
    assert "metering_pending" not in marked
    assert words in str(marked["metering_response"])
    assert marked["note"] == "mine"
    assert str(world.item(good)["metering_response"]).startswith("billed: ")
    [alarm] = world.alarms()
    assert alarm.kind is AlarmKind.REFUSED_INPUT
    assert words in alarm.text
    world.clock.advance(hours=1)
    world.run()
    assert len(world.alarms()) == 1, "it is told once"


def test_the_alarm_names_the_quantity_where_it_can_be_read(world: TwoTables) -> None:
    key = world.put("09:10", 7, dimension=None)
    world.put("09:11", "seven")
    world.run()
    assert [alarm.quantity for alarm in world.alarms()] == [quantity(7), None]
    assert world.alarms()[0].text == (
        f"usage record {BUYER} {key['create_timestamp']['N']}: dimension refused: it is missing, "
        "and every usage record needs it; add it."
    )


def test_corrected_by_hand_it_is_metered(world: TwoTables) -> None:
    key = world.put("09:10", "5")
    world.run()
    world.retry(key, quantity=5)
    world.run()
    assert world.entry().state is State.BILLED
    marked = world.item(key)
    assert str(marked["metering_response"]).startswith("billed: ")
    assert "metering_failed" not in marked


def test_many_of_them_are_marked(world: TwoTables) -> None:
    keys = [world.put(f"09:{n // 60:02d}:{n % 60:02d}", "x") for n in range(120)]
    world.run()
    assert all(world.item(key)["metering_failed"] is True for key in keys)
    assert len(world.alarms()) == 120


def test_one_that_was_corrected_meanwhile_is_left_to_the_next_run(world: TwoTables) -> None:
    key = world.put("09:10", "5")
    other = world.put("09:11", "6")
    world.client.before("transact_write_items", lambda: world.edit(key, quantity=5))
    world.seal()
    assert "metering_failed" not in world.item(key)
    assert world.item(other)["metering_failed"] is True
    world.run()
    assert world.billed_quantities() == ["5"]


def test_one_as_large_as_an_item_can_be(world: TwoTables) -> None:
    key = world.put("09:10", "x", note="n" * 409_300)
    large = world.put("09:11", 1, dimension="d" * 300_000)
    good = world.put("09:12", 1)
    world.run()
    assert world.item(key)["metering_failed"] is True
    assert "must be 1 to 255 characters" in str(world.item(large)["metering_response"])
    assert str(world.item(good)["metering_response"]).startswith("billed: ")


def test_every_type_of_attribute_can_be_read(world: TwoTables) -> None:
    """Sets, binary, null, nesting: a seller's own, untouched; in our names, a problem."""
    key = world.put("09:10", 5)
    world.raw.update_item(
        TableName=world.names.records,
        Key=key,
        UpdateExpression="SET a = :a, b = :b, c = :c, d = :d, e = :e",
        ExpressionAttributeValues={
            ":a": {"SS": ["x", "y"]},
            ":b": {"NS": ["1", "2.5"]},
            ":c": {"BS": [b"z"]},
            ":d": {"NULL": True},
            ":e": {"L": [{"M": {"f": {"BOOL": True}}}, {"B": b"g"}]},
        },
    )
    odd = world.put("09:11", 5)
    world.raw.update_item(
        TableName=world.names.records,
        Key=odd,
        UpdateExpression="SET quantity = :q, dimension = :d, tags = :t",
        ExpressionAttributeValues={":q": {"NS": ["1"]}, ":d": {"B": b"x"}, ":t": {"SS": ["a"]}},
    )
    world.run()
    kept = world.item(key)
    assert (kept["a"], kept["b"], kept["d"]) == ({"x", "y"}, {1, Decimal("2.5")}, None)
    assert world.item(odd)["metering_failed"] is True
    assert world.balance().billed.quantity == quantity(5)


def test_a_run_lists_so_many_and_leaves_the_rest(
    world: TwoTables, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A bug that writes seconds for milliseconds leaves a million: what is right is billed first,
    and no run remembers them all."""
    monkeypatch.setattr(pending_reader, "MALFORMED_MAX", 3)
    good = world.put("09:05", 3)
    for number in range(5):
        world.put(1_700_000_000 + number, 1)
    world.run()
    assert str(world.item(good)["metering_response"]).startswith("billed: ")
    assert len(world.alarms()) == 3
    world.run()
    world.run()
    assert len(world.alarms()) == 5


def test_what_is_right_is_sealed_before_what_is_wrong_is_listed(world: TwoTables) -> None:
    """Also where there are few books: a run that is killed while it lists has billed them."""
    world.put("09:05", 3)
    world.put("09:10", "5")
    now = world.clock.now()
    assert len(list(world.store.pending(now, world.policy))) == 1
    assert world.alarms() == []
    assert world.store.refuse_malformed(now) == 0, "its time is over"
    assert len(list(world.store.pending(now, world.policy))) == 1
    assert world.store.refuse_malformed(None) == 1
    assert len(world.alarms()) == 1
