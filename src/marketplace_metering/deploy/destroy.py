"""Taking the stack away. Usage records and ledger stay, unless they are given up by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import boto3
from botocore.exceptions import ClientError

from marketplace_metering.adapters.aws.clients import AwsClient
from marketplace_metering.adapters.dynamodb.items.tables import (
    PENDING_INDEX,
    UNSETTLED_INDEX,
    table_names,
)
from marketplace_metering.core.record_rules import PENDING_VALUES
from marketplace_metering.deploy import DeployError, changes, progress
from marketplace_metering.deploy.progress import StackEvent
from marketplace_metering.deploy.stack import POLL_S, existing_tables

COUNTED_MAX = 1_000
NO_TABLE = "ResourceNotFoundException"


@dataclass(frozen=True, slots=True)
class Unbilled:
    """What the tables hold that AWS has not billed; counting ends at a thousand of each."""

    pending_records: int = 0  # usage records without an outcome
    unsettled_entries: int = 0  # ledger entries still to be sent
    failed_records: int = 0  # usage records that were refused, or wait for a person

    @property
    def is_some(self) -> bool:
        """Whether anything would be lost with the tables."""
        return self != Unbilled()

    def __str__(self) -> str:
        parts = (
            (self.pending_records, "usage records without an outcome"),
            (self.unsettled_entries, "ledger entries still to be sent"),
            (self.failed_records, "usage records that failed"),
        )
        return ", ".join(
            f"{count:,}{' or more' * (count >= COUNTED_MAX)} {what}"
            for count, what in parts
            if count
        )


def unbilled(session: boto3.session.Session, stack: str, looks_at_all: bool = False) -> Unbilled:
    """What is not billed. Failed usage stands in no index: to see it, every record is read."""
    dynamodb = session.client("dynamodb")
    names = table_names(stack)
    shards = (
        _index(names.records, PENDING_INDEX, "metering_pending", value) for value in PENDING_VALUES
    )
    sealed = _index(names.ledger, UNSETTLED_INDEX, "unsettled", "sealed")
    parked = _index(names.ledger, UNSETTLED_INDEX, "unsettled", "parked")
    failed = {
        "TableName": names.records,
        "FilterExpression": "metering_failed = :failed",
        "ExpressionAttributeValues": {":failed": {"BOOL": True}},
        "Select": "COUNT",
    }
    return Unbilled(
        sum(_count(dynamodb, "query", pending) for pending in shards),
        sum(_count(dynamodb, "query", unsettled) for unsettled in (sealed, parked)),
        _count(dynamodb, "scan", failed) if looks_at_all else 0,
    )


def exists(session: boto3.session.Session, stack: str) -> bool:
    """Whether there is such a stack."""
    return changes.describe_stack(session.client("cloudformation"), stack) is not None


def destroy_stack(
    session: boto3.session.Session,
    stack: str,
    on_event: Callable[[StackEvent], None] = lambda event: None,
    poll_s: float = POLL_S,
) -> None:
    """Delete everything but the tables, which CloudFormation keeps."""
    cloudformation = session.client("cloudformation")
    found = changes.describe_stack(cloudformation, stack)
    if found is None:
        raise DeployError(f"there is no stack {stack} in this account and region")
    # By its id: a deleted stack is not found by its name any more.
    stack_id = found["StackId"]
    seen = progress.seen_so_far(cloudformation, stack_id)
    cloudformation.delete_stack(StackName=stack)
    status, failures = progress.follow(cloudformation, stack_id, seen, on_event, poll_s)
    if status != "DELETE_COMPLETE":
        raise DeployError(f"stack {stack} ended as {status}: {progress.causes(failures)}")


def delete_tables(session: boto3.session.Session, stack: str) -> tuple[str, ...]:
    """Give usage records and ledger up for good; answers the tables that were deleted.

    DynamoDB keeps a backup of each for 35 days, because point-in-time recovery is on.
    """
    dynamodb = session.client("dynamodb")
    deleted = []
    for name in existing_tables(session, stack):
        dynamodb.update_table(TableName=name, DeletionProtectionEnabled=False)
        dynamodb.get_waiter("table_exists").wait(TableName=name)
        dynamodb.delete_table(TableName=name)
        dynamodb.get_waiter("table_not_exists").wait(TableName=name)
        deleted.append(name)
    return tuple(deleted)


def _index(table: str, index: str, attribute: str, value: str) -> dict[str, Any]:
    return {
        "TableName": table,
        "IndexName": index,
        "KeyConditionExpression": f"{attribute} = :value",
        "ExpressionAttributeValues": {":value": {"S": value}},
        "Select": "COUNT",
    }


def _count(dynamodb: AwsClient, operation: str, request: Mapping[str, Any]) -> int:
    found = 0
    try:
        for page in dynamodb.get_paginator(operation).paginate(**request):
            found += page["Count"]
            if found >= COUNTED_MAX:
                break
    except ClientError as error:
        if error.response["Error"]["Code"] != NO_TABLE:
            raise
    return found
