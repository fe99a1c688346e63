"""Rule 6: the attempt is stored before the call; what may be billed is never given back."""

from __future__ import annotations

import pytest

from marketplace_metering.core.batch import Batch
from marketplace_metering.core.ledger import AlarmKind, State
from marketplace_metering.jobs.submit import submit
from marketplace_metering.ports import Ports
from marketplace_metering.simulator.faults import Lost, Scheduled, ServerError, Throttle
from tests.support import steps
from tests.support.build import usage
from tests.support.world import MeteringWorld


class PowerCutError(BaseException):
    """Nothing can catch it."""


class Dies:
    """A client whose process dies in the call, after AWS has it or before."""

    def __init__(self, world: MeteringWorld, after_acceptance: bool) -> None:
        self.world = world
        self.after_acceptance = after_acceptance

    def take_turn(self) -> None:
        pass

    def submit(self, batch: Batch) -> object:
        if self.after_acceptance:
            self.world.sent.submit(batch)
        raise PowerCutError


@pytest.mark.parametrize("after_acceptance", [True, False])
def test_a_crash_in_the_call_leaves_an_attempt_without_answer(
    world: MeteringWorld, after_acceptance: bool
) -> None:
    world.record(usage("11:10", 5))
    world.seal()
    dying = Ports(world.store, Dies(world, after_acceptance), world.clock, world.told)  # type: ignore[arg-type]
    with pytest.raises(PowerCutError):
        submit(dying, world.policy)
    assert (world.entry().begun, world.entry().refused) == (1, 0)
    world.submit()
    assert world.entry().state is State.BILLED
    assert str(world.billed()) == "5"


def test_what_may_be_billed_is_unresolved_after_its_deadline_never_released(
    world: MeteringWorld,
) -> None:
    """The answer is lost after AWS accepted: giving the usage back would bill it twice."""
    lost, throttled = Scheduled(Lost(after_acceptance=True)), Scheduled(Throttle(), 1, 1000)
    world.aws.plan([lost, throttled])
    world.record(usage("11:10", 5))
    world.run()
    world.clock.advance(hours=25)
    world.aws.plan([])
    world.run()
    assert world.entry().state is State.UNRESOLVED
    assert str(world.billed()) == "5"
    (alarm,) = world.told.alarms
    assert (alarm.kind, str(alarm.quantity)) == (AlarmKind.UNRESOLVED, "5")
    world.assert_law()


def test_a_500_is_no_answer(world: MeteringWorld) -> None:
    world.aws.plan([Scheduled(ServerError(after_acceptance=True), times=1)])
    world.record(usage("11:10", 5))
    world.run()
    assert (world.entry().begun, world.entry().refused) == (2, 0)
    assert str(world.billed()) == "5"


def test_throttled_attempts_are_refused_ones_and_the_usage_is_carried(world: MeteringWorld) -> None:
    world.aws.plan([Scheduled(Throttle(), times=1000)])
    world.record(usage("11:10", 5))
    world.run()
    assert world.entry().begun == world.entry().refused > 0
    world.clock.advance(hours=25)
    world.aws.plan([])
    world.run()
    world.run()
    assert str(world.billed()) == "5"
    world.assert_law()


def test_release_is_decided_on_the_stored_entry(world: MeteringWorld) -> None:
    """A job decided to release, but a processor began an attempt meanwhile: it is not released."""
    world.record(usage("11:10", 5))
    (entry,) = steps.seal(world.store, world.clock.now())
    copy = steps.stored(world.store, entry.key, world.clock.now())
    assert copy.begun == copy.refused == 0
    steps.begin(world.store, entry.key, world.clock.now())
    world.clock.advance(hours=25)
    steps.expire(world.store, copy.key, world.clock.now())
    assert world.entry().state is State.UNRESOLVED
