"""What is known of the ledger itself (money rule 13): one step, for any number of processes."""

from __future__ import annotations

from marketplace_metering.ports import Store
from tests.contract.conftest import Open


def test_a_new_ledger_knows_nothing_of_itself(store: Store) -> None:
    assert store.facts() == {}


def test_a_fact_is_stored_where_there_was_none(store: Store) -> None:
    assert store.set_fact("place", "here", None)
    assert store.set_fact("run", "1", None)
    assert store.facts() == {"place": "here", "run": "1"}


def test_a_fact_takes_the_place_of_the_one_that_was_read_only(store: Store) -> None:
    store.set_fact("run", "1", None)
    assert store.set_fact("run", "2", "1")
    assert not store.set_fact("run", "3", "1")
    assert not store.set_fact("run", "3", None)
    assert not store.set_fact("place", "there", "here")
    assert store.facts() == {"run": "2"}


def test_storing_it_again_is_no_contradiction(store: Store) -> None:
    """A write whose answer was lost is repeated."""
    assert store.set_fact("run", "1", None)
    assert store.set_fact("run", "1", None)
    assert store.set_fact("run", "2", "1")
    assert store.set_fact("run", "2", "1")
    assert store.facts() == {"run": "2"}


def test_every_process_sees_it_at_once(shared: Open) -> None:
    with shared() as first, shared() as second:
        assert first.set_fact("run", "1", None)
        assert second.facts() == {"run": "1"}
        assert second.set_fact("run", "2", "1")
        assert not first.set_fact("run", "3", "1")
