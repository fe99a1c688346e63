"""Rule 7: only Success is billed; a duplicate is ours only after an own unrefused attempt."""

from __future__ import annotations

import json

from marketplace_metering.core.ledger import AlarmKind, State
from marketplace_metering.simulator import Readings
from marketplace_metering.simulator.faults import Lost, Missing, Scheduled, Unprocessed
from tests.support.build import BUYER, DIMENSION, PRODUCT, usage
from tests.support.clock import utc
from tests.support.world import MeteringWorld, OpenWorld


def test_unprocessed_records_are_sent_again(world: MeteringWorld) -> None:
    world.aws.plan([Scheduled(Unprocessed((1,)))])
    world.record(usage("10:10", 5), usage("11:10", 7))
    report = world.run()
    assert report.requests == 2
    assert str(world.billed()) == "12"
    assert {entry.state for entry in world.entries()} == {State.BILLED}


def test_a_record_that_the_answer_does_not_mention_is_no_answer(world: MeteringWorld) -> None:
    world.aws.plan([Scheduled(Missing((1,)))])
    world.record(usage("11:10", 5))
    world.run()
    assert world.entry().begun == 2
    assert str(world.billed()) == "5"


def test_a_duplicate_of_a_lost_answer_is_presumed(open_world: OpenWorld) -> None:
    """One of AWS's sources answers an identical resend with DuplicateRecord [Q2]."""
    with open_world(readings=Readings(identical_retry="duplicate")) as world:
        world.aws.plan([Scheduled(Lost(after_acceptance=True))])
        world.record(usage("11:10", 5))
        world.run()
        assert world.entry().state is State.PRESUMED
        assert str(world.billed()) == "5"
        assert world.told.alarms == []


def test_a_duplicate_of_what_we_never_sent_is_unresolved_with_an_alarm(
    open_world: OpenWorld,
) -> None:
    """Another program meters the same product."""
    with open_world() as world:
        foreign = {
            "ProductCode": PRODUCT,
            "UsageRecords": [
                {
                    "Timestamp": int(utc("11:00").timestamp()),
                    "CustomerAWSAccountId": BUYER,
                    "Dimension": DIMENSION,
                    "Quantity": 99,
                }
            ],
        }
        body = json.dumps(foreign).encode()
        world.simulator.answer("BatchMeterUsage", body, world.clock.now())
        world.record(usage("11:10", 5))
        world.run()
        assert world.entry().state is State.UNRESOLVED
        assert [alarm.kind for alarm in world.told.alarms] == [AlarmKind.UNRESOLVED]
        assert str(world.billed()) == "99"


def test_a_duplicate_after_refused_attempts_only_is_not_ours(open_world: OpenWorld) -> None:
    """A throttled attempt was certainly not processed: it explains no duplicate."""
    with open_world() as world:
        world.record(usage("11:10", 5))
        world.seal()
        world.aws.plan([Scheduled(Unprocessed((1,)))])
        world.clock.sleep(1)
        other = {
            "ProductCode": PRODUCT,
            "UsageRecords": [
                {
                    "Timestamp": int(utc("11:30").timestamp()),
                    "CustomerAWSAccountId": BUYER,
                    "Dimension": DIMENSION,
                    "Quantity": 1,
                }
            ],
        }
        world.simulator.answer("BatchMeterUsage", json.dumps(other).encode(), world.clock.now())
        world.submit()
        assert world.entry().state is State.UNRESOLVED
