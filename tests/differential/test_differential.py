"""The same random operations on two stores: equal answers and equal books after every step.

A difference is a failure with the shortest story that shows it. 200 stories are told;
`METERING_TEST_SEARCH=20000 pytest tests/differential` tells that many new ones.
"""

from __future__ import annotations

import os

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.differential.machine import Stories
from tests.support.stores import DYNAMODB, LAGGING

STORIES = (int(os.environ.get("METERING_TEST_SEARCH", "0")) or 200) // 2
STEPS = 25


@pytest.mark.parametrize("other", [DYNAMODB, LAGGING])
def test_two_stores_do_the_same(other: str) -> None:
    stories: type[Stories] = type("Stories", (Stories,), {"other": other})
    run_state_machine_as_test(
        stories,
        settings=settings(
            max_examples=STORIES,
            stateful_step_count=STEPS,
            phases=(Phase.generate, Phase.shrink),
            suppress_health_check=list(HealthCheck),
        ),
    )
