"""Steps of a user's story on a deployed stack."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from decimal import Decimal
from itertools import count
from typing import Any

import boto3

from tests.deploy.emulator import Emulator

PATIENCE_S = 30
HOUR_S = 3_600
SHORTLY_S = 10
_AGE_MS = 5_000
_later_ms = count()  # added to a clock that goes forward: no two usage records at the same time


def until(look: Callable[[], Any], patience_s: float = PATIENCE_S) -> Any:
    """What `look` finds, as soon as it finds something."""
    end = time.monotonic() + patience_s
    while time.monotonic() < end:
        found = look()
        if found:
            return found
        time.sleep(0.1)
    raise AssertionError(f"not within {patience_s} s")


def record_usage(table: Any, account: str, product: str, dimension: str, quantity: Any) -> None:
    """As metering-guide users write it, a little in the past."""
    table.put_item(
        Item={
            "customerAWSAccountId": account,
            "productCode": product,
            "create_timestamp": int(time.time() * 1_000) - _AGE_MS + next(_later_ms),
            "dimension": dimension,
            "quantity": quantity,
            "metering_pending": "true",
        }
    )


def invoke(session: boto3.session.Session, function: str, event: object) -> Any:
    answer = session.client("lambda").invoke(
        FunctionName=function, Payload=json.dumps(event).encode()
    )
    said = json.loads(answer["Payload"].read())
    assert "FunctionError" not in answer, said
    return said


def billed(aws: Emulator) -> dict[tuple[str, str, str], Decimal]:
    found: dict[tuple[str, str, str], Decimal] = {}
    for each in aws.simulator.simulator.accepted:
        key = (each.window.product_code or "", each.window.buyer, each.window.dimension)
        found[key] = found.get(key, Decimal(0)) + Decimal(each.content.quantity) / 1_000_000
    return found


def into_the_hour() -> None:
    """Wait until usage of the last seconds lies in this hour."""
    into = time.time() % HOUR_S
    if into < SHORTLY_S:
        time.sleep(SHORTLY_S - into)


def pending(table: Any) -> list[Any]:
    """What the guide's query for pending usage records finds."""
    found: list[Any] = table.query(
        IndexName="PendingMeteringRecordsIndex",
        KeyConditionExpression="metering_pending = :pending",
        ExpressionAttributeValues={":pending": "true"},
    )["Items"]
    return found
