"""Print what is still pending in an older metering table as usage records, for `metering record`.

    python pending_of_old_table.py --table AWSMarketplaceMeteringRecords --product abc123xyz456 \
        --accounts accounts.txt --at 2026-11-24T15:00:00Z > pending.csv
    metering record pending.csv --store dynamodb://shop

It reads the tables of AWS's serverless SaaS sample (customerIdentifier, dimension_usage) and those
of the metering guide, and changes nothing. See docs/migration.md: all usage gets the one time that
you name, in an hour that nothing was sent for. Each use has an id, so that both commands may be
repeated.
"""

from __future__ import annotations

import argparse
import csv
import json
import sys
from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import boto3
from boto3.dynamodb.conditions import Key

INDEX = "PendingMeteringRecordsIndex"
NOT_ALL = 3
COLUMNS = (
    "customerAWSAccountId",
    "productCode",
    "create_timestamp",
    "dimension",
    "quantity",
    "licenseArn",
    "tags",
    "event_id",
)


def main() -> int:
    """One row for each use; what has no account is named and left out."""
    options = read_options()
    accounts = read_accounts(options.accounts)
    rows = csv.DictWriter(sys.stdout, COLUMNS)
    rows.writeheader()
    without_account: set[str] = set()
    for item in pending(options.table):
        account = account_of(item, accounts)
        if account is None:
            without_account.add(str(item.get("customerIdentifier")))
            continue
        buyer = item.get("customerIdentifier", account)
        for number, (dimension, quantity) in enumerate(uses_of(item)):
            rows.writerow(
                {
                    "customerAWSAccountId": account,
                    "productCode": item.get("productCode", options.product),
                    "create_timestamp": round(options.at.timestamp() * 1_000),
                    "dimension": dimension,
                    "quantity": quantity,
                    "licenseArn": item.get("licenseArn"),
                    "tags": json.dumps(item["tags"]) if item.get("tags") else None,
                    "event_id": f"{options.table}:{buyer}:{item['create_timestamp']}:{number}",
                }
            )
    for identifier in sorted(without_account):
        print(f"no account for customerIdentifier {identifier}: left out", file=sys.stderr)  # noqa: T201
    return NOT_ALL if without_account else 0


def read_options() -> argparse.Namespace:
    """What the command line says."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--table", required=True)
    parser.add_argument("--product", help="product code, where the records name none")
    parser.add_argument("--accounts", type=Path, help="lines of customerIdentifier and account")
    parser.add_argument("--at", required=True, type=instant, help="ISO 8601 with a time zone")
    return parser.parse_args()


def instant(text: str) -> datetime:
    """An instant that does not depend on where this runs."""
    at = datetime.fromisoformat(text)
    if at.tzinfo is None:
        raise ValueError("it has no time zone; end it with Z for UTC")
    return at


def read_accounts(path: Path | None) -> dict[str, str]:
    """Accounts by customerIdentifier, as `aws ... --output text` prints them: None is none."""
    rows = [line.split() for line in path.read_text().splitlines()] if path else []
    return {row[0]: row[1] for row in rows if len(row) == 2 and row[1] != "None"}


def pending(table: str) -> Iterator[Mapping[str, Any]]:
    """Every pending item, page by page."""
    query: dict[str, Any] = {
        "IndexName": INDEX,
        "KeyConditionExpression": Key("metering_pending").eq("true"),
    }
    while True:
        page = boto3.resource("dynamodb").Table(table).query(**query)
        yield from page["Items"]
        if "LastEvaluatedKey" not in page:
            return
        query["ExclusiveStartKey"] = page["LastEvaluatedKey"]


def account_of(item: Mapping[str, Any], accounts: Mapping[str, str]) -> str | None:
    """The buyer's AWS account."""
    named = item.get("customerAWSAccountId")
    return str(named) if named else accounts.get(str(item.get("customerIdentifier")))


def uses_of(item: Mapping[str, Any]) -> Iterator[tuple[object, object]]:
    """Dimensions and quantities of an item of either format."""
    if "dimension_usage" in item:
        for use in item["dimension_usage"]:
            yield use.get("dimension"), use.get("value")
    else:
        yield item.get("dimension"), item.get("quantity")


if __name__ == "__main__":
    sys.exit(main())
