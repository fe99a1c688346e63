"""Rule 12: an hour of a buyer's dimension is never sent by product code and by licence."""

from __future__ import annotations

from dataclasses import replace

from marketplace_metering.core.ledger import AlarmKind
from marketplace_metering.core.wire import request
from tests.support.build import METER, licensed, usage
from tests.support.world import MeteringWorld


def test_usage_under_both_identities_is_billed_once_in_two_hours(world: MeteringWorld) -> None:
    """The older usage takes the hour, the other is carried to the next one."""
    world.record(usage("10:10", 5), usage("10:20", 7, meter=licensed()))
    world.run()
    assert str(world.billed()) == "12"
    hours = [(entry.window.meter.is_licensed, entry.window.hour) for entry in world.entries()]
    assert len({hour for _licensed, hour in hours}) == 2
    assert not world.simulator.audit.billed_twice
    world.assert_law()


def test_a_sealed_hour_keeps_its_identity(world: MeteringWorld) -> None:
    world.record(usage("11:10", 5))
    world.run()
    world.record(usage("11:20", 7, meter=licensed()))
    world.run()
    assert str(world.billed()) == "5"
    world.at("13:10")
    world.run()
    assert str(world.billed()) == "12"
    assert not world.simulator.audit.billed_twice


def test_two_licences_of_one_buyer_may_share_an_hour(world: MeteringWorld) -> None:
    other = licensed(arn="arn:aws:license-manager::444455556666:license:l-second")
    world.record(usage("11:10", 5, meter=licensed()), usage("11:10", 7, meter=other))
    world.run()
    assert str(world.billed()) == "12"
    assert {entry.window.hour for entry in world.entries()} == {world.entries()[0].window.hour}


def test_a_request_names_the_product_or_the_licence(world: MeteringWorld) -> None:
    world.record(usage("10:10"), usage("11:10", meter=licensed()))
    world.run()
    for batch in world.sent.batches:
        body = request(batch.entries)
        (record,) = body["UsageRecords"]
        assert ("ProductCode" in body) != ("LicenseArn" in record)
        assert record["CustomerAWSAccountId"] == METER.account


def test_a_licence_under_two_product_codes_is_billed_once_and_the_other_refused(
    world: MeteringWorld,
) -> None:
    """AWS counts the licence, and is told no product code: it would take one for a repetition."""
    elsewhere = replace(licensed(), product="prod-second")
    world.record(usage("11:10", 5, meter=licensed()))
    world.run()
    world.record(usage("11:20", 5, meter=elsewhere))
    world.at("13:10")
    world.run()
    assert str(world.billed()) == "5"
    assert [str(each.refused.quantity) for each in world.balances()] == ["0", "5"]
    [alarm] = world.told.alarms
    assert (alarm.kind, str(alarm.quantity)) == (AlarmKind.REFUSED_INPUT, "5")
    assert METER.product in alarm.text
    assert "prod-second" in alarm.text
    world.assert_law()
