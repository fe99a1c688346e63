"""An application as a seller writes it: it settles orders, and meters each with the recorder.

    python -m marketplace_metering.proof.demo.application STORE SPOOL FIRST ENDED_AT

It begins with order number FIRST, and says after every few orders how far it has come. After a
crash it may be started again a little earlier: an order that is recorded twice counts once,
because its number is the id of the event.
"""

from __future__ import annotations

import sys
from datetime import UTC, datetime, timedelta

from marketplace_metering import UsageRecorder

PRODUCT = "3nq8rt5ye1hk7dz4mw0xvc9ps"
DIMENSION = "orders"
BUYERS = ("129087744216", "310227768495", "471620934408")
ORDERS = 2_000
ORDERS_PER_WORD = 50
FLUSH_INTERVAL_S = 0.05  # so short that a kill finds usage on every part of its way


def made_at(number: int, ended_at: datetime) -> datetime:
    """When the order was made: one a second, the last one a minute ago."""
    return ended_at - timedelta(seconds=60 + ORDERS - number)


def quantity(number: int) -> int:
    """Some orders have several parcels."""
    return 1 + number % 3


def main() -> None:
    """Settle the orders from one number on."""
    store, spool, first, ended_at = sys.argv[1:]
    end = datetime.fromisoformat(ended_at).astimezone(UTC)
    with UsageRecorder(
        store, spool=spool, product=PRODUCT, flush_interval=FLUSH_INTERVAL_S
    ) as recorder:
        for number in range(int(first), ORDERS):
            recorder.record(
                BUYERS[number % len(BUYERS)],
                DIMENSION,
                quantity(number),
                at=made_at(number, end),
                event_id=f"order-{number}",
            )
            if (number + 1) % ORDERS_PER_WORD == 0:
                print(number + 1, flush=True)  # noqa: T201 - for the watching process


if __name__ == "__main__":
    main()
