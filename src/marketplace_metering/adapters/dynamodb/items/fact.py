"""What is known of the ledger itself: an item for each fact."""

from __future__ import annotations

from typing import Any

from botocore.exceptions import ClientError

from marketplace_metering.adapters.dynamodb.api.attributes import text
from marketplace_metering.adapters.dynamodb.api.requests import Calls
from marketplace_metering.adapters.dynamodb.items.keys import FACT, Place


def facts(calls: Calls, table: str) -> dict[str, str]:
    """Every fact by its name."""
    found = calls.items(
        TableName=table,
        KeyConditionExpression="pk = :fact",
        ExpressionAttributeValues={":fact": text(FACT)},
        ConsistentRead=True,
    )
    return {item["sk"]["S"]: item["value"]["S"] for item in found}


def set_fact(calls: Calls, table: str, name: str, value: str, instead_of: str | None) -> bool:
    """Store it, if it still is what the caller read, or has this value already."""
    request: dict[str, Any] = {"ConditionExpression": "attribute_not_exists(pk)"}
    if instead_of is not None:
        request = {
            "ConditionExpression": "#value = :read",
            "ExpressionAttributeNames": {"#value": "value"},
            "ExpressionAttributeValues": {":read": text(instead_of)},
        }
    item = {**Place(FACT, name).key, "value": text(value)}
    request["ReturnValuesOnConditionCheckFailure"] = "ALL_OLD"
    try:
        calls.one("put_item", TableName=table, Item=item, **request)
    except ClientError as error:
        if error.response["Error"]["Code"] != "ConditionalCheckFailedException":
            raise
        return error.response.get("Item") == item
    return True
