"""A usage record that moves between shards of the pending key while a job reads them."""

from __future__ import annotations

from typing import Any

from marketplace_metering.adapters.dynamodb import DynamoStore, table_names
from marketplace_metering.core.policy import Policy
from marketplace_metering.proof.fake_dynamodb import Faults
from tests.support.build import BUYER, DIMENSION, PRODUCT
from tests.support.clock import Clock, utc
from tests.support.stand_in import StandIn

NAMES = table_names("s")


def _item(pending: str, tags: str) -> dict[str, Any]:
    return {
        "customerAWSAccountId": {"S": BUYER},
        "create_timestamp": {"N": str(int(utc("09:10").timestamp() * 1_000))},
        "productCode": {"S": PRODUCT},
        "dimension": {"S": DIMENSION},
        "quantity": {"N": "5"},
        "tags": {"M": {"team": {"S": tags}}},
        "metering_pending": {"S": pending},
    }


def test_one_that_is_seen_in_two_shards_is_left_to_the_next_run() -> None:
    """Put again into another shard after the first was read: it is not sealed twice."""
    client, clock = StandIn("s", Faults()), Clock(utc("12:00"))
    client.put_item(TableName=NAMES.records, Item=_item("true", "a"))

    class Moving:
        def __getattr__(self, operation: str) -> Any:
            call = getattr(client, operation)
            if operation != "query":
                return call

            def query(**wanted: Any) -> Any:
                answer = call(**wanted)
                if wanted["ExpressionAttributeValues"].get(":pending") == {"S": "true"}:
                    client.put_item(TableName=NAMES.records, Item=_item("true.3", "b"))
                return answer

            return query

    moving = DynamoStore(Moving(), NAMES, now=clock.now, pause=clock.sleep, workers=1)
    [(book, none)] = moving.pending(clock.now(), Policy())
    assert (none, book.is_partial) == ([], True)
    store = DynamoStore(client, NAMES, now=clock.now, pause=clock.sleep, workers=1)
    [(book, [group])] = store.pending(clock.now(), Policy())
    assert not book.is_partial
    assert (group.record_count, group.tags) == (1, (("team", "b"),))
