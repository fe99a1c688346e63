"""Items with a version: of two jobs that have read the same one, the later one must read again."""

from __future__ import annotations

from typing import Any

from marketplace_metering.adapters.dynamodb.api.attributes import Attributes, number


def put_after(version: int, table: str, item: Attributes) -> dict[str, Any]:
    """The part of a transaction that puts the item, if it still has this version; 0: no item."""
    put: dict[str, Any] = {"TableName": table, "Item": item}
    if version == 0:
        nobody_put_it = "attribute_not_exists(pk)"
        put["ConditionExpression"] = nobody_put_it
    else:
        nobody_changed_it = "#version = :before"
        put["ConditionExpression"] = nobody_changed_it
        put["ExpressionAttributeNames"] = {"#version": "version"}
        put["ExpressionAttributeValues"] = {":before": number(version)}
    return {"Put": put}
