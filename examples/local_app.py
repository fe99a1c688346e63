"""An application that meters its buyers. On this machine or in AWS: only the environment differs.

    eval "$(metering local up)"
    python examples/local_app.py

It works on the store that METERING_STORE names, as `metering` does. The products and buyers are
those of `metering local`; two of the uses below are refused by AWS, to show what becomes of them.
"""

from __future__ import annotations

import os
import sys
from decimal import Decimal

from marketplace_metering import UsageRecorder

PRODUCT_A = "abc123xyz456"
PRODUCT_B = "def789uvw012"
BUYERS = ("123456789012", "111122223333", "444455556666")
HAS_CANCELLED = "999900001111"


def serve_requests(recorder: UsageRecorder) -> None:
    """What an application does all day; each call takes microseconds and makes no request."""
    for buyer in BUYERS:
        for _request in range(1_000):
            recorder.record(buyer, "api_calls", 1)
        recorder.record(buyer, "storage_gb", Decimal("2.5"))
        recorder.record(buyer, "users", 3, product=PRODUCT_B)
    recorder.record(HAS_CANCELLED, "api_calls", 7)  # AWS: CustomerNotSubscribed
    recorder.record(BUYERS[0], "API_Calls", 5)  # AWS: InvalidUsageDimensionException


def main() -> None:
    """Record, and wait until it is in the table."""
    store = os.environ.get("METERING_STORE", "dynamodb://metering-local")
    with UsageRecorder(store, spool="usage-spool", product=PRODUCT_A) as recorder:
        serve_requests(recorder)
        if not recorder.flush():
            sys.exit("not everything is in the table yet; it is safe in usage-spool")
        written = recorder.stats().added
    print(f"{written} usage records written to {store}")  # noqa: T201


if __name__ == "__main__":
    main()
