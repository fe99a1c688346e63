"""Rule 1: one immutable wire record per window; its stamp is frozen and never `now()`."""

from __future__ import annotations

from marketplace_metering.core.hours import stamp_s
from marketplace_metering.core.wire import usage_record
from marketplace_metering.simulator.faults import Lost, Scheduled
from tests.support.build import usage
from tests.support.clock import utc
from tests.support.world import MeteringWorld


def test_every_attempt_sends_the_same_record(world: MeteringWorld) -> None:
    """Three answers are lost, and time and late usage go on: what is sent does not change."""
    world.aws.plan([Scheduled(Lost(after_acceptance=False), times=3)])
    world.record(usage("11:10:00.250", 5))
    world.run()
    world.record(usage("11:20", 7))
    world.clock.advance(hours=1)
    world.run()
    sent = [
        usage_record(entry)
        for batch in world.sent.batches
        for entry in batch.entries
        if entry.window.hour.start == utc("11:00")
    ]
    assert len(sent) == 4
    assert all(record == sent[0] for record in sent)
    assert not world.simulator.audit.windows_with_two_contents()
    assert str(world.billed()) == "12"


def test_the_stamp_is_the_earliest_use_rounded_up_within_its_hour(world: MeteringWorld) -> None:
    world.record(usage("11:40"), usage("11:10:00.250"), usage("10:59:59.900"))
    world.seal()
    stamps = {entry.window.hour.start: entry.stamp for entry in world.entries()}
    assert stamps == {utc("10:00"): utc("10:59:59"), utc("11:00"): utc("11:10:01")}


def test_a_window_of_carried_usage_only_is_stamped_at_its_hours_start(world: MeteringWorld) -> None:
    world.record(usage("11:10"))
    world.run()
    world.record(usage("11:20"))
    world.at("13:10")
    world.seal()
    late = max(world.entries(), key=lambda entry: entry.window.hour)
    assert (late.window.hour.start, late.stamp) == (utc("12:00"), utc("12:00"))
    assert usage_record(late)["Timestamp"] == stamp_s(utc("12:00"))
