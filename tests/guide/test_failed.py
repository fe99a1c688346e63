"""Failed records and their retry: 25 windows of one request, two of which AWS refuses.

One names a dimension that the listing does not have, one is of a buyer whose subscription ended.
The other 23 are billed all the same, and both heal as the guide says. A billed record that is set
pending again is not billed twice.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from marketplace_metering.local.background import request
from tests.deploy.story import into_the_hour, until
from tests.guide.blocks import block
from tests.guide.world import GuideWorld, Up

pytestmark = pytest.mark.xdist_group("guide")

PRODUCT = "batch000xyz789"
GOOD = [f"2000000000{number:02d}" for number in range(23)]
MISSPELT, ENDED = "300000000001", "300000000002"
SINCE = (datetime.now(UTC) - timedelta(days=3)).isoformat()
OVER = (datetime.now(UTC) - timedelta(days=2)).isoformat()
CLOCK_MARGIN_S = 3.0  # nothing is sent within two seconds of its time stamp, rounded up
PRINTED_KEY = ("123456789012", "1708012345678")


@pytest.fixture(scope="module")
def world(up: Up) -> GuideWorld:
    """A stack of its own, buyers, and an inbox for what it tells people."""
    world = up("guide-failed")
    world.tell_simulator("products", productCode=PRODUCT, dimensions=["users"])
    for buyer in (*GOOD, MISSPELT, ENDED):
        ends = {"endsAt": OVER} if buyer == ENDED else {}
        world.tell_simulator(
            "subscribe",
            productCode=PRODUCT,
            customerAWSAccountId=buyer,
            startsAt=SINCE,
            **ends,
        )
    return world


@pytest.fixture(scope="module")
def inbox(world: GuideWorld) -> str:
    """The queue of a subscriber of the stack's notifications."""
    sqs, sns = world.client("sqs"), world.client("sns")
    url: str = sqs.create_queue(QueueName="guide-inbox")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]
    (topic,) = (
        each["TopicArn"]
        for each in sns.list_topics()["Topics"]
        if each["TopicArn"].endswith(f":{world.stack}-MeteringNotifications")
    )
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn["QueueArn"])
    return url


@pytest.fixture(scope="module")
def failed(world: GuideWorld, inbox: str) -> Mapping[str, Mapping[str, Any]]:
    """The 25 windows were metered; what the guide's scan for failed records finds, by buyer."""
    into_the_hour()
    lines = [block("python", "def record_usage(").of(world.stack).split("# Example")[0]]
    lines += [f"record_usage('{buyer}', '{PRODUCT}', 'users', 4)" for buyer in (*GOOD, ENDED)]
    lines += [f"record_usage('{MISSPELT}', '{PRODUCT}', 'Users', 4)"]
    (world.shell.folder / "batch.py").write_text("\n".join(lines))
    world.shell.run("python batch.py")
    time.sleep(CLOCK_MARGIN_S)  # then all are due at once
    world.invoke()
    world.wait_until_nothing_is_pending()
    items = world.shell.json(world.command("aws dynamodb scan"))["Items"]
    return {each["customerAWSAccountId"]["S"]: each for each in items}


@pytest.mark.usefixtures("failed")
def test_the_good_ones_are_billed(world: GuideWorld) -> None:
    assert world.billed(PRODUCT) == {(PRODUCT, buyer, "users"): Decimal(4) for buyer in GOOD}


@pytest.mark.usefixtures("failed")
def test_they_were_one_request(world: GuideWorld) -> None:
    """Else nothing would have had to be told apart."""
    recent = json.loads(request(f"{world.simulator_url}/requests?limit=1000"))["recent"]
    refused = [each for each in recent if each["outcome"] == "InvalidUsageDimensionException"]
    assert max(each["recordCount"] for each in refused) == 25


def test_both_are_listed_with_reason_and_remedy(failed: Mapping[str, Mapping[str, Any]]) -> None:
    assert set(failed) == {MISSPELT, ENDED}
    misspelt = failed[MISSPELT]["metering_response"]["S"]
    assert "AWS answered InvalidUsageDimensionException" in misspelt
    assert "the listing has no such dimension" in misspelt
    assert "What to do: add the dimension to the listing, or correct it" in misspelt
    ended = failed[ENDED]["metering_response"]["S"]
    assert "AWS answered CustomerNotSubscribed" in ended
    assert "What to do: check the agreement" in ended
    for each in failed.values():
        assert each["metering_failed"] == {"BOOL": True}
        assert "metering_pending" not in each


def test_people_are_told(
    world: GuideWorld, inbox: str, failed: Mapping[str, Mapping[str, Any]]
) -> None:
    sqs = world.client("sqs")
    letters: list[str] = []

    def both_named() -> bool:
        for message in sqs.receive_message(QueueUrl=inbox, WaitTimeSeconds=1).get("Messages", ()):
            letters.append(json.loads(message["Body"])["Message"])
            sqs.delete_message(QueueUrl=inbox, ReceiptHandle=message["ReceiptHandle"])
        return all(any(buyer in letter for letter in letters) for buyer in failed)

    until(both_named)


def test_a_retry_after_the_cause_was_mended_is_billed(
    world: GuideWorld, failed: Mapping[str, Mapping[str, Any]]
) -> None:
    """The dimension is corrected in the record; the buyer subscribes again."""
    world.client("dynamodb").update_item(
        TableName=f"{world.stack}-MeteringRecords",
        Key=_key(failed[MISSPELT]),
        UpdateExpression="SET dimension = :right",
        ExpressionAttributeValues={":right": {"S": "users"}},
    )
    world.tell_simulator(
        "subscribe", productCode=PRODUCT, customerAWSAccountId=ENDED, startsAt=OVER
    )
    for each in failed.values():
        _retry(world, each)
    world.invoke()
    world.wait_until_nothing_is_pending()

    meters = [(PRODUCT, buyer, "users") for buyer in (*GOOD, MISSPELT, ENDED)]
    until(lambda: set(world.billed(PRODUCT)) == set(meters))
    assert world.billed(PRODUCT) == dict.fromkeys(meters, Decimal(4))
    until(lambda: world.shell.json(world.command("aws dynamodb scan"))["Items"] == [])


@pytest.mark.usefixtures("failed")
def test_a_billed_record_that_is_retried_is_not_billed_twice(world: GuideWorld) -> None:
    by_buyer = world.command("customerAWSAccountId = :buyer").replace(PRINTED_KEY[0], GOOD[0])
    (record,) = world.shell.json(by_buyer)["Items"]
    before = world.billed(PRODUCT)

    _retry(world, record)
    said = world.invoke()
    world.wait_until_nothing_is_pending()

    assert (said["entries"], said["quantity"]) == (0, "0")
    assert world.billed(PRODUCT) == before
    (again,) = world.shell.json(by_buyer)["Items"]
    assert again["metering_response"]["S"].startswith("billed: window ")
    assert "metering_failed" not in again


def _key(item: Mapping[str, Any]) -> dict[str, Any]:
    return {name: item[name] for name in ("customerAWSAccountId", "create_timestamp")}


def _retry(world: GuideWorld, item: Mapping[str, Any]) -> None:
    """The page's command, for this record."""
    buyer, at = (next(iter(value.values())) for value in _key(item).values())
    command = world.command("aws dynamodb update-item")
    world.shell.run(command.replace(PRINTED_KEY[0], buyer).replace(PRINTED_KEY[1], at))
