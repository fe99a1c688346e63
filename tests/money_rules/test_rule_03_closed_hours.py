"""Rule 3: only closed hours are sealed, after a grace; but for an explicit request."""

from __future__ import annotations

from marketplace_metering.core.plan import Waits
from marketplace_metering.core.policy import Scope
from tests.support.build import usage
from tests.support.world import MeteringWorld


def test_an_hour_is_sealed_once_its_grace_is_over(world: MeteringWorld) -> None:
    world.record(usage("12:10", 5))
    for open_at in ("12:59:59", "13:00:00", "13:04:59"):
        world.at(open_at)
        report = world.seal()
        assert (report.entries, report.waiting_records[Waits.OPEN_HOUR]) == (0, 1)
    world.at("13:05:00")
    assert world.seal().entries == 1


def test_an_explicit_request_seals_the_current_hour_too(world: MeteringWorld) -> None:
    world.record(usage("12:10", 5))
    world.run(Scope.EVERYTHING)
    assert str(world.billed()) == "5"


def test_usage_after_an_explicit_request_goes_into_the_next_hour(world: MeteringWorld) -> None:
    world.record(usage("12:10", 5))
    world.run(Scope.EVERYTHING)
    world.record(usage("12:40", 3))
    world.at("14:10")
    world.run()
    assert str(world.billed()) == "8"
    assert [str(entry.carried) for entry in world.entries()] == ["0", "3"]
    world.assert_law()
