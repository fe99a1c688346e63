"""Rule 4: late usage is carried to a later open window, its own month first, and reported."""

from __future__ import annotations

from marketplace_metering.core.ledger import AlarmKind
from marketplace_metering.core.plan import Waits
from marketplace_metering.core.policy import LateUsage, Policy
from tests.support.build import PRODUCT, hour, usage
from tests.support.world import MeteringWorld, OpenWorld


def test_late_usage_is_carried_and_its_line_names_the_hour(world: MeteringWorld) -> None:
    world.record(usage("10:10", 5))
    world.run()
    world.record(usage("10:50", 2))
    world.run()
    late = max(world.entries(), key=lambda entry: entry.window.hour)
    assert late.window.hour == hour("11:00")
    assert [(line.hour, str(line.quantity)) for line in late.lines] == [(hour("10:00"), "2")]
    assert str(world.billed()) == "7"


def test_late_usage_waits_where_no_later_window_is_free(world: MeteringWorld) -> None:
    world.record(usage("10:10"), usage("11:10"))
    world.run()
    world.record(usage("10:50", 2))
    assert world.seal().waiting_records[Waits.NO_WINDOW] == 1
    world.at("13:10")
    world.run()
    assert str(world.billed()) == "4"


def test_its_own_month_comes_first(open_world: OpenWorld) -> None:
    """Just after midnight on the 1st an idle hour of November takes late usage of November."""
    with open_world("2026-12-01 02:10") as world:
        world.record(usage("2026-11-30 20:10", 5))
        world.run()
        world.record(usage("2026-11-30 20:50", 2))
        world.run()
        assert world.entries()[-1].window.hour == hour("2026-11-30 23:00")
        assert world.told.alarms == []


def test_crossing_a_month_is_reported(open_world: OpenWorld) -> None:
    with open_world("2026-12-01 00:30") as world:
        world.record(usage("2026-11-30 23:10", 5))
        world.run()
        world.record(usage("2026-11-30 23:50", 2))
        world.run()
        assert str(world.billed()) == "5"
        world.at("2026-12-01 01:10")
        world.run()
        assert str(world.billed()) == "7"
        (alarm,) = world.told.alarms
        assert (alarm.kind, str(alarm.quantity)) == (AlarmKind.CARRIED_ACROSS_MONTH, "2")


def test_a_seller_may_reject_or_hold_late_usage(open_world: OpenWorld) -> None:
    for choice in (LateUsage.REJECT, LateUsage.HOLD):
        with open_world(policy=Policy(late_by_product={PRODUCT: choice})) as world:
            world.record(usage("10:10", 5))
            world.run()
            world.record(usage("10:50", 2))
            world.run()
            assert str(world.billed()) == "5"
            (balance,) = world.balances()
            where = balance.refused if choice is LateUsage.REJECT else balance.pending
            assert str(where.quantity) == "2"
            assert len(world.told.alarms) == (choice is LateUsage.REJECT)
            world.assert_law()


def test_usage_above_a_windows_cap_is_carried(world: MeteringWorld) -> None:
    world.record(usage("10:10", "9999999999"), usage("10:20", "7"))
    world.run()
    assert sorted(str(entry.quantity) for entry in world.entries()) == ["7", "9999999999"]
    world.assert_law()
