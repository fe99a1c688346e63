"""Every schedule holds, in every store."""

from __future__ import annotations

from contextlib import closing

import pytest

from tests.worlds.schedules import ALL, OF_DYNAMODB, OF_SQLITE, Schedule
from tests.worlds.stage import STORES, Stage


@pytest.mark.parametrize("store", STORES)
@pytest.mark.parametrize("schedule", ALL, ids=lambda schedule: schedule.__name__)
def test_schedule(schedule: Schedule, store: str) -> None:
    if store != "sqlite" and schedule in OF_SQLITE:
        pytest.skip("it is about the embedded store")
    if store != "dynamodb" and schedule in OF_DYNAMODB:
        pytest.skip("it is about the table of the store on AWS")
    with closing(Stage(STORES[store])) as stage:
        schedule(stage)
