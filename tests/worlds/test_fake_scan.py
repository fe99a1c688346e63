"""The stand-in's scan loses nothing at the border of a page."""

from __future__ import annotations

from marketplace_metering.adapters.dynamodb import table_names
from marketplace_metering.adapters.dynamodb.api.requests import Calls
from marketplace_metering.proof.fake_dynamodb import Faults
from tests.support.stand_in import StandIn


def test_one_sort_key_in_many_partitions_over_short_pages() -> None:
    client, names = StandIn("s", Faults(page=2)), table_names("s")
    buyers = [f"{number:012d}" for number in range(7)]
    for buyer in buyers:
        for ms in (5, 6):
            key = {"customerAWSAccountId": {"S": buyer}, "create_timestamp": {"N": str(ms)}}
            client.put_item(TableName=names.records, Item=key)
    found = [
        (item["customerAWSAccountId"]["S"], item["create_timestamp"]["N"])
        for item in Calls(client).scan(TableName=names.records)
    ]
    assert found == [(buyer, ms) for buyer in buyers for ms in ("5", "6")]
