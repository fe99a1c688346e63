"""Usage records and ledger in two DynamoDB tables."""

from marketplace_metering.adapters.dynamodb.calls import StoreBusyError, StoreError
from marketplace_metering.adapters.dynamodb.reports import DynamoReports
from marketplace_metering.adapters.dynamodb.schema import TableNames, create_tables, table_names
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
