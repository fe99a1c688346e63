"""Rule 10: every entry ends by name, every unbilled end raises an alarm that names the quantity."""

from __future__ import annotations

import pytest

from marketplace_metering.core import ledger
from marketplace_metering.core.ledger import AlarmKind, State
from marketplace_metering.jobs.deliver_alarms import deliver_alarms
from marketplace_metering.ports import Ports
from tests.support import steps
from tests.support.build import usage
from tests.support.world import MeteringWorld


class DeafError(Exception):
    """The pager does not answer."""


class Deaf:
    def notify(self, alarms: object) -> None:
        raise DeafError


def test_an_entry_that_ran_out_of_time_is_released_by_name_with_an_alarm(
    world: MeteringWorld,
) -> None:
    world.record(usage("11:10", 5))
    world.seal()
    world.clock.advance(hours=25)
    world.submit()
    assert world.entry().state is State.RELEASED
    assert world.entry().reason is not None
    (alarm,) = world.told.alarms
    assert (alarm.kind, str(alarm.quantity)) == (AlarmKind.RELEASED, "5")


def test_an_alarm_outlives_the_process_that_raised_it(world: MeteringWorld) -> None:
    """It is stored with its cause and told until somebody has heard it."""
    world.record(usage("11:10", 5))
    (entry,) = steps.seal(world.store, world.clock.now())
    world.clock.advance(hours=25)
    steps.expire(world.store, entry.key, world.clock.now())
    with pytest.raises(DeafError):
        deliver_alarms(Ports(world.store, world.sent, world.clock, Deaf()))
    assert deliver_alarms(world.ports) == 1
    assert deliver_alarms(world.ports) == 0


def test_writing_off_names_author_reason_and_amount(world: MeteringWorld) -> None:
    world.record(usage("11:10", 5))
    (entry,) = steps.seal(world.store, world.clock.now())
    steps.begin(world.store, entry.key, world.clock.now())
    world.clock.advance(hours=25)
    now = world.clock.now()
    steps.expire(world.store, entry.key, now)
    gone = steps.change(
        world.store, entry.key, lambda e: ledger.write_off(e, "Ada", "goodwill", now), now
    )
    assert gone is not None
    assert (gone.state, gone.reason) == (State.WRITTEN_OFF, "written off by Ada: goodwill")
    kinds = [(alarm.kind, str(alarm.quantity)) for alarm in steps.alarms(world.store)]
    assert kinds == [(AlarmKind.UNRESOLVED, "5"), (AlarmKind.WRITTEN_OFF, "5")]
    world.assert_law()
