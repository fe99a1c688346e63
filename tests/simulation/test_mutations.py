"""Every safety mechanism is needed: without it, the schedules that are named fail."""

from __future__ import annotations

import pytest

from marketplace_metering.simulation.auditor import Violation
from tests.simulation.mutations import MUTATIONS, Mutation
from tests.simulation.stage import STORES, Stage


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda mutation: mutation.name)
def test_no_mutation_survives(mutation: Mutation, monkeypatch: pytest.MonkeyPatch) -> None:
    mutation.switch_off(monkeypatch)
    for schedule in mutation.shown_by:
        with pytest.raises((Violation, AssertionError)) as broken:
            schedule(Stage(STORES[mutation.store]))
        # A switch that does not fit the program any more proves nothing.
        assert not isinstance(broken.value.__cause__, (AttributeError, NameError, TypeError))


def test_each_mechanism_is_named_once() -> None:
    assert len({mutation.name for mutation in MUTATIONS}) == len(MUTATIONS) >= 40
