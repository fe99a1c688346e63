"""Which product code a licence is metered under: an item for each licence.

It is claimed before the entries of the licence are stored, not with them: many books share it, and
DynamoDB takes no item into two transactions at once. A claim without entries claims what comes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from botocore.exceptions import ClientError

from marketplace_metering.adapters.dynamodb.api.attributes import Attributes, number, text
from marketplace_metering.adapters.dynamodb.api.requests import (
    TRANSACTION_ITEMS_MAX,
    Calls,
    portions,
)
from marketplace_metering.adapters.dynamodb.items.keys import Place, digest
from marketplace_metering.core.hours import UsageHour
from marketplace_metering.core.license_owners import Owner

OWNER = "owner"
NOBODY_OWNS_IT = "attribute_not_exists(pk)"


def read_owners(calls: Calls, table: str, licenses: Iterable[str]) -> dict[str, Owner]:
    """The owners of licences as they are now; one that nobody owns is missing."""
    wanted = (_place(arn).key for arn in dict.fromkeys(licenses))
    return {item["license"]["S"]: _owner_of(item) for item in calls.get(table, wanted)}


def claim(calls: Calls, table: str, products: Mapping[str, str]) -> dict[str, Owner]:
    """Claim licences for product codes; answers whose each is now."""
    owners: dict[str, Owner] = {}
    for part in portions(products, TRANSACTION_ITEMS_MAX):
        claimed = {arn: Owner(products[arn]) for arn in part}
        writes = {arn: _put_if_free(table, arn, owner) for arn, owner in claimed.items()}
        while writes:
            refused = calls.transact(list(writes.values()))
            if refused is None:
                break
            for arn, refusal in zip(list(writes), refused, strict=True):
                if refusal is not None:
                    assert refusal.there is not None, "a licence that nobody owns is free"
                    claimed[arn] = _owner_of(refusal.there)
                    del writes[arn]
        owners |= claimed
    return owners


def replace(calls: Calls, table: str, arn: str, owner: Owner, instead_of: Owner | None) -> bool:
    """Put an owner in the place of the one that was read, or of nobody."""
    condition: dict[str, Any] = {"ConditionExpression": NOBODY_OWNS_IT}
    if instead_of is not None:
        condition = {
            "ConditionExpression": "product = :product AND since = :since",
            "ExpressionAttributeValues": {
                ":product": text(instead_of.product),
                ":since": number(instead_of.since.number),
            },
        }
    condition["ReturnValuesOnConditionCheckFailure"] = "ALL_OLD"
    item = _item(arn, owner)
    try:
        calls.one("put_item", TableName=table, Item=item, **condition)
    except ClientError as error:
        if error.response["Error"]["Code"] != "ConditionalCheckFailedException":
            raise
        return error.response.get("Item") == item
    return True


def _put_if_free(table: str, arn: str, owner: Owner) -> dict[str, Any]:
    return {
        "Put": {
            "TableName": table,
            "Item": _item(arn, owner),
            "ConditionExpression": NOBODY_OWNS_IT,
            "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
        }
    }


def _place(arn: str) -> Place:
    return Place(f"license#{digest(arn.encode())}", OWNER)


def _item(arn: str, owner: Owner) -> Attributes:
    return {
        **_place(arn).key,
        "license": text(arn),
        "product": text(owner.product),
        "since": number(owner.since.number),
    }


def _owner_of(item: Attributes) -> Owner:
    return Owner(item["product"]["S"], UsageHour(int(item["since"]["N"])))
