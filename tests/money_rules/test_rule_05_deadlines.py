"""Rule 5: strict deadlines with a margin, before every attempt; no batch mixes months."""

from __future__ import annotations

from marketplace_metering.core.batch import lane_of
from marketplace_metering.core.ledger import State
from tests.support.build import usage
from tests.support.world import MeteringWorld, OpenWorld


def test_nothing_is_sent_within_the_margin_of_its_deadline(world: MeteringWorld) -> None:
    world.record(usage("11:10", 5))
    world.seal()
    world.at("2026-11-21 11:05:00")
    world.submit()
    assert world.sent.batches == []
    world.at("2026-11-21 11:10:00")
    world.submit()
    assert world.entry().state is State.RELEASED


def test_it_is_sent_a_second_before_the_margin(world: MeteringWorld) -> None:
    world.record(usage("11:10", 5))
    world.seal()
    world.at("2026-11-21 11:04:59")
    world.submit()
    assert str(world.billed()) == "5"


def test_the_deadline_is_checked_again_right_before_each_attempt(world: MeteringWorld) -> None:
    """What was due may be so no longer when its turn comes."""
    world.record(usage("11:10", 5))
    world.seal()
    world.at("2026-11-21 11:04:59")
    turn = world.sent.take_turn

    def wait_too_long() -> None:
        turn()
        world.clock.advance(seconds=1)

    world.sent.take_turn = wait_too_long  # type: ignore[method-assign]
    world.submit()
    assert world.sent.batches == []
    assert world.entry().begun == 0


def test_november_ends_on_the_first_of_december_at_six(open_world: OpenWorld) -> None:
    with open_world("2026-11-30 20:10") as world:
        world.record(usage("2026-11-30 19:10", 5))
        world.seal()
        world.at("2026-12-01 05:55:00")
        world.submit()
        assert world.sent.batches == []
        world.at("2026-12-01 06:10:00")
        world.submit()
        assert world.entry().state is State.RELEASED
        world.run()
        assert str(world.billed()) == "5"
        assert world.simulator.audit.request_counts["TimestampOutOfBoundsException"] == 0


def test_a_batch_never_mixes_months(open_world: OpenWorld) -> None:
    with open_world("2026-12-01 02:10") as world:
        world.record(usage("2026-11-30 23:10"), usage("2026-12-01 00:10"))
        world.run()
        assert [len(batch.entries) for batch in world.sent.batches] == [1, 1]
        assert all(len({lane_of(e) for e in b.entries}) == 1 for b in world.sent.batches)


def test_the_earliest_deadline_goes_first(open_world: OpenWorld) -> None:
    with open_world("2026-12-01 02:10") as world:
        world.record(usage("2026-12-01 00:10"), usage("2026-11-30 23:10"))
        world.run()
        deadlines = [batch.entries[0].deadline for batch in world.sent.batches]
        assert deadlines == sorted(deadlines)
