"""Rule 8: refused usage is visible at once and tried until its deadline; poison is isolated."""

from __future__ import annotations

from marketplace_metering.core.ledger import AlarmKind, State
from marketplace_metering.jobs.submit import Stop
from marketplace_metering.simulator.faults import Scheduled, Throttle
from tests.support.build import BUYER, DIMENSION, METER, PRODUCT, usage
from tests.support.world import LONG_AGO, MeteringWorld

OTHER = type(METER)(PRODUCT, "999999999999", DIMENSION)
POISON = type(METER)(PRODUCT, BUYER, "api-callz")


def declared(world: MeteringWorld, *accounts: str) -> None:
    world.simulator.declare(PRODUCT, {DIMENSION: None})
    for account in accounts:
        world.simulator.subscribe(PRODUCT, account, starts_at=LONG_AGO)


def test_an_unsubscribed_buyer_is_parked_and_told_at_once(world: MeteringWorld) -> None:
    declared(world, BUYER)
    world.record(usage("11:10", 5), usage("11:10", 7, meter=OTHER))
    world.run()
    assert str(world.billed()) == "5"
    parked = next(entry for entry in world.entries() if entry.state is State.PARKED)
    assert parked.reason is not None
    assert "CustomerNotSubscribed" in parked.reason
    assert "What to do: check the agreement" in parked.reason
    (alarm,) = world.told.alarms
    assert (alarm.kind, str(alarm.quantity)) == (AlarmKind.PARKED, "7")


def test_a_subscription_repaired_in_time_heals_itself(world: MeteringWorld) -> None:
    declared(world, BUYER)
    world.record(usage("11:10", 7, meter=OTHER))
    world.run()
    for _hour in range(3):
        world.clock.advance(hours=1)
        world.run()
    assert world.entry().begun == 4
    world.simulator.subscribe(PRODUCT, OTHER.account, starts_at=LONG_AGO)
    world.clock.advance(hours=1)
    world.run()
    assert world.entry().state is State.BILLED
    assert len(world.told.alarms) == 1, "it is told once, not every hour"


def test_a_poison_record_costs_only_itself(world: MeteringWorld) -> None:
    """One wrong dimension among 24 good windows: found in eleven calls, 24 are billed."""
    declared(world, *(f"{number:012d}" for number in range(24)), BUYER)
    good = [type(METER)(PRODUCT, f"{number:012d}", DIMENSION) for number in range(24)]
    world.record(*(usage("11:10", 1, meter=meter) for meter in good))
    world.record(usage("11:20", 9, meter=POISON))
    report = world.run()
    assert str(world.billed()) == "24"
    assert len(world.sent.batches[0].entries) == 25
    assert report.requests <= 11
    parked = [entry for entry in world.entries() if entry.state is State.PARKED]
    assert [entry.window.meter.dimension for entry in parked] == ["api-callz"]


def test_a_parked_entry_is_sent_alone(world: MeteringWorld) -> None:
    declared(world, BUYER)
    world.record(usage("11:10", 9, meter=POISON))
    world.run()
    world.at("14:10")
    world.record(usage("12:10", 1), usage("13:10", 1))
    world.run()
    sizes = [(len(b.entries), b.entries[0].state) for b in world.sent.batches]
    assert sizes == [(1, State.SEALED), (2, State.SEALED), (1, State.PARKED)]


def test_throttling_never_marks_usage_as_failed(world: MeteringWorld) -> None:
    world.aws.plan([Scheduled(Throttle(), times=1000)])
    world.record(usage("11:10", 5))
    report = world.run()
    assert report.stop is Stop.NO_ANSWER
    assert world.entry().state is State.SEALED
    assert world.told.alarms == []


def test_an_unknown_product_is_left_alone_and_the_others_go_on(world: MeteringWorld) -> None:
    """InvalidProductCodeException is about the set-up: no usage is failed for it."""
    world.simulator.strict = True
    declared(world, BUYER)
    stranger = type(METER)("not-ours", BUYER, DIMENSION)
    world.record(usage("11:05", 3, meter=stranger), usage("11:10", 5))
    report = world.run()
    assert str(world.billed()) == "5"
    assert list(report.blocked_products) == ["not-ours"]
    assert {e.state for e in world.entries()} == {State.SEALED, State.BILLED}
    assert world.told.alarms == []


def test_refused_for_good_is_listed_with_its_reason(world: MeteringWorld) -> None:
    declared(world, BUYER)
    world.record(usage("11:10", 9, meter=POISON))
    world.run()
    world.clock.advance(hours=25)
    world.run()
    (balance,) = world.balances()
    assert (str(balance.refused.quantity), str(balance.pending.quantity)) == ("9", "0")
    assert [alarm.kind for alarm in world.told.alarms] == [AlarmKind.PARKED, AlarmKind.RELEASED]
    world.assert_law()
