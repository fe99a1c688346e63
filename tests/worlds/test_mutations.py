"""Every safety mechanism is needed: without it, the schedules that are named fail."""

from __future__ import annotations

import re
from contextlib import closing
from pathlib import Path

import pytest

from marketplace_metering.proof.worlds.safety import Violation
from tests.worlds.mutations import MUTATIONS, Mutation
from tests.worlds.stage import STORES, Stage


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda mutation: mutation.name)
def test_no_mutation_survives(mutation: Mutation, monkeypatch: pytest.MonkeyPatch) -> None:
    mutation.switch_off(monkeypatch)
    for schedule in mutation.shown_by:
        with (
            closing(Stage(STORES[mutation.store])) as stage,
            pytest.raises((Violation, AssertionError)) as broken,
        ):
            schedule(stage)
        # A switch that does not fit the program any more proves nothing.
        assert not isinstance(broken.value.__cause__, (AttributeError, NameError, TypeError))


def test_each_mechanism_is_named_once() -> None:
    assert len({mutation.name for mutation in MUTATIONS}) == len(MUTATIONS) >= 40


def test_the_proof_shows_each_of_them() -> None:
    """docs/proof.md, whose last column is the first seed that shows it (`search`)."""
    text = (Path(__file__).parents[2] / "docs/proof.md").read_text()
    _before, rest = text.split("<!-- mutations -->")
    table, _after = rest.split("<!-- end of mutations -->")
    rows = [line for line in table.splitlines() if line.startswith("|")][2:]
    shown = [re.sub(r" (\d+|–) \|$", "", row) for row in rows]
    assert shown == [mutation.row() for mutation in MUTATIONS]
