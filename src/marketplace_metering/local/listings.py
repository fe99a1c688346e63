"""Who buys what in the simulator: the products and the buyer of the guide's examples, and more."""

from __future__ import annotations

import json
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
PRODUCTS = ("abc123xyz456", "def789uvw012")
BUYERS = ("123456789012", "111122223333", "444455556666")  # of both products
GONE = "999900001111"  # AWS refuses its usage: CustomerNotSubscribed


def subscribe_all(simulator_url: str) -> None:
    """Declare the products and subscribe the buyers in a fresh simulator."""
    now = datetime.now(UTC)
    since = (now - SUBSCRIBED_SINCE).isoformat()
    for product in PRODUCTS:
        _tell(simulator_url, "products", productCode=product, dimensions=PRICES)
        for account in (*BUYERS, GONE):
            ended = {"endsAt": (now - ENDED_SINCE).isoformat()} if account == GONE else {}
            _tell(
                simulator_url,
                "subscribe",
                productCode=product,
                customerAWSAccountId=account,
                startsAt=since,
                **ended,
            )


def _tell(url: str, what: str, **members: object) -> None:
    request(f"{url}/_simulator/{what}", json.dumps(members).encode())
