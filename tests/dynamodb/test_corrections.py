"""What a person does about listed usage, through the command line's use cases."""

from __future__ import annotations

from dataclasses import replace

import pytest

from marketplace_metering.core.event import place_of
from marketplace_metering.core.identity import Meter
from marketplace_metering.core.ledger import Entry, State
from marketplace_metering.core.outcome import NotSubscribed, Outcome
from marketplace_metering.core.record import UsageRecord
from marketplace_metering.core.views import EntryFilter, RecordView
from marketplace_metering.jobs import correct
from marketplace_metering.jobs.correct import NotRepairable, Repaired
from marketplace_metering.ports import OpenStore
from tests.dynamodb.world import TwoTables, accept
from tests.support import steps
from tests.support.build import BUYER, DIMENSION, METER, PRODUCT, licensed, quantity, usage

WRONG = Meter(PRODUCT, BUYER, "api_cals")


def known_dimension(entry: Entry) -> Outcome:
    return accept(entry) if entry.window.meter.dimension == DIMENSION else NotSubscribed()


def opened(world: TwoTables) -> OpenStore:
    return OpenStore(world.store, world.reports, world.store.corrections())


def view_of(world: TwoTables, record: UsageRecord) -> RecordView:
    at = record.created_ns
    if record.event_id is not None:
        at = place_of(record.event_id, at)
    views = world.reports.records_at(record.account, at, at + 1)
    return next(view for view in views if view.record.meter == record.meter)


def repair(world: TwoTables, old: UsageRecord, new: UsageRecord) -> Repaired | NotRepairable:
    view = view_of(world, old)
    return correct.repair(opened(world), view, new, world.clock.now())


def test_expired_usage_is_retried_from_the_command_line(world: TwoTables) -> None:
    world.aws.answer = lambda entry: NotSubscribed()
    steps.record(world.store, world.clock.now(), usage("09:10", 5), usage("09:11", 6))
    world.run()
    world.at("2026-11-21 11:30")
    for key in world.store.expired(world.clock.now()):
        steps.expire(world.store, key, world.clock.now())  # and dies before it marks them
    retried = correct.retry(opened(world), EntryFilter(product=PRODUCT), world.clock.now())
    assert (retried.usage_records, retried.entries) == (2, 0)
    world.aws.answer = accept
    world.run()
    assert world.balance().billed.quantity == quantity(11)


@pytest.mark.parametrize("which", [EntryFilter(account="0" * 12), EntryFilter(dimension="x")])
def test_only_what_is_asked_for_is_retried(world: TwoTables, which: EntryFilter) -> None:
    world.aws.answer = lambda entry: NotSubscribed()
    world.put("09:10", 5)
    world.run()
    world.at("2026-11-21 11:30")
    world.run()
    assert world.store.corrections().retry_refused(which) == 0
    assert world.store.corrections().retry_refused(EntryFilter()) == 1
    assert world.store.corrections().retry_refused(EntryFilter()) == 0


def test_malformed_usage_is_not_retried_as_it_is(world: TwoTables) -> None:
    world.put("09:10", "5")
    world.run()
    assert world.store.corrections().retry_refused(EntryFilter()) == 0


def test_a_repaired_usage_record_is_billed_where_it_belongs(world: TwoTables) -> None:
    world.aws.answer = known_dimension
    old = usage("09:10", 5, meter=WRONG, extras={"note": "mine"})
    steps.record(world.store, world.clock.now(), old, source="usage.jsonl")
    world.run()
    new = replace(old, dimension=DIMENSION)
    assert repair(world, old, new) == Repaired()
    world.run()
    assert {e.window.meter.dimension: e.state for e in world.entries()} == {
        "api_cals": State.RELEASED,
        DIMENSION: State.BILLED,
    }
    view = view_of(world, new)
    assert view.source == "a correction of usage.jsonl"
    assert view.record.extras["note"] == "mine"
    assert world.balance().billed.quantity == quantity(5)
    again = steps.record(world.store, world.clock.now(), old, source="usage.jsonl")
    assert (again.added, again.already_there) == (0, 1), "a repeated input brings nothing back"


def test_a_pending_usage_record_is_repaired_before_anything_is_sealed(world: TwoTables) -> None:
    """The index still shows it as it was; it is billed once, as corrected."""
    old = usage("09:10", 5, meter=WRONG)
    steps.record(world.store, world.clock.now(), old)
    world.client.freeze_indexes()
    assert repair(world, old, replace(old, dimension=DIMENSION, micros=6_000_000)) == Repaired()
    assert world.seal().entries == 0
    world.client.thaw_indexes()
    world.run()
    assert world.billed_quantities() == ["6"]
    assert world.entry().window.meter == METER


def test_a_sealing_run_that_has_read_the_old_one_is_refused(world: TwoTables) -> None:
    old = usage("09:10", 5, meter=WRONG)
    steps.record(world.store, world.clock.now(), old)
    made = steps.plans(world.store, world.clock.now())
    assert repair(world, old, replace(old, dimension=DIMENSION)) == Repaired()
    assert list(world.store.append(made, world.clock.now())) == [False]


def test_a_usage_record_that_is_sealed_meanwhile_is_not_repaired(world: TwoTables) -> None:
    old = usage("09:10", 5, meter=WRONG)
    steps.record(world.store, world.clock.now(), old)
    world.client.before(
        "transact_write_items",
        lambda: steps.seal(world.new_store(world.raw), world.clock.now()),
    )
    assert repair(world, old, replace(old, dimension=DIMENSION)) == NotRepairable(
        "another run has sealed it meanwhile, or its event is already recorded where it would go: "
        "look again with metering why"
    )
    assert [entry.window.meter.dimension for entry in world.entries()] == ["api_cals"]


def test_usage_can_be_moved_to_another_buyer(world: TwoTables) -> None:
    old = usage("09:10", 5, meter=Meter(PRODUCT, "999988887777", DIMENSION))
    steps.record(world.store, world.clock.now(), old)
    assert repair(world, old, replace(old, account=BUYER)) == Repaired()
    assert world.reports.records_at(old.account, old.created_ns, old.created_ns + 1) == []
    world.run()
    assert world.entry().window.meter == METER
    assert world.balance().billed.quantity == quantity(5)
    assert steps.record(world.store, world.clock.now(), old).already_there == 1


def test_a_corrected_event_still_counts_once(world: TwoTables) -> None:
    old = usage("09:10", 5, event_id="e-1")
    steps.record(world.store, world.clock.now(), old)
    new = replace(old, micros=7_000_000)
    assert repair(world, old, new) == Repaired()
    assert steps.record(world.store, world.clock.now(), old).already_there == 1
    assert steps.record(world.store, world.clock.now(), new).already_there == 1
    assert steps.pending_quantity(world.store, world.clock.now()) == quantity(7)


def test_billed_usage_is_not_repaired(world: TwoTables) -> None:
    old = usage("09:10", 5, meter=licensed())
    steps.record(world.store, world.clock.now(), old)
    world.run()
    assert repair(world, old, replace(old, micros=6_000_000)) == NotRepairable(
        "it is part of a window that is billed: what was sent never changes"
    )
