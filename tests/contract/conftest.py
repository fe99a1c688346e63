"""Every store adapter is put through one suite; an adapter exists when it is in this list."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing
from pathlib import Path

import pytest

from marketplace_metering.adapters.sqlite import SqliteStore
from marketplace_metering.ports import Store

Open = Callable[[], AbstractContextManager[Store]]


@pytest.fixture(params=["sqlite-memory", "sqlite-file"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    """An empty store."""
    path = ":memory:" if request.param == "sqlite-memory" else str(tmp_path / "metering.db")
    with closing(SqliteStore(path)) as opened:
        yield opened


@pytest.fixture(params=["sqlite-file"])
def shared(request: pytest.FixtureRequest, tmp_path: Path) -> Open:
    """Opens one and the same store again and again, as several processes or a restart would."""
    assert request.param == "sqlite-file"
    return lambda: closing(SqliteStore(str(tmp_path / "metering.db")))
