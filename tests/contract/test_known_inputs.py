"""What inputs held is noted in one step: of two processes one sees what the other did (rule 15)."""

from __future__ import annotations

from dataclasses import replace

from marketplace_metering.core.inputs import KnownInput
from marketplace_metering.ports import Store
from tests.contract.conftest import Open

ONE = KnownInput("/var/usage.csv", "/var/usage.csv", 100, "d1", "h1")
COPY = KnownInput("/var/copy.csv", "/var/copy.csv", 100, "d1", "h1")


def test_a_new_store_knows_no_input(store: Store) -> None:
    assert store.known_inputs("/var/usage.csv", "h1") == []
    assert store.known_inputs(None, "h1") == []


def test_an_input_is_found_by_its_name_and_by_its_head(store: Store) -> None:
    assert store.note_input(ONE, None)
    assert list(store.known_inputs(ONE.name, "other")) == [ONE]
    assert list(store.known_inputs(None, "h1")) == [ONE]
    assert list(store.known_inputs(ONE.name, "h1")) == [ONE]
    assert store.known_inputs("/var/other.csv", "other") == []


def test_noting_it_again_is_no_contradiction(store: Store) -> None:
    """A write whose answer was lost is repeated."""
    grown = replace(ONE, size=200, digest="d2")
    for noted, before in ((ONE, None), (grown, ONE)):
        assert store.note_input(noted, before)
        assert store.note_input(noted, before)
    assert list(store.known_inputs(ONE.name, "h1")) == [grown]


def test_an_input_that_grew_is_noted_in_the_place_of_what_was_read(store: Store) -> None:
    store.note_input(ONE, None)
    grown, other = replace(ONE, size=200, digest="d2"), replace(ONE, size=300, digest="d3")
    assert store.note_input(grown, ONE)
    assert not store.note_input(other, ONE)
    assert not store.note_input(other, None)
    assert list(store.known_inputs(ONE.name, "h1")) == [grown]


def test_the_head_of_an_input_may_change_with_it(store: Store) -> None:
    store.note_input(ONE, None)
    grown = replace(ONE, size=200, digest="d2", head="h2")
    assert store.note_input(grown, ONE)
    assert list(store.known_inputs(None, "h2")) == [grown]
    assert store.known_inputs(None, "h1") == []


def test_the_same_content_of_another_input_needs_a_word(store: Store) -> None:
    assert store.note_input(ONE, None)
    assert not store.note_input(COPY, None)
    counted = replace(COPY, is_counted=True)
    assert store.note_input(counted, None)
    assert set(store.known_inputs(None, "h1")) == {ONE, counted}


def test_it_may_not_grow_into_the_content_of_another_either(store: Store) -> None:
    store.note_input(ONE, None)
    small = KnownInput("/var/copy.csv", "/var/copy.csv", 50, "d0", "h1")
    store.note_input(small, None)
    assert not store.note_input(COPY, small)
    assert store.note_input(replace(COPY, is_counted=True), small)


def test_what_an_input_held_before_it_grew_is_nobody_s_any_more(store: Store) -> None:
    store.note_input(ONE, None)
    store.note_input(replace(ONE, size=200, digest="d2"), ONE)
    assert store.note_input(COPY, None)
    assert not store.note_input(replace(ONE, name="x", source="x"), None)


def test_one_name_may_stand_for_two_inputs(store: Store) -> None:
    """It held something else, which a person has said to be new usage."""
    later = KnownInput(ONE.name, f"{ONE.name} (d9)", 80, "d9", "h9", is_counted=True)
    assert store.note_input(ONE, None)
    assert store.note_input(later, None)
    assert set(store.known_inputs(ONE.name, "other")) == {ONE, later}


def test_two_processes_with_one_content_do_not_both_note_it(shared: Open) -> None:
    with shared() as first, shared() as second:
        assert first.known_inputs(ONE.name, "h1") == second.known_inputs(COPY.name, "h1") == []
        assert first.note_input(ONE, None)
        assert not second.note_input(COPY, None)
        assert list(second.known_inputs(COPY.name, "h1")) == [ONE]
