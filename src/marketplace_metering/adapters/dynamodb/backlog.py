"""How far behind metering is, from the two indexes of the store, for the alarms."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

from marketplace_metering.adapters.aws.clients import AwsClient
from marketplace_metering.adapters.dynamodb.items import tables
from marketplace_metering.adapters.dynamodb.items.tables import TableNames, pending_query
from marketplace_metering.core.record_rules import PENDING

# Parked entries are sorted by when they are tried again, so their deadlines are looked through.
PARKED_LOOKED_AT = 1_000


class DynamoGauges:
    """Two to four small reads; the indexes may lag by a moment, which is enough for an alarm."""

    def __init__(self, client: AwsClient, names: TableNames) -> None:
        self._client = client
        self._names = names

    def oldest_pending_at(self) -> datetime | None:
        """When the oldest usage without an outcome happened, if there is any.

        Shards are not looked at: twenty queries in each run of each function. Usage that waits
        there to be sent is watched by its deadline, and every job reads them all.
        """
        answer = self._client.query(**pending_query(self._names.records, PENDING), Limit=1)
        # A time that cannot be one is refused by the next sealing run; until then it is no age.
        for item in answer["Items"]:
            return _instant(item["create_timestamp"]["N"])
        return None

    def earliest_deadline(self) -> datetime | None:
        """The deadline of the unsettled entry that has the least time left, if there is any."""
        deadlines = [*self._deadlines("sealed", 1), *self._deadlines("parked", PARKED_LOOKED_AT)]
        return min(deadlines, default=None)

    def _deadlines(self, state: str, limit: int) -> list[datetime]:
        answer = self._client.query(
            TableName=self._names.ledger,
            IndexName=tables.UNSETTLED_INDEX,
            KeyConditionExpression="unsettled = :state",
            ExpressionAttributeValues={":state": {"S": state}},
            Limit=limit,
        )
        found = [_instant(item["deadline"]["N"]) for item in answer["Items"]]
        return [deadline for deadline in found if deadline is not None]


def _instant(milliseconds: str) -> datetime | None:
    try:
        return datetime.fromtimestamp(float(Decimal(milliseconds) / 1_000), UTC)
    except (OverflowError, ValueError, OSError):
        return None
