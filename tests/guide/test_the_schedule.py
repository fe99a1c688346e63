"""The schedule meters closed hours by itself: nobody invokes anything."""

from __future__ import annotations

from decimal import Decimal

import pytest

from tests.deploy.story import until
from tests.guide.world import GuideWorld

pytestmark = pytest.mark.xdist_group("guide")

EVERY_MINUTE_S = 60


def test_the_schedule_meters_the_hour_that_is_over(clock: GuideWorld) -> None:
    """The stack was deployed before all other tests, so that this one has little to wait for."""
    meter = (clock.stack, "123456789012", "users")
    until(lambda: clock.billed(clock.stack), patience_s=1.5 * EVERY_MINUTE_S)
    assert clock.billed(clock.stack) == {meter: Decimal(6)}
