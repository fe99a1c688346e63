"""The values of `metering_pending` that say that usage is to be metered.

The guide writes "true". On DynamoDB all of that is one partition of an index, which takes about
1,000 writes a second (aws-facts 5.1); who writes more spreads usage over shards. Every job reads
all of them, so that there is no setting to forget on the reading side.
"""

from __future__ import annotations

from typing import Final

PENDING: Final = "true"
SHARDS_MAX: Final = 20
SHARDS: Final = tuple(f"{PENDING}.{number}" for number in range(SHARDS_MAX))
PENDING_VALUES: Final = (PENDING, *SHARDS)
