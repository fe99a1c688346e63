"""How many stories are told, and how.

    python -m tests.differential.telling

writes the table of docs/proof.md: after how many stories each planted bug is found.
"""

from __future__ import annotations

import os

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.differential.machine import Stories
from tests.differential.planted import PLANTED
from tests.differential.twins import Difference
from tests.support.stores import DYNAMODB

SEARCH = int(os.environ.get("METERING_TEST_SEARCH", "0"))
STORIES = SEARCH or 100  # of each pair of stores
STEPS = 25


def tell(other: str, count: int, *phases: Phase) -> None:
    """Tell so many stories; raises Difference with the shortest one."""
    stories: type[Stories] = type("Stories", (Stories,), {"other": other, "told": 0})
    try:
        run_state_machine_as_test(
            stories,
            settings=settings(
                max_examples=count,
                stateful_step_count=STEPS,
                derandomize=not SEARCH,
                database=None,
                deadline=None,
                phases=phases,
                report_multiple_bugs=False,
                suppress_health_check=list(HealthCheck),
            ),
        )
    except Difference as found:
        found.told = stories.told
        raise


def stories_until_a_difference(other: str, count: int) -> int | None:
    """Which story is the first in which the stores differ, if one of so many is."""
    try:
        tell(other, count, Phase.generate)
    except Difference as found:
        return found.told
    return None


def main() -> None:
    """See above."""
    for planted in PLANTED:
        with pytest.MonkeyPatch.context() as patch:
            planted.plant(patch)
            found = stories_until_a_difference(DYNAMODB, 1_000)
            print(f"| {planted.name} | {found} |", flush=True)  # noqa: T201


if __name__ == "__main__":
    main()
