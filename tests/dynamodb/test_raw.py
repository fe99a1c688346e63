"""The short cut for statements says what the client says, and leaves to it what is not plain."""

from __future__ import annotations

from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from marketplace_metering.adapters.dynamodb import TableNames
from marketplace_metering.adapters.dynamodb.api.fast_writes import RawRequests, raw_requests

KEY = {"pk": {"S": "alarm"}, "sk": {"S": "1"}}


class Watched:
    """A boto3 client whose own operation is counted."""

    def __init__(self, client: Any) -> None:
        self.client = client
        self.asked = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self.client, name)

    def batch_execute_statement(self, **parameters: Any) -> Any:
        self.asked += 1
        return self.client.batch_execute_statement(**parameters)


def update(table: str, value: dict[str, Any], key: str = "1") -> dict[str, Any]:
    return {
        "Statement": f'UPDATE "{table}" SET "words"=? WHERE "pk"=? AND "sk"=? AND "number"=?',
        "Parameters": [value, {"S": "alarm"}, {"S": key}, {"N": "7"}],
        "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
    }


@pytest.fixture
def watched(dynamodb: Any, tables: TableNames) -> Watched:
    for key in "12":
        item = {"pk": {"S": "alarm"}, "sk": {"S": key}, "number": {"N": "7" if key == "1" else "8"}}
        dynamodb.put_item(TableName=tables.ledger, Item=item)
    return Watched(dynamodb)


def test_answers_and_refusals_are_the_clients(watched: Watched, tables: TableNames) -> None:
    value = {"S": 'quoted " and \\ and \N{SNOWMAN}'}
    statements = [update(tables.ledger, value), update(tables.ledger, value, "2")]
    raw = RawRequests(watched).execute(statements)
    assert watched.asked == 0
    plain = watched.client.batch_execute_statement(Statements=statements)
    assert raw["Responses"] == plain["Responses"]
    assert raw["Responses"][1]["Error"]["Code"] == "ConditionalCheckFailed"
    assert raw["Responses"][1]["Error"]["Item"]["number"] == {"N": "8"}
    assert watched.get_item(TableName=tables.ledger, Key=KEY)["Item"]["words"] == value


def test_binary_values_go_there_and_back(watched: Watched, tables: TableNames) -> None:
    raw = RawRequests(watched)
    for value in ({"B": b"\x00\xff"}, {"BS": [b"a", b"\xfe"]}, {"M": {"B": {"B": b"x"}}}):
        raw.execute([update(tables.ledger, value)])
        assert watched.get_item(TableName=tables.ledger, Key=KEY)["Item"]["words"] == value
        refused = update(tables.ledger, {"S": "x"})
        refused["Parameters"][-1] = {"N": "9"}
        [answer] = raw.execute([refused])["Responses"]
        assert answer["Error"]["Item"]["words"] == value
    assert watched.asked == 0


def test_a_transaction_is_done_once_however_often_it_is_sent(
    watched: Watched, tables: TableNames
) -> None:
    raw = RawRequests(watched)
    put = {
        "TableName": tables.ledger,
        "Item": {**KEY, "sk": {"S": "3"}},
        "ConditionExpression": "attribute_not_exists(pk)",
    }
    real = raw._connections

    class Deaf:
        """It was done, and the answer is lost."""

        def send(self, request: Any) -> Any:
            real.send(request)
            raise ConnectionError("gone")

    raw._connections = Deaf()
    raw.transact([{"Put": put}])
    with pytest.raises(ClientError) as refused:
        raw.transact([{"Put": put}])
    assert refused.value.response["CancellationReasons"][0]["Code"] == "ConditionalCheckFailed"


def test_a_refused_request_is_the_clients_to_report(watched: Watched) -> None:
    with pytest.raises(ClientError) as refused:
        RawRequests(watched).execute([update("no-such-table", {"S": "x"})] * 30)
    assert refused.value.response["Error"]["Code"] == "ValidationException"
    assert watched.asked == 1


def test_a_broken_connection_is_asked_again(watched: Watched, tables: TableNames) -> None:
    raw = RawRequests(watched)

    class Broken:
        def send(self, request: Any) -> Any:
            raise ConnectionError("gone")

    raw._connections = Broken()
    assert "Error" not in raw.execute([update(tables.ledger, {"S": "x"})])["Responses"][0]
    assert watched.asked == 1


def test_credentials_are_those_of_the_client() -> None:
    client = boto3.client(
        "dynamodb", region_name="eu-west-1", aws_access_key_id="AKIDOWN", aws_secret_access_key="x"
    )
    raw = raw_requests(client)
    assert raw is not None
    signed: list[Any] = []

    class Wire:
        def send(self, request: Any) -> Any:
            signed.append(request)
            raise ConnectionError("enough")

    raw._connections = Wire()
    assert raw._try("BatchExecuteStatement", {}) is None
    words = signed[0].headers["Authorization"]
    assert "Credential=AKIDOWN/" in words
    assert "/eu-west-1/dynamodb/aws4_request" in words
    assert signed[0].url == "https://dynamodb.eu-west-1.amazonaws.com"


def test_what_is_no_boto3_client_has_no_short_cut() -> None:
    assert raw_requests(object()) is None
