"""Who buys what in the simulator: the products and the buyer of the guide's examples, and more."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from marketplace_metering.local.background import request

SUBSCRIBED_SINCE = timedelta(days=30)
ENDED_SINCE = timedelta(days=2)  # the hour for final records is long over

# The dimensions that the guide names, with prices of our own.
PRICES = {
    "users": "10.00",
    "api_calls": "0.002",
    "storage_gb": "0.10",
    "compute_hours": "0.50",
    "transactions": "0.01",
}
PRODUCTS = {"abc123xyz456": PRICES, "def789uvw012": PRICES}


@dataclass(frozen=True, slots=True)
class Buyer:
    """A buyer of both products."""

    account: str
    is_subscribed: bool = True


BUYERS = (
    Buyer("123456789012"),
    Buyer("111122223333"),
    Buyer("444455556666"),
    Buyer("999900001111", is_subscribed=False),  # AWS refuses its usage: CustomerNotSubscribed
)


def subscribe_all(simulator_url: str) -> None:
    """Declare the products and subscribe the buyers in a fresh simulator."""
    now = datetime.now(UTC)
    for product, dimensions in PRODUCTS.items():
        _tell(simulator_url, "products", productCode=product, dimensions=dimensions)
        for buyer in BUYERS:
            ended = {} if buyer.is_subscribed else {"endsAt": (now - ENDED_SINCE).isoformat()}
            _tell(
                simulator_url,
                "subscribe",
                productCode=product,
                customerAWSAccountId=buyer.account,
                startsAt=(now - SUBSCRIBED_SINCE).isoformat(),
                **ended,
            )


def _tell(url: str, what: str, **members: object) -> None:
    request(f"{url}/_simulator/{what}", json.dumps(members).encode())
