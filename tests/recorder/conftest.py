from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.recorder.build import close_connections


@pytest.fixture(autouse=True)
def _connections_are_closed() -> Iterator[None]:
    yield
    close_connections()
