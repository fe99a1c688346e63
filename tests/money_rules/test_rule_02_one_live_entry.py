"""Rule 2: a usage record is in at most one live entry; sealing is atomic per book."""

from __future__ import annotations

import sqlite3
from dataclasses import replace

import pytest

from marketplace_metering.adapters.sqlite import SqliteStore
from marketplace_metering.core.ledger import State
from marketplace_metering.core.plan import Unstorable, plan
from marketplace_metering.core.policy import Policy, Scope
from tests.support import steps
from tests.support.build import hour, usage
from tests.support.stores import SQLITE
from tests.support.world import MeteringWorld


def test_of_two_jobs_that_read_the_same_book_one_seals(world: MeteringWorld) -> None:
    world.record(usage("11:10", 5))
    now = world.clock.now()
    ours, theirs = steps.plans(world.store, now), steps.plans(world.store, now)
    with world.step():
        assert list(world.store.append(ours, now)) == [True]
        assert list(world.store.append(theirs, now)) == [False]
    world.submit()
    assert str(world.billed()) == "5"


def test_a_plan_is_stored_whole_or_not_at_all(world: MeteringWorld) -> None:
    """Usage that arrives between reading and sealing is never part of what was planned.

    The stores differ as `ports.Ledger.append` says: the embedded one keeps sums of usage and
    refuses the whole plan; the one on AWS keeps members, and stores the plan without the new usage.
    """
    world.record(usage("10:10", 5), usage("11:10", 5))
    now = world.clock.now()
    stale = steps.plans(world.store, now)
    world.record(usage("11:20", 1))
    is_refused = world.store_kind == SQLITE
    with world.step():
        assert list(world.store.append(stale, now)) == [not is_refused]
    assert [str(entry.quantity) for entry in world.entries()] == ([] if is_refused else ["5", "5"])
    world.assert_law()
    world.seal()
    sealed = sorted(str(entry.quantity) for entry in world.entries())
    assert sealed == (["5", "6"] if is_refused else ["5", "5"])
    world.at("13:10")
    world.run()
    assert str(world.billed()) == "11"
    world.assert_law()


def test_a_program_that_is_wrong_cannot_seal_a_window_twice(world: MeteringWorld) -> None:
    """The planner is made to believe that nothing was sealed: the store refuses its plan."""
    world.record(usage("11:10", 5))
    world.seal()
    world.record(usage("11:20", 1))
    now = world.clock.now()
    ((book, groups),) = steps.pending(world.store, now)
    wrong = plan(replace(book, live=frozenset()), groups, now, Policy(), Scope.CLOSED_HOURS)
    assert [sealing.entry.window.hour for sealing in wrong.sealings] == [hour("11:00")]
    with world.step():
        [answer] = world.store.append([wrong], now)
    assert not answer
    if world.store_kind == SQLITE:  # its schema says so
        assert isinstance(answer, Unstorable) and "UNIQUE" in answer.words
    assert str(world.entry().quantity) == "5"
    world.assert_law()


@pytest.mark.parametrize("store_kind", [SQLITE], indirect=True)  # there is no schema on AWS
def test_the_schema_itself_refuses_a_second_live_entry(world: MeteringWorld) -> None:
    """Even a program that is wrong cannot seal a window twice."""
    assert isinstance(world.store, SqliteStore)
    world.record(usage("11:10", 5))
    world.seal()
    columns = (
        "meter_id, hour, serial, lane_id, quantity_micros, stamp_s, deadline_s, lines, "
        "record_count, sealed_at_ms, retry_at_ms, state"
    )
    with pytest.raises(sqlite3.IntegrityError):
        world.store.connection.execute(
            f"INSERT INTO entry ({columns}) SELECT {columns.replace('serial', '9')} FROM entry"
        )


def test_members_of_a_released_entry_are_free_again_and_billed_once(world: MeteringWorld) -> None:
    """The usage was sealed, never sent, and its deadline passed: it is carried."""
    world.record(usage("11:10", 5))
    world.seal()
    world.clock.advance(hours=25)
    world.submit()
    assert world.entry().state is State.RELEASED
    world.run()
    assert str(world.billed()) == "5"
    assert Policy().late == "carry"
    world.assert_law()
