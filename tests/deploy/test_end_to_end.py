"""The guide's own story on the deployed stack: nothing here is a fake but AWS itself."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import boto3
import pytest

from marketplace_metering.adapters.aws.assumed_role import connect_as
from tests.deploy.conftest import Deploy
from tests.deploy.emulator import Emulator
from tests.deploy.story import billed, into_the_hour, invoke, pending, record_usage, until

pytestmark = pytest.mark.xdist_group("emulator")

PRODUCTS = ("abc123xyz456", "def789uvw012")


def test_usage_is_billed_as_the_guide_says(
    aws: Emulator, session: boto3.session.Session, deploy: Deploy
) -> None:
    outputs = deploy("guide")
    table = session.resource("dynamodb").Table(outputs["MeteringRecordsTable"])
    into_the_hour()
    record_usage(table, "123456789012", "abc123xyz456", "api_calls", 10)
    record_usage(table, "123456789012", "abc123xyz456", "api_calls", 7)
    record_usage(table, "123456789012", "def789uvw012", "users", 5)
    record_usage(table, "210987654321", "abc123xyz456", "api_calls", Decimal("2.5"))
    record_usage(table, "210987654321", "abc123xyz456", "api_calls", "many")

    said = invoke(session, outputs["MeteringJobFunction"], {})

    assert said["scope"] == "everything"
    assert (said["entries"], said["usage_records"], said["quantity"]) == (3, 4, "24.5"), said
    until(lambda: not pending(table))
    items = table.scan()["Items"]
    done = [each for each in items if not each.get("metering_failed")]
    assert len(done) == 4
    for each in done:
        assert each["metering_response"].startswith("billed: window ")
    (refused,) = [each for each in items if each.get("metering_failed")]
    assert "quantity" in refused["metering_response"]
    assert {key: value for key, value in billed(aws).items() if key[0] in PRODUCTS} == {
        ("abc123xyz456", "123456789012", "api_calls"): 17,
        ("def789uvw012", "123456789012", "users"): 5,
        ("abc123xyz456", "210987654321", "api_calls"): Decimal("2.5"),
    }
    again = invoke(session, outputs["MeteringJobFunction"], {})
    assert (again["entries"], again["quantity"]) == (0, "0")
    _logs_are_structured_and_carry_metrics(session)


def _logs_are_structured_and_carry_metrics(session: boto3.session.Session) -> None:
    logs = session.client("logs")
    for name, metric in (("MeteringJob", "JobRuns"), ("MeteringProcessor", "ProcessorRuns")):
        group = f"/aws/lambda/guide-{name}"
        lines = "\n".join(
            event["message"] for event in logs.filter_log_events(logGroupName=group)["events"]
        ).splitlines()
        documents = [json.loads(line) for line in lines if line.startswith("{")]
        measured = [each for each in documents if "_aws" in each]
        assert any(metric in each and each["service"] == "guide" for each in measured), name
        assert any(each.get("level") == "INFO" for each in documents), name


def test_a_scheduled_event_leaves_the_current_hour_open(
    session: boto3.session.Session, deploy: Deploy
) -> None:
    outputs = deploy("hourly")
    table = session.resource("dynamodb").Table(outputs["MeteringRecordsTable"])
    into_the_hour()
    record_usage(table, "123456789012", "hourly-product", "users", 5)

    said = invoke(
        session, outputs["MeteringJobFunction"], {"detail-type": "Scheduled Event", "detail": {}}
    )

    assert said["scope"] == "closed hours"
    assert said["left_pending"] == {"its hour is not over": 1}


def test_garbage_in_the_queue_does_no_harm(
    aws: Emulator, session: boto3.session.Session, deploy: Deploy
) -> None:
    outputs = deploy("noise")
    queue = session.client("sqs")
    for number, body in enumerate(("not json", "[]", '{"order": 42}')):
        queue.send_message(
            QueueUrl=outputs["DoorbellQueueUrl"],
            MessageBody=body,
            MessageGroupId="metering",
            MessageDeduplicationId=str(number),
        )
    table = session.resource("dynamodb").Table(outputs["MeteringRecordsTable"])
    record_usage(table, "123456789012", "noise-product", "users", 3)

    invoke(session, outputs["MeteringJobFunction"], {})

    until(lambda: not pending(table))
    until(lambda: _waiting(queue, outputs["DoorbellQueueUrl"]) == 0)
    assert _waiting(queue, outputs["DeadDoorbellQueueUrl"]) == 0
    assert billed(aws)["noise-product", "123456789012", "users"] == 3


def _waiting(queue: Any, url: str) -> int:
    names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
    found = queue.get_queue_attributes(QueueUrl=url, AttributeNames=names)["Attributes"]
    return sum(int(found[name]) for name in names)


def test_people_are_told_what_is_notbilled(
    aws: Emulator, session: boto3.session.Session, deploy: Deploy
) -> None:
    """A subscriber of the topic reads one summary with the quantity."""
    outputs = deploy("told")
    sns, sqs = session.client("sns"), session.client("sqs")
    inbox = sqs.create_queue(QueueName="told-inbox")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=inbox, AttributeNames=["QueueArn"])["Attributes"]
    sns.subscribe(
        TopicArn=outputs["NotificationsTopicArn"], Protocol="sqs", Endpoint=arn["QueueArn"]
    )
    table = session.resource("dynamodb").Table(outputs["MeteringRecordsTable"])
    record_usage(table, "123456789012", "told-product", "users", -3)

    invoke(session, outputs["MeteringJobFunction"], {})

    (message,) = until(
        lambda: sqs.receive_message(QueueUrl=inbox, WaitTimeSeconds=1).get("Messages")
    )
    letter = json.loads(message["Body"])
    assert letter["Subject"] == "Metering told: 1 refused input"
    assert "quantity" in letter["Message"]


def test_the_seller_account_s_role_reports_usage(
    aws: Emulator, session: boto3.session.Session, deploy: Deploy
) -> None:
    role = session.client("iam").create_role(
        RoleName="Metering", AssumeRolePolicyDocument=json.dumps(TRUST)
    )["Role"]["Arn"]
    outputs = deploy("guest", MeteringRoleArn=role, MeteringRoleExternalId="guest")
    table = session.resource("dynamodb").Table(outputs["MeteringRecordsTable"])
    record_usage(table, "123456789012", "guest-product", "users", 4)

    invoke(session, outputs["MeteringJobFunction"], {})

    until(lambda: not pending(table))
    assert billed(aws)["guest-product", "123456789012", "users"] == 4
    client = connect_as(role, "guest", "us-east-1")
    signed_with = client._request_signer._credentials.get_frozen_credentials()
    assert signed_with.access_key.startswith("ASIA")


TRUST = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "sts:AssumeRole"}],
}
