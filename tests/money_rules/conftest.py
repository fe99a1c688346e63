"""The world in which each money rule is put to the test."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.world import EmbeddedWorld, new_world


@pytest.fixture
def world() -> Iterator[EmbeddedWorld]:
    """An ordinary day, half past twelve."""
    with new_world("12:30") as opened:
        yield opened
