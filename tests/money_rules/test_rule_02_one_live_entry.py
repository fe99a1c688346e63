"""Rule 2: a usage record is in at most one live entry; sealing is atomic per book."""

from __future__ import annotations

import sqlite3

import pytest

from marketplace_metering.core.ledger import State
from marketplace_metering.core.policy import Policy
from tests.support import steps
from tests.support.build import usage
from tests.support.world import EmbeddedWorld


def test_of_two_jobs_that_read_the_same_book_one_seals(world: EmbeddedWorld) -> None:
    world.record(usage("11:10", 5))
    now = world.clock.now()
    ours, theirs = steps.plans(world.store, now), steps.plans(world.store, now)
    assert list(world.store.append(ours, now)) == [True]
    assert list(world.store.append(theirs, now)) == [False]
    world.submit()
    assert str(world.billed()) == "5"


def test_a_plan_is_stored_whole_or_not_at_all(world: EmbeddedWorld) -> None:
    """Usage that arrives between reading and sealing refuses the whole plan of its book."""
    world.record(usage("10:10", 5), usage("11:10", 5))
    now = world.clock.now()
    stale = steps.plans(world.store, now)
    world.record(usage("11:20", 1))
    assert list(world.store.append(stale, now)) == [False]
    assert world.entries() == []
    assert world.seal().entries == 2
    world.assert_law()


def test_the_schema_itself_refuses_a_second_live_entry(world: EmbeddedWorld) -> None:
    """Even a program that is wrong cannot seal a window twice."""
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


def test_members_of_a_released_entry_are_free_again_and_billed_once(world: EmbeddedWorld) -> None:
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
