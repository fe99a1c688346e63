"""A stand-in for the guide's table that knows PutItem and nothing else, behind a real client."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from decimal import Decimal
from io import BytesIO
from typing import Any

import boto3
from botocore.awsrequest import AWSRequest, AWSResponse
from botocore.compat import HTTPHeaders
from botocore.config import Config
from botocore.exceptions import ConnectionClosedError

CONDITION = "attribute_not_exists(customerAWSAccountId)"
NAME = "stack-MeteringRecords"
ACCOUNT = "999900001111"


class LostError(Exception):
    """The answer never arrives, although the table did what it was asked."""


class Said(BytesIO):
    """The little of urllib3's response that botocore reads."""

    def stream(self, **_options: object) -> Iterator[bytes]:
        yield self.read()


class Table:
    """Items by key. `faults` are asked before each put: an answer of theirs is the answer."""

    def __init__(self) -> None:
        self.items: dict[tuple[str, Decimal], dict[str, Any]] = {}
        self.puts = 0
        self.operations: set[str] = set()
        self.before: Callable[[dict[str, Any]], tuple[int, dict[str, Any]] | None] = lambda _item: (
            None
        )
        self.after: Callable[[dict[str, Any]], None] = lambda _item: None
        self._lock = threading.Lock()

    def answer(self, operation: str, request: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        with self._lock:
            self.operations.add(operation)
            assert operation == "PutItem", f"{operation} needs another permission"
            assert request["TableName"] == NAME
            assert request["ConditionExpression"] == CONDITION
            item = request["Item"]
            self.puts += 1
            fault = self.before(item)
            if fault is not None:
                return fault
            key = (item["customerAWSAccountId"]["S"], Decimal(item["create_timestamp"]["N"]))
            there = self.items.get(key)
            if there is None:
                self.items[key] = item
                self.after(item)
                return 200, {}
            wants_item = request.get("ReturnValuesOnConditionCheckFailure") == "ALL_OLD"
            failed = {"message": "The conditional request failed"}
            return 400, error("ConditionalCheckFailedException", **failed) | (
                {"Item": there} if wants_item else {}
            )

    def quantity(self, account: str | None = None) -> Decimal:
        """The sum of all items."""
        return sum(
            (
                Decimal(item["quantity"]["N"])
                for (buyer, _at), item in self.items.items()
                if account in (None, buyer)
            ),
            Decimal(0),
        )


def error(code: str, **more: str) -> dict[str, Any]:
    return {"__type": f"com.amazonaws.dynamodb.v20120810#{code}", **more}


def client_of(table: Table, region: str = "us-east-1", account: str | None = ACCOUNT) -> Any:
    """A client of boto3 whose requests the table answers, without a socket."""
    client = boto3.session.Session().client(
        "dynamodb",
        region_name=region,
        aws_access_key_id="test",
        aws_secret_access_key="test",
        aws_account_id=account,
        config=Config(retries={"mode": "standard", "total_max_attempts": 1}),
    )

    def respond(request: AWSRequest, **_event: object) -> AWSResponse:
        target = request.headers["X-Amz-Target"]
        operation = (target.decode() if isinstance(target, bytes) else target).split(".")[1]
        try:
            status, body = table.answer(operation, json.loads(request.body))
        except LostError as lost:
            raise ConnectionClosedError(endpoint_url=str(request.url)) from lost
        headers = HTTPHeaders()
        headers["Content-Type"] = "application/x-amz-json-1.0"
        return AWSResponse(str(request.url), status, headers, Said(json.dumps(body).encode()))

    client.meta.events.register("before-send.dynamodb.*", respond)
    return client
