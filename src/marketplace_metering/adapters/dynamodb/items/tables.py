"""The tables and their indexes; the CloudFormation template holds the same definitions.

`<prefix>-MeteringRecords` is the guide's table. `<prefix>-MeteringLedger` keeps under one *book*
(product, account, dimension) its head with the version, its entries and their larger parts; under
names of their own the alarms, the refused inputs and the event ids. Its two indexes are sparse.
`<prefix>-MeteringMark` belongs to no backup of these two: it tells when one of them was restored.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from marketplace_metering.adapters.aws.clients import AwsClient
from marketplace_metering.adapters.dynamodb.api.attributes import Attributes, text
from marketplace_metering.adapters.dynamodb.api.requests import Calls
from marketplace_metering.core.record_rules import PENDING_VALUES

PENDING_INDEX = "PendingMeteringRecordsIndex"
PRODUCT_INDEX = "ProductCodeIndex"
UNSETTLED_INDEX = "UnsettledEntriesIndex"
OUTBOX_INDEX = "OutboxIndex"

# What never changes after the put, and the failure flag. Projecting also `metering_pending` and
# `metering_response` would make every write back pay for this index too: 6.2 write units per usage
# record instead of 5.2, and the design's figure is at most 6.
PRODUCT_INDEX_ATTRIBUTES = (
    "dimension",
    "quantity",
    "licenseArn",
    "tags",
    "event_id",
    "metering_failed",
)
UNSETTLED_INDEX_ATTRIBUTES = ("retry_at", "deadline", "lane", "license_arn")


class TableNames(NamedTuple):
    """The names of the tables of one stack."""

    records: str
    ledger: str
    mark: str


def table_names(prefix: str) -> TableNames:
    """The names in the stack of that name."""
    return TableNames(*(f"{prefix}-Metering{each}" for each in ("Records", "Ledger", "Mark")))


def _key(partition: str, sort: str) -> list[dict[str, str]]:
    return [
        {"AttributeName": partition, "KeyType": "HASH"},
        {"AttributeName": sort, "KeyType": "RANGE"},
    ]


def _index(name: str, partition: str, sort: str, projection: dict[str, Any]) -> dict[str, Any]:
    return {"IndexName": name, "KeySchema": _key(partition, sort), "Projection": projection}


def _including(attributes: tuple[str, ...]) -> dict[str, Any]:
    return {"ProjectionType": "INCLUDE", "NonKeyAttributes": list(attributes)}


def _attributes(**types: str) -> list[dict[str, str]]:
    return [{"AttributeName": name, "AttributeType": type_} for name, type_ in types.items()]


def definitions(prefix: str) -> list[dict[str, Any]]:
    """The parameters of CreateTable for both tables of the store."""
    names = table_names(prefix)
    return [
        {
            "TableName": names.records,
            "BillingMode": "PAY_PER_REQUEST",
            "KeySchema": _key("customerAWSAccountId", "create_timestamp"),
            "AttributeDefinitions": _attributes(
                customerAWSAccountId="S",
                create_timestamp="N",
                metering_pending="S",
                productCode="S",
            ),
            "GlobalSecondaryIndexes": [
                _index(
                    PENDING_INDEX, "metering_pending", "create_timestamp", {"ProjectionType": "ALL"}
                ),
                _index(
                    PRODUCT_INDEX,
                    "productCode",
                    "create_timestamp",
                    _including(PRODUCT_INDEX_ATTRIBUTES),
                ),
            ],
        },
        {
            "TableName": names.ledger,
            "BillingMode": "PAY_PER_REQUEST",
            "KeySchema": _key("pk", "sk"),
            "AttributeDefinitions": _attributes(
                pk="S", sk="S", unsettled="S", due_order="N", outbox="S", outbox_order="N"
            ),
            "GlobalSecondaryIndexes": [
                _index(
                    UNSETTLED_INDEX,
                    "unsettled",
                    "due_order",
                    _including(UNSETTLED_INDEX_ATTRIBUTES),
                ),
                _index(OUTBOX_INDEX, "outbox", "outbox_order", {"ProjectionType": "KEYS_ONLY"}),
            ],
        },
    ]


def mark_definition(prefix: str) -> dict[str, Any]:
    """The parameters of CreateTable for the mark."""
    return {
        "TableName": table_names(prefix).mark,
        "BillingMode": "PAY_PER_REQUEST",
        "KeySchema": _key("pk", "sk"),
        "AttributeDefinitions": _attributes(pk="S", sk="S"),
    }


def create_tables(client: AwsClient, prefix: str) -> TableNames:
    """All tables in an emulator or an empty account, as the template makes them."""
    for definition in (*definitions(prefix), mark_definition(prefix)):
        client.create_table(**definition)
        client.get_waiter("table_exists").wait(TableName=definition["TableName"])
    return table_names(prefix)


def pending_query(table: str, value: str) -> dict[str, Any]:
    """The query for what is pending under one value of `metering_pending`."""
    return {
        "TableName": table,
        "IndexName": PENDING_INDEX,
        "KeyConditionExpression": "metering_pending = :pending",
        "ExpressionAttributeValues": {":pending": text(value)},
    }


def pending_pages(calls: Calls, table: str) -> Iterator[list[Attributes]]:
    """Every page of the index of pending usage, one shard after the other.

    The guide's own value last: it is what a person writes to set usage pending again, so what moves
    meanwhile is seen, perhaps twice.
    """
    for value in reversed(PENDING_VALUES):
        yield from calls.pages(**pending_query(table, value))
