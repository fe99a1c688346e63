"""The world in which each money rule is put to the test: the same over every store."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.world import MeteringWorld, OpenWorld, open_world, store_kind

__all__ = ["open_world", "store_kind"]


@pytest.fixture
def world(open_world: OpenWorld) -> Iterator[MeteringWorld]:
    """An ordinary day, half past twelve."""
    with open_world("12:30") as opened:
        yield opened
