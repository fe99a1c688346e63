"""What a long-lived process remembers: enough for an index that is behind, and for no longer."""

from __future__ import annotations

from datetime import timedelta

from marketplace_metering.adapters.dynamodb.settling.recent_writes import INDEX_LAG_MS
from marketplace_metering.core import ledger
from marketplace_metering.core.ledger import Entry
from marketplace_metering.core.outcome import NotSubscribed
from tests.dynamodb.world import TwoTables
from tests.support import steps
from tests.support.build import quantity

LAG = timedelta(milliseconds=INDEX_LAG_MS)
MOMENT = timedelta(milliseconds=1)


def parked(world: TwoTables) -> Entry:
    """An entry that this process parked a moment ago; it is to be tried again in an hour."""
    world.put("09:10", 5)
    [entry] = steps.seal(world.store, world.clock.now())
    steps.attempt(world.store, entry.key, NotSubscribed(), world.clock.now())
    return entry


def hasten_elsewhere(world: TwoTables, entry: Entry) -> None:
    """A person says that the cause is mended: the command line is a process of its own."""
    now = world.clock.now()
    other = world.new_store()
    assert steps.change(other, entry.key, lambda stored: ledger.hasten(stored, now), now)


def due(world: TwoTables) -> list[Entry]:
    return list(world.store.due(world.clock.now(), world.policy, ()))


def test_what_another_process_hastened_is_seen_once_the_memory_of_it_is_old(
    world: TwoTables,
) -> None:
    """Otherwise a store that lives for days would wait for the hour that it remembers."""
    entry = parked(world)
    hasten_elsewhere(world, entry)
    world.clock.at += LAG
    assert due(world) == [], "up to here its own write counts more than the index"
    world.clock.at += MOMENT
    [found] = due(world)
    assert (found.key, found.quantity) == (entry.key, quantity(5))


def test_the_next_due_time_is_not_remembered_for_longer_either(world: TwoTables) -> None:
    entry = parked(world)
    retry_at = world.clock.now() + world.policy.parked_retry
    later = world.clock.now() + timedelta(minutes=30)
    other = world.new_store()
    assert steps.change(other, entry.key, lambda stored: ledger.hasten(stored, later), later)
    assert world.store.next_due_at(world.clock.now(), ()) == retry_at
    world.clock.at += LAG + MOMENT
    assert world.store.next_due_at(world.clock.now(), ()) == later


def test_within_that_time_the_own_write_counts_more_than_a_stale_index(world: TwoTables) -> None:
    """The index still shows the entry as sealed and due, which this process has just parked."""
    world.put("09:10", 5)
    [entry] = steps.seal(world.store, world.clock.now())
    world.client.freeze_indexes()
    steps.attempt(world.store, entry.key, NotSubscribed(), world.clock.now())
    retry_at = world.clock.now() + world.policy.parked_retry
    world.clock.at += LAG
    assert due(world) == []
    assert world.store.next_due_at(world.clock.now(), ()) == retry_at


def test_an_index_that_is_behind_for_longer_makes_nothing_due(world: TwoTables) -> None:
    """Without the memory the table itself is asked, and says that the entry is parked."""
    world.put("09:10", 5)
    [entry] = steps.seal(world.store, world.clock.now())
    world.client.freeze_indexes()
    steps.attempt(world.store, entry.key, NotSubscribed(), world.clock.now())
    world.clock.at += LAG + MOMENT
    assert due(world) == []
