"""Usage records and ledger in two DynamoDB tables."""

from marketplace_metering.adapters.dynamodb.api.requests import StoreBusyError, StoreError
from marketplace_metering.adapters.dynamodb.items.tables import (
    TableNames,
    create_tables,
    table_names,
)
from marketplace_metering.adapters.dynamodb.operators.reports import DynamoReports
from marketplace_metering.adapters.dynamodb.store import DynamoStore

__all__ = [
    "DynamoReports",
    "DynamoStore",
    "StoreBusyError",
    "StoreError",
    "TableNames",
    "create_tables",
    "table_names",
]
