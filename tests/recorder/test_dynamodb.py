"""The guide's table: lost answers, throttling and wrong set-ups cost nothing and double nothing."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import pytest
from boto3.dynamodb.types import TypeDeserializer

from marketplace_metering import DynamoDBSink, UsageRecorder
from marketplace_metering.adapters.dynamodb import table_names
from marketplace_metering.core.record import UsageRecord
from marketplace_metering.core.record_rules import read_record
from marketplace_metering.recorder.log import without_secrets
from tests.recorder.build import BUYER, DIMENSION, OTHER, an_hour_ago, recorder
from tests.recorder.table import NAME, LostError, Table, client_of, error


@pytest.fixture
def table() -> Table:
    return Table()


@pytest.fixture
def usage(table: Table, tmp_path: Path) -> UsageRecorder:
    return recorder(DynamoDBSink(NAME, client=client_of(table)), tmp_path / "spool")


def fill(usage: UsageRecorder) -> None:
    for number in range(30):
        usage.record(f"{number:012d}", DIMENSION, 1)


def test_an_item_is_in_the_guides_format(table: Table, usage: UsageRecorder) -> None:
    usage.record(BUYER, DIMENSION, 5)
    usage.close()
    (item,) = table.items.values()
    event_id = item["event_id"]["S"]
    assert event_id.startswith("sum:")
    assert item == {
        "customerAWSAccountId": {"S": BUYER},
        "productCode": {"S": "prod-abc123"},
        "create_timestamp": item["create_timestamp"],
        "dimension": {"S": DIMENSION},
        "quantity": {"N": "5"},
        "metering_pending": {"S": "true"},
        "event_id": {"S": event_id},
    }


def test_only_put_item_is_needed(table: Table, usage: UsageRecorder) -> None:
    fill(usage)
    usage.close()
    assert table.operations == {"PutItem"}
    assert table.quantity() == 30


def test_a_put_whose_answer_is_lost_is_repeated_without_counting_twice(
    table: Table, usage: UsageRecorder
) -> None:
    def lose(_item: dict[str, Any]) -> None:
        if table.puts < 20:
            raise LostError

    table.after = lose
    fill(usage)
    while not usage.flush(timeout=0.0):
        assert table.puts < 100
    assert table.quantity() == 30
    assert usage.stats().already_there > 0
    assert usage.stats().failed_rounds > 0


def test_a_settled_usage_record_stays_settled(table: Table, usage: UsageRecorder) -> None:
    """Its answer is lost, it is metered meanwhile and perhaps repaired, and then put again."""
    at = an_hour_ago()

    def settle(item: dict[str, Any]) -> None:
        del item["metering_pending"]
        item["metering_response"] = {"S": "Success"}
        item["dimension"] = {"S": "repaired"}
        raise LostError

    table.after = settle
    usage.record(BUYER, DIMENSION, 5)
    assert not usage.flush(timeout=0.0)
    table.after = lambda _item: None
    assert usage.flush()
    (item,) = table.items.values()
    assert "metering_pending" not in item
    assert usage.stats().refused == 0
    usage.record(BUYER, "repaired", 5, at=at, event_id="e")
    assert usage.flush()
    assert len(table.items) == 2


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (400, "ProvisionedThroughputExceededException"),
        (400, "AccessDeniedException"),
        (400, "ResourceNotFoundException"),
        (400, "ExpiredTokenException"),
        (500, "InternalServerError"),
    ],
)
def test_what_concerns_all_ends_the_round_and_keeps_everything(
    table: Table, usage: UsageRecorder, status: int, code: str
) -> None:
    table.before = lambda _item: (status, error(code, message="no")) if table.puts > 5 else None
    fill(usage)
    assert not usage.flush(timeout=0.0)
    assert table.puts < 5 + 9  # one more for each thread at most
    assert code in str(usage.stats().last_failure)
    table.before = lambda _item: None
    assert usage.flush()
    assert table.quantity() == 30


def test_what_concerns_one_lets_the_others_pass(table: Table, usage: UsageRecorder) -> None:
    refusal = 400, error("ValidationException", message="no")
    table.before = lambda item: refusal if item["customerAWSAccountId"]["S"].endswith("7") else None
    fill(usage)
    assert not usage.flush(timeout=0.0)
    assert table.quantity() == 27
    table.before = lambda _item: None
    assert usage.flush()
    assert table.quantity() == 30


def test_a_table_that_hides_what_stands_there_counts_nothing_twice(
    table: Table, usage: UsageRecorder
) -> None:
    hidden = 400, error("ConditionalCheckFailedException", message="failed")
    table.before = lambda _item: hidden
    usage.record(BUYER, DIMENSION, 5)
    assert not usage.flush(timeout=0.0)
    assert "ReturnValuesOnConditionCheckFailure" in str(usage.stats().last_failure)
    assert usage.stats().waiting_batches == 1


def test_no_credentials_keep_usage_in_the_spool(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/dev/null")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    usage = recorder(f"dynamodb://{NAME}?region=us-east-1", tmp_path)
    usage.record(BUYER, DIMENSION, 5)
    assert not usage.flush(timeout=0.0)
    assert "NoCredentialsError" in str(usage.stats().last_failure)
    assert not usage.close(timeout=0.0)
    assert list(tmp_path.glob("*.jsonl"))


def test_failures_are_logged_seldom_and_recovery_once(
    table: Table, usage: UsageRecorder, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    table.before = lambda _item: (400, error("AccessDeniedException", message="no"))
    usage.record(OTHER, DIMENSION, 1)
    for _ in range(9):
        assert not usage.flush(timeout=0.0)
    assert len(caplog.messages) == 4
    table.before = lambda _item: None
    assert usage.flush()
    assert caplog.messages[-1] == f"usage goes to dynamodb://{NAME} again"


@pytest.mark.parametrize("name", ["stack", NAME])
def test_a_url_names_the_stack_or_its_table(name: str) -> None:
    assert table_names("stack").records == NAME
    assert DynamoDBSink.of_url(f"dynamodb://{name}").name == f"dynamodb://{NAME}"


SECRETS = [
    "https://user:hunter2@proxy.example",
    "AKIAIOSFODNN7EXAMPLE",
    "aws_session_token=FwoGZXIvYXdzEXAMPLE",
    "X-Amz-Signature=abcdef0123456789",
]


@pytest.mark.parametrize("secret", SECRETS)
def test_secrets_of_errors_are_not_logged(
    table: Table, usage: UsageRecorder, caplog: pytest.LogCaptureFixture, secret: str
) -> None:
    table.before = lambda _item: (400, error("AccessDeniedException", message=f"no {secret} here"))
    usage.record(OTHER, DIMENSION, 1)
    assert not usage.flush(timeout=0.0)
    hidden = secret.split("=")[-1].removeprefix("https://").split("@")[0]
    assert hidden not in caplog.text + str(usage.stats())
    assert "***" in without_secrets(secret)


def test_what_a_recorder_writes_the_seal_can_read(table: Table, usage: UsageRecorder) -> None:
    at = an_hour_ago()
    usage.record(BUYER, DIMENSION, 5, at=at, tags={"a": "b"})
    usage.close()
    (item,) = table.items.values()
    read = TypeDeserializer().deserialize
    found = read_record({name: read(value) for name, value in item.items()}, at)
    assert isinstance(found, UsageRecord)
    assert found.tags == (("a", "b"),)
    assert found.hour.start <= at < found.hour.end
