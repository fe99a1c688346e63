"""Change sets: what CloudFormation would do, before it does it."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

from marketplace_metering.adapters.aws.clients import AwsClient
from marketplace_metering.deploy import DeployError

# A stack in one of these states has to be deleted before it can be made again.
STILLBORN = frozenset({"ROLLBACK_COMPLETE", "ROLLBACK_FAILED", "CREATE_FAILED", "DELETE_FAILED"})
IN_REVIEW = "REVIEW_IN_PROGRESS"  # a change set was made for it, and never applied
# How CloudFormation says "nothing to do": by words, it has no code for it.
NOTHING_TO_DO = ("didn't contain changes", "No updates are to be performed")


@dataclass(frozen=True, slots=True)
class ResourceChange:
    """What would become of one resource."""

    action: str
    logical_id: str
    kind: str
    replacement: str  # "True", "False", "Conditional" or ""

    @property
    def loses_data(self) -> bool:
        """Whether a table would be given up."""
        is_gone = self.action == "Remove" or self.replacement == "True"
        return self.kind == "AWS::DynamoDB::Table" and is_gone


@dataclass(frozen=True, slots=True)
class ChangeSet:
    """Changes that wait to be applied."""

    stack: str
    arn: str
    is_new_stack: bool
    changes: tuple[ResourceChange, ...]


def describe_stack(cloudformation: AwsClient, stack: str) -> Mapping[str, Any] | None:
    """The stack as it is, or None."""
    try:
        found: Mapping[str, Any] = cloudformation.describe_stacks(StackName=stack)["Stacks"][0]
    except ClientError as error:
        if "does not exist" in str(error):
            return None
        raise
    return found


def create(
    cloudformation: AwsClient,
    stack: str,
    template: str,
    parameters: Mapping[str, str],
    tags: Mapping[str, str],
    kept_tables: Sequence[str],
    poll_s: float,
) -> ChangeSet | None:
    """Ask CloudFormation what it would do; None if the stack is already up to date."""
    now = describe_stack(cloudformation, stack)
    status = now["StackStatus"] if now is not None else None
    if status in STILLBORN:
        raise DeployError(
            f"stack {stack} is {status} after an earlier failure and cannot be updated: remove it "
            f"with `metering destroy --stack {stack}` (its tables are kept), then deploy again"
        )
    if status is not None and status != IN_REVIEW and status.endswith("_IN_PROGRESS"):
        raise DeployError(f"stack {stack} is {status}: wait for that to end, then deploy again")
    is_new = status is None or status == IN_REVIEW
    answer = cloudformation.create_change_set(
        StackName=stack,
        ChangeSetName=f"metering-{int(time.time() * 1_000)}",
        ChangeSetType="CREATE" if is_new else "UPDATE",
        TemplateBody=template,
        Parameters=_parameters(parameters, now),
        Capabilities=["CAPABILITY_IAM"],
        Tags=[{"Key": key, "Value": value} for key, value in tags.items()],
        **({"ImportExistingResources": True} if kept_tables else {}),
    )
    described = _wait(cloudformation, answer["Id"], poll_s)
    if described["Status"] == "FAILED":
        discard(cloudformation, ChangeSet(stack, answer["Id"], is_new, ()))
        reason = described.get("StatusReason", "")
        if any(words in reason for words in NOTHING_TO_DO):
            return None
        raise DeployError(f"CloudFormation refuses the change: {reason}")
    change_set = ChangeSet(stack, answer["Id"], is_new, _changes(cloudformation, described))
    taken_over = [each for each in change_set.changes if each.action == "Import"]
    if len(taken_over) < len(kept_tables):
        discard(cloudformation, change_set)
        raise DeployError(
            f"CloudFormation does not take over {', '.join(kept_tables)}, which an earlier stack "
            "left: do they belong to another stack? Nothing was changed"
        )
    return change_set


def discard(cloudformation: AwsClient, change_set: ChangeSet) -> None:
    """Forget the change set, and the empty stack that was made to hold it."""
    cloudformation.delete_change_set(ChangeSetName=change_set.arn)
    if change_set.is_new_stack:
        cloudformation.delete_stack(StackName=change_set.stack)


def _parameters(wanted: Mapping[str, str], now: Mapping[str, Any] | None) -> list[dict[str, Any]]:
    """What is not named keeps its value."""
    before = {each["ParameterKey"] for each in (now or {}).get("Parameters", ())}
    kept = [{"ParameterKey": key, "UsePreviousValue": True} for key in before - wanted.keys()]
    named = [{"ParameterKey": key, "ParameterValue": value} for key, value in wanted.items()]
    return sorted(kept + named, key=lambda each: str(each["ParameterKey"]))


def _wait(cloudformation: AwsClient, arn: str, poll_s: float) -> Mapping[str, Any]:
    while True:
        described: Mapping[str, Any] = cloudformation.describe_change_set(ChangeSetName=arn)
        if described["Status"] in ("CREATE_COMPLETE", "FAILED"):
            return described
        time.sleep(poll_s)


def _changes(cloudformation: AwsClient, first: Mapping[str, Any]) -> tuple[ResourceChange, ...]:
    found, page = list(first["Changes"]), first
    while token := page.get("NextToken"):
        page = cloudformation.describe_change_set(
            ChangeSetName=first["ChangeSetId"], NextToken=token
        )
        found += page["Changes"]
    return tuple(
        ResourceChange(
            each["Action"],
            each["LogicalResourceId"],
            each["ResourceType"],
            each.get("Replacement", ""),
        )
        for each in (change["ResourceChange"] for change in found)
    )
