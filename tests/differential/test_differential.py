"""The same random operations on two stores: equal answers and equal books after every step.

A difference is a failure with the shortest story that shows it. 200 stories are told;
`METERING_TEST_SEARCH=20000 pytest tests/differential/test_differential.py` tells that many new ones
of each pair of stores.
"""

from __future__ import annotations

import pytest
from hypothesis import Phase

from tests.differential.telling import STORIES, tell
from tests.support.stores import DYNAMODB, LAGGING


@pytest.mark.parametrize("other", [DYNAMODB, LAGGING])
def test_two_stores_do_the_same(other: str) -> None:
    tell(other, STORIES, Phase.generate, Phase.shrink)
