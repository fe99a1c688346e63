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


class Moving:
    """While a job reads, usage of the third shard is put again into the guide's own partition."""

    def __init__(self, client: StandIn, is_read_before: bool) -> None:
        self._client = client
        self._is_read_before = is_read_before

    def __getattr__(self, operation: str) -> Any:
        return self._query if operation == "query" else getattr(self._client, operation)

    def _query(self, **wanted: Any) -> Any:
        is_it = wanted["ExpressionAttributeValues"].get(":pending") == {"S": "true.3"}
        if is_it and not self._is_read_before:
            self._move()
        answer = self._client.query(**wanted)
        if is_it and self._is_read_before:
            self._move()
        return answer

    def _move(self) -> None:
        self._client.put_item(TableName=NAMES.records, Item=_item("true", "b"))


def test_one_that_is_seen_in_two_shards_is_left_to_the_next_run() -> None:
    """Put again into another shard after the first was read: it is not sealed twice."""
    client, clock = StandIn("s", Faults()), Clock(utc("12:00"))
    client.put_item(TableName=NAMES.records, Item=_item("true.3", "a"))
    reading = Moving(client, is_read_before=True)
    moving = DynamoStore(reading, NAMES, now=clock.now, pause=clock.sleep, workers=1)
    [(book, none)] = moving.pending(clock.now(), Policy())
    assert (none, book.is_partial) == ([], True)
    store = DynamoStore(client, NAMES, now=clock.now, pause=clock.sleep, workers=1)
    [(book, [group])] = store.pending(clock.now(), Policy())
    assert not book.is_partial
    assert (group.record_count, group.tags) == (1, (("team", "b"),))


def test_one_that_a_person_sets_pending_again_is_not_missed() -> None:
    """Or the next run would take it for usage that was recorded late."""
    client, clock = StandIn("s", Faults()), Clock(utc("12:00"))
    client.put_item(TableName=NAMES.records, Item=_item("true.3", "a"))
    reading = Moving(client, is_read_before=False)
    store = DynamoStore(reading, NAMES, now=clock.now, pause=clock.sleep, workers=1)
    [(book, [group])] = store.pending(clock.now(), Policy())
    assert not book.is_partial
    assert group.record_count == 1
