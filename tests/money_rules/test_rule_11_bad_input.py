"""Rule 11: bad input is refused with a reason and kept; it never blocks another record."""

from __future__ import annotations

import json
from decimal import Decimal

from marketplace_metering.adapters.sqlite import SqliteStore
from marketplace_metering.core.ledger import AlarmKind
from tests.support.build import BUYER, hour, item
from tests.support.world import MeteringWorld

WRONG = [
    item(quantity=-1),
    item(quantity="5"),
    item(create_timestamp=1708012345),
    item(customerAWSAccountId="12345678901"),
    item(dimension=None, dimention="users"),
    item(metering_pending=None),
]


def test_the_good_are_metered_and_the_bad_are_kept(world: MeteringWorld) -> None:
    lines = [json.dumps(item(note=number)) for number in range(3)]
    lines += [json.dumps(each) for each in WRONG] + ["{", "[]", "\ud800"]
    report = world.record_file("usage.jsonl", lines)
    assert (report.read, report.added, report.refused) == (12, 3, 9)
    world.run()
    assert str(world.billed()) == "15"
    assert {alarm.kind for alarm in world.told.alarms} == {AlarmKind.REFUSED_INPUT}
    assert len(world.told.alarms) == 9
    world.assert_law()


def test_the_same_bad_line_is_kept_once(world: MeteringWorld) -> None:
    lines = [json.dumps(WRONG[0])]
    for _time in range(2):
        world.record_file("usage.jsonl", lines)
    (balance,) = world.balances()
    assert balance.unreadable_inputs == 1


def test_attributes_of_the_sellers_own_are_kept_untouched(world: MeteringWorld) -> None:
    line = '{"team": {"cost": 1.50, "list": [1, null]}, ' + json.dumps(item())[1:]
    world.record_file("usage.jsonl", [line])
    (view,) = world.reports.records_at(BUYER, *hour("09:00").bounds_ns)
    assert view.record.extras == {"team": {"cost": Decimal("1.50"), "list": [1, None]}}
    if isinstance(world.store, SqliteStore):
        # Here to the letter; a number of DynamoDB's is a value, which has no trailing zero.
        (extras,) = world.store.connection.execute("SELECT extras FROM usage_record").fetchone()
        assert extras == '{"team": {"cost": 1.50, "list": [1, null]}}'
