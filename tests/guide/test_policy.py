"""The policy of the page, where policies are enforced: PutItem on that table, and nothing else."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from marketplace_metering import UsageRecorder
from marketplace_metering.adapters.dynamodb.items.tables import create_tables
from marketplace_metering.recorder.sinks.dynamodb import DynamoDBSink
from tests.deploy.emulator import ACCOUNT, REGION, Emulator, emulator
from tests.guide.blocks import block

pytestmark = pytest.mark.xdist_group("guide")

STACK = "policy"
TABLE = f"{STACK}-MeteringRecords"
KEY = {"customerAWSAccountId": {"S": "123456789012"}, "create_timestamp": {"N": "1795500000000"}}
ITEM = {
    **KEY,
    "productCode": {"S": "abc123xyz456"},
    "dimension": {"S": "users"},
    "quantity": {"N": "5"},
    "metering_pending": {"S": "true"},
}
OF_BUYER = {
    "KeyConditionExpression": "customerAWSAccountId = :buyer",
    "ExpressionAttributeValues": {":buyer": {"S": "123456789012"}},
}


@pytest.fixture(scope="module")
def strict(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Emulator]:
    with emulator(tmp_path_factory.mktemp("strict"), is_strict=True) as started:
        yield started


@pytest.fixture
def application(strict: Emulator, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A client of a user with the page's policy and no other."""
    for name, value in strict.environment.items():
        monkeypatch.setenv(name, value)
    own, iam = boto3.client("dynamodb", region_name=REGION), boto3.client("iam")
    if TABLE not in own.list_tables()["TableNames"]:
        create_tables(own, STACK)
        iam.create_user(UserName="application")
        policy = block("json", '"dynamodb:PutItem"').of(STACK)
        policy = policy.replace("REGION", REGION).replace("ACCOUNT", ACCOUNT)
        iam.put_user_policy(UserName="application", PolicyName="RecordUsage", PolicyDocument=policy)
    key = iam.create_access_key(UserName="application")["AccessKey"]
    return boto3.client(
        "dynamodb",
        region_name=REGION,
        aws_access_key_id=key["AccessKeyId"],
        aws_secret_access_key=key["SecretAccessKey"],
    )


def test_it_allows_to_record(application: Any) -> None:
    """Plainly, and by the recorder, whose put is conditional."""
    application.put_item(TableName=TABLE, Item=ITEM)
    sink = DynamoDBSink(TABLE, client=application)
    with UsageRecorder(sink, durable=False, product="abc123xyz456") as recorder:
        recorder.record("123456789012", "api_calls", 10)
        assert recorder.flush()

    items = boto3.client("dynamodb", region_name=REGION).scan(TableName=TABLE)["Items"]
    assert sorted(each["quantity"]["N"] for each in items) == ["10", "5"]


@pytest.mark.parametrize(
    "attempt",
    [
        lambda client: client.get_item(TableName=TABLE, Key=KEY),
        lambda client: client.query(TableName=TABLE, **OF_BUYER),
        lambda client: client.scan(TableName=TABLE),
        lambda client: client.delete_item(TableName=TABLE, Key=KEY),
        lambda client: client.update_item(TableName=TABLE, Key=KEY),
        lambda client: client.describe_table(TableName=TABLE),
        lambda client: client.put_item(
            TableName=f"{STACK}-MeteringLedger", Item={"pk": {"S": "a"}, "sk": {"S": "b"}}
        ),
    ],
    ids=["get", "query", "scan", "delete", "update", "describe", "put elsewhere"],
)
def test_it_allows_nothing_else(application: Any, attempt: Callable[[Any], object]) -> None:
    with pytest.raises(ClientError) as refused:
        attempt(application)
    assert refused.value.response["Error"]["Code"] == "AccessDeniedException"


def test_it_is_what_the_template_grants() -> None:
    """The page says that the stack brings this very policy."""
    from tests.deploy.reading import properties

    (printed,) = json.loads(block("json", '"dynamodb:PutItem"').text)["Statement"]
    (granted,) = properties("RecordUsagePolicy")["PolicyDocument"]["Statement"]
    assert (granted["Effect"], [granted["Action"]]) == (printed["Effect"], printed["Action"])
    assert granted["Resource"] == {"Fn::GetAtt": ["MeteringRecords", "Arn"]}
