"""The same story where everything is enforced: TLS, signatures, and every policy of the template.

The application acts as a user with nothing but the application's policy, the functions as their
roles. A permission that the template forgets, or a queue policy that shuts out who has to get in,
ends here.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from marketplace_metering.deploy import stack
from marketplace_metering.deploy.package import Package
from tests.deploy.conftest import POLL_S, deploy_stack
from tests.deploy.emulator import REGION, Emulator, emulator
from tests.deploy.story import billed, invoke, pending, record_usage, until

pytestmark = pytest.mark.xdist_group("emulator")

# The emulator wants this action, which IAM does not know: AWS decides by the PartiQL actions alone.
OF_THE_EMULATOR = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Action": "dynamodb:BatchExecuteStatement", "Resource": "*"}],
}


@pytest.fixture(scope="module")
def strict(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Emulator]:
    with emulator(tmp_path_factory.mktemp("strict"), is_strict=True) as started:
        yield started


@pytest.fixture
def session(strict: Emulator, monkeypatch: pytest.MonkeyPatch) -> boto3.session.Session:
    for name, value in strict.environment.items():
        monkeypatch.setenv(name, value)
    return boto3.session.Session(region_name=REGION)


def _table_as(session: boto3.session.Session, policy_arn: str) -> Any:
    """The usage records, as an application sees them."""
    iam = session.client("iam")
    iam.create_user(UserName="application")
    iam.attach_user_policy(UserName="application", PolicyArn=policy_arn)
    key = iam.create_access_key(UserName="application")["AccessKey"]
    own = boto3.session.Session(key["AccessKeyId"], key["SecretAccessKey"], region_name=REGION)
    return own.resource("dynamodb").Table("strict-MeteringRecords")


def test_it_works_with_the_permissions_that_it_grants(
    strict: Emulator, session: boto3.session.Session, package: Package
) -> None:
    request = stack.Request(stack="strict", poll_s=POLL_S)
    outputs = deploy_stack(session, request, package)
    iam = session.client("iam")
    for role in iam.list_roles()["Roles"]:
        iam.put_role_policy(
            RoleName=role["RoleName"],
            PolicyName="Emulator",
            PolicyDocument=json.dumps(OF_THE_EMULATOR),
        )
    application = _table_as(session, outputs["RecordUsagePolicyArn"])
    own = session.resource("dynamodb").Table("strict-MeteringRecords")

    record_usage(application, "123456789012", "strict-product", "users", 5)
    record_usage(application, "123456789012", "strict-product", "users", "many")
    with pytest.raises(ClientError, match="AccessDenied"):
        application.scan()

    said = invoke(session, outputs["MeteringJobFunction"], {})

    assert said["usage_records"] == 1
    until(lambda: not pending(own))
    assert billed(strict) == {("strict-product", "123456789012", "users"): 5}
    failed = [each for each in own.scan()["Items"] if each.get("metering_failed")]
    assert len(failed) == 1
    dead = session.client("sqs").get_queue_attributes(
        QueueUrl=outputs["DeadDoorbellQueueUrl"], AttributeNames=["ApproximateNumberOfMessages"]
    )
    assert dead["Attributes"]["ApproximateNumberOfMessages"] == "0"
