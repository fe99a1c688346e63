"""What deploying says when CloudFormation does not do as asked: cases no emulator plays."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import pytest
from botocore.exceptions import ClientError

from marketplace_metering.deploy import DeployError, changes, progress

ADD = {"Action": "Add", "LogicalResourceId": "Ledger", "ResourceType": "AWS::DynamoDB::Table"}


@dataclass
class CloudFormation:
    """As much of CloudFormation as a change set and its end need."""

    status: str | None = None  # of the stack; None: there is none
    described: dict[str, Any] = field(default_factory=dict)
    pages: list[dict[str, Any]] = field(default_factory=list)
    events: list[dict[str, Any]] = field(default_factory=list)
    parameters: tuple[str, ...] = ()
    calls: list[tuple[str, dict[str, Any]]] = field(default_factory=list)

    def describe_stacks(self, **call: Any) -> dict[str, Any]:
        if self.status is None:
            words = f"Stack with id {call['StackName']} does not exist"
            answer: Any = {"Error": {"Code": "ValidationError", "Message": words}}
            raise ClientError(answer, "DescribeStacks")
        known = [{"ParameterKey": each, "ParameterValue": "x"} for each in self.parameters]
        return {"Stacks": [{"StackStatus": self.status, "Parameters": known}]}

    def create_change_set(self, **call: Any) -> dict[str, str]:
        self.calls.append(("create", call))
        return {"Id": "arn:change-set"}

    def describe_change_set(self, **call: Any) -> dict[str, Any]:
        if "NextToken" in call:
            return self.pages[int(call["NextToken"])]
        return {"ChangeSetId": call["ChangeSetName"], "Status": "CREATE_COMPLETE", **self.described}

    def delete_change_set(self, **call: Any) -> None:
        self.calls.append(("discard", call))

    def delete_stack(self, **call: Any) -> None:
        self.calls.append(("delete", call))

    def get_paginator(self, _name: str) -> CloudFormation:
        return self

    def paginate(self, **_: Any) -> Iterator[dict[str, Any]]:
        yield {"StackEvents": self.events}

    @property
    def done(self) -> list[str]:
        return [name for name, _call in self.calls]


def _create(cloudformation: CloudFormation, kept: tuple[str, ...] = (), **parameters: str) -> Any:
    return changes.create(cloudformation, "shop", "template", parameters, {}, kept, 0.0)


@pytest.mark.parametrize("status", ["ROLLBACK_COMPLETE", "CREATE_FAILED", "DELETE_FAILED"])
def test_a_stillborn_stack_has_to_be_removed_first(status: str) -> None:
    with pytest.raises(DeployError) as refused:
        _create(CloudFormation(status))

    assert str(refused.value) == (
        f"stack shop is {status} after an earlier failure and cannot be updated: remove it with "
        "`metering destroy --stack shop` (its tables are kept), then deploy again"
    )


def test_two_deploys_do_not_mix() -> None:
    with pytest.raises(DeployError, match="stack shop is UPDATE_IN_PROGRESS: wait for that"):
        _create(CloudFormation("UPDATE_IN_PROGRESS"))


@pytest.mark.parametrize("words", changes.NOTHING_TO_DO)
def test_no_change_is_no_failure(words: str) -> None:
    aws = CloudFormation(
        "CREATE_COMPLETE", {"Status": "FAILED", "StatusReason": f"{words}.", "Changes": []}
    )

    assert _create(aws) is None
    assert aws.done == ["create", "discard"]


def test_what_cloudformation_refuses_is_said_and_leaves_no_empty_stack() -> None:
    aws = CloudFormation(None, {"Status": "FAILED", "StatusReason": "no such type", "Changes": []})

    with pytest.raises(DeployError, match="CloudFormation refuses the change: no such type"):
        _create(aws)

    assert aws.done == ["create", "discard", "delete"]


def test_parameters_that_are_not_named_keep_their_values() -> None:
    aws = CloudFormation("UPDATE_COMPLETE", {"Changes": []}, parameters=("LateUsage", "Schedule"))

    _create(aws, LateUsage="hold")

    ((_name, call),) = aws.calls
    assert call["Parameters"] == [
        {"ParameterKey": "LateUsage", "ParameterValue": "hold"},
        {"ParameterKey": "Schedule", "UsePreviousValue": True},
    ]
    assert call["ChangeSetType"] == "UPDATE"
    assert "ImportExistingResources" not in call


def test_a_table_that_is_kept_is_taken_over_or_nothing_happens() -> None:
    """An emptied table would be lost usage: it must never be made anew over the old one."""
    taken = CloudFormation(None, {"Changes": [{"ResourceChange": {**ADD, "Action": "Import"}}]})
    found = _create(taken, kept=("shop-MeteringLedger",))
    assert found.changes[0].action == "Import"
    assert taken.calls[0][1]["ImportExistingResources"] is True

    made_anew = CloudFormation(None, {"Changes": [{"ResourceChange": ADD}]})
    with pytest.raises(DeployError, match="does not take over shop-MeteringLedger"):
        _create(made_anew, kept=("shop-MeteringLedger",))
    assert made_anew.done == ["create", "discard", "delete"]


def test_every_page_of_changes_is_read_and_a_lost_table_stands_out() -> None:
    lost = {**ADD, "Action": "Modify", "Replacement": "True"}
    aws = CloudFormation(
        "UPDATE_COMPLETE",
        {"Changes": [{"ResourceChange": ADD}], "NextToken": "0"},
        [{"Changes": [{"ResourceChange": lost}]}],
    )

    found = _create(aws)

    assert [each.loses_data for each in found.changes] == [False, True]


def _event(number: int, name: str, status: str, reason: str = "") -> dict[str, Any]:
    return {
        "EventId": str(number),
        "Timestamp": datetime(2026, 11, 20, 10, number, tzinfo=UTC),
        "LogicalResourceId": name,
        "ResourceStatus": status,
        "ResourceStatusReason": reason,
    }


def test_a_failure_names_its_causes_and_not_their_consequences() -> None:
    aws = CloudFormation(
        "ROLLBACK_COMPLETE",
        events=[
            _event(4, "Doorbell", "CREATE_FAILED", "Resource creation cancelled"),
            _event(3, "MeteringJob", "CREATE_FAILED", "the name is taken"),
            _event(2, "MeteringJob", "CREATE_IN_PROGRESS"),
            _event(1, "shop", "REVIEW_IN_PROGRESS"),
        ],
    )
    told: list[progress.StackEvent] = []

    status, failures = progress.follow(aws, "shop", {"1"}, told.append, 0.0)

    assert status == "ROLLBACK_COMPLETE"
    assert [each.logical_id for each in told] == ["MeteringJob", "MeteringJob", "Doorbell"]
    assert progress.causes(failures) == "MeteringJob: the name is taken"
