"""Following a stack to the end of an operation."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from botocore.exceptions import ClientError

from marketplace_metering.adapters.aws.clients import AwsClient

STACK = "AWS::CloudFormation::Stack"
# CloudFormation says so of what it stopped because something else had failed.
CONSEQUENCE = "cancelled"


@dataclass(frozen=True, slots=True)
class StackEvent:
    """One step of one resource."""

    at: datetime
    logical_id: str
    kind: str
    status: str
    reason: str

    @property
    def is_failure(self) -> bool:
        """Whether this step is a cause of the operation's failure."""
        return self.status.endswith("_FAILED") and CONSEQUENCE not in self.reason.lower()


def causes(failures: Sequence[StackEvent]) -> str:
    """Why an operation failed, in one line."""
    return "; ".join(f"{each.logical_id}: {each.reason}" for each in failures) or "see its events"


def seen_so_far(cloudformation: AwsClient, stack_id: str) -> set[str]:
    """The events of earlier operations."""
    return {each["EventId"] for each in _events(cloudformation, stack_id)}


def follow(
    cloudformation: AwsClient,
    stack_id: str,
    seen: set[str],
    on_event: Callable[[StackEvent], None],
    poll_s: float,
) -> tuple[str, list[StackEvent]]:
    """Report each event once until the operation ends; answers its last status and its failures."""
    failures: list[StackEvent] = []
    while True:
        # The status first: the event that led to it is then among them.
        stack = cloudformation.describe_stacks(StackName=stack_id)["Stacks"][0]
        status = str(stack["StackStatus"])
        for each in reversed(list(_events(cloudformation, stack_id))):
            if each["EventId"] not in seen:
                seen.add(each["EventId"])
                event = _event(each)
                on_event(event)
                if event.is_failure:
                    failures.append(event)
        if not status.endswith("_IN_PROGRESS"):
            return status, failures
        time.sleep(poll_s)


def _events(cloudformation: AwsClient, stack_id: str) -> Iterator[Mapping[str, Any]]:
    pages = cloudformation.get_paginator("describe_stack_events")
    try:
        for page in pages.paginate(StackName=stack_id):
            yield from page["StackEvents"]
    except ClientError as error:
        if "does not exist" not in str(error):
            raise


def _event(each: Mapping[str, Any]) -> StackEvent:
    return StackEvent(
        each["Timestamp"],
        each["LogicalResourceId"],
        each.get("ResourceType", ""),
        each["ResourceStatus"],
        each.get("ResourceStatusReason", ""),
    )
