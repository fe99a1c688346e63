"""docs/migration.md: what an older pipeline left pending is billed once, in an hour of its own."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from marketplace_metering.adapters.dynamodb.items.tables import definitions
from tests.deploy.story import HOUR_S, into_the_hour, until
from tests.guide.blocks import ROOT, blocks
from tests.guide.world import GuideWorld, Up, metering

pytestmark = pytest.mark.xdist_group("guide")

PAGE = ROOT / "docs/migration.md"
PRODUCT = "moved00xyz123"  # a product that nobody declared
PRINTED_AT = "2026-11-24T15:00:00Z"
OLD = "AWSMarketplaceMeteringRecords"
SUBSCRIBERS = "AWSMarketplaceSubscribers"
PER_PAGE = 400_000  # bytes; a page of a query has at most a megabyte


@pytest.fixture(scope="module")
def world(up: Up) -> GuideWorld:
    """The new stack, and the old tables with what the sample leaves in them."""
    world = up("shop")
    client = world.client("dynamodb")
    _create_old_tables(client)
    _put(client, SUBSCRIBERS, customerIdentifier="ada", customerAWSAccountID="111122223333")
    _put(client, SUBSCRIBERS, customerIdentifier="bob", customerAWSAccountID="444455556666")
    _put(client, SUBSCRIBERS, customerIdentifier="eve")
    _use(client, "ada", 1, users=3, admins=1)
    _use(client, "ada", 2, users=4)
    _use(client, "bob", 2, users=Decimal("0.5"))
    _use(client, "eve", 3, users=7)
    _use(client, "bob", 4, is_pending=False, users=100)  # billed by the sample
    for number in range(3):  # more than one page
        _use(client, "bob", 10 + number, note="x" * (PER_PAGE - 1_000), users=1)
    return world


def _create_old_tables(client: Any) -> None:
    """The sample's, with its keys and its index."""
    (records, _ledger) = definitions("any")
    keys = [
        {"AttributeName": "customerIdentifier", "KeyType": "HASH"},
        {"AttributeName": "create_timestamp", "KeyType": "RANGE"},
    ]
    types = {"customerIdentifier": "S", "create_timestamp": "N", "metering_pending": "S"}
    attributes = [{"AttributeName": name, "AttributeType": type_} for name, type_ in types.items()]
    index = records["GlobalSecondaryIndexes"][0]
    assert index["IndexName"] == "PendingMeteringRecordsIndex"
    client.create_table(
        TableName=OLD,
        BillingMode="PAY_PER_REQUEST",
        KeySchema=keys,
        AttributeDefinitions=attributes,
        GlobalSecondaryIndexes=[
            {
                "IndexName": "PendingMeteringRecordsIndex",
                "KeySchema": [{"AttributeName": "metering_pending", "KeyType": "HASH"}],
                "Projection": {"ProjectionType": "ALL"},
            }
        ],
    )
    client.create_table(
        TableName=SUBSCRIBERS,
        BillingMode="PAY_PER_REQUEST",
        KeySchema=keys[:1],
        AttributeDefinitions=attributes[:1],
    )


def _put(client: Any, table: str, **texts: str) -> None:
    client.put_item(TableName=table, Item={name: {"S": text} for name, text in texts.items()})


def _use(
    client: Any, buyer: str, at: int, is_pending: bool = True, note: str = "-", **uses: object
) -> None:
    """A record as the sample's README shows it."""
    usage = [
        {"M": {"dimension": {"S": name}, "value": {"N": str(value)}}}
        for name, value in uses.items()
    ]
    item: dict[str, Any] = {
        "customerIdentifier": {"S": buyer},
        "create_timestamp": {"N": str(at)},
        "dimension_usage": {"L": usage},
        "note": {"S": note},
    }
    mark: Mapping[str, Any] = (
        {"metering_pending": {"S": "true"}} if is_pending else {"metering_failed": {"BOOL": False}}
    )
    client.put_item(TableName=OLD, Item={**item, **mark})


@pytest.fixture(scope="module")
def last_hour() -> str:
    """An hour that is over, so that it can be metered now."""
    into_the_hour()
    begun = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
    return (begun - timedelta(seconds=HOUR_S)).strftime("%Y-%m-%dT%H:%M:%SZ")


def _step(words: str, at: str) -> str:
    """A block of the page, for this hour and product, from the folder of this repository."""
    (found,) = (each.text for each in blocks(PAGE) if words in each.text)
    for printed, ours in (
        (PRINTED_AT, at),
        ("abc123xyz456", PRODUCT),
        ("examples/", f"{ROOT}/examples/"),
        ("metering record", "metering record --json"),
    ):
        found = found.replace(printed, ours)
    return found


def test_what_the_sample_left_pending_is_billed_once(world: GuideWorld, last_hour: str) -> None:
    """Also if the steps are repeated, once with the account that was missing at first."""
    world.shell.run(_step("AWSMarketplaceSubscribers", last_hour))
    take_over = _step("--accounts accounts.txt", last_hour)

    incomplete = world.shell.start(take_over)
    _out, err = incomplete.communicate()
    assert incomplete.returncode == 3
    assert err == "no account for customerIdentifier eve: left out\n"
    script, record = take_over.split("\nmetering record")
    first = world.shell.json(f"{script} || true\nmetering record{record}")
    assert (first["recorded"], first["refused"]) == (7, 0)

    accounts = world.shell.folder / "accounts.txt"
    accounts.write_text(accounts.read_text().replace("eve\tNone", "eve\t123456789012"))
    again = world.shell.json(take_over)
    assert (again["recorded"], again["already_there"]) == (1, 7)

    world.invoke()
    world.wait_until_nothing_is_pending()
    until(lambda: len(world.billed(PRODUCT)) == 4)
    assert world.billed(PRODUCT) == {
        (PRODUCT, "111122223333", "users"): 7,
        (PRODUCT, "111122223333", "admins"): 1,
        (PRODUCT, "444455556666", "users"): Decimal("3.5"),
        (PRODUCT, "123456789012", "users"): 7,
    }
    pages = world.client("dynamodb").get_paginator("scan").paginate(TableName=OLD)
    assert sum(page["Count"] for page in pages) == 8  # nothing was taken away


def test_a_table_of_the_guide_is_read_as_well(world: GuideWorld, last_hour: str) -> None:
    """An earlier deployment: the same format, so that no accounts are needed."""
    client = world.client("dynamodb")
    (records, _ledger) = definitions("old")
    client.create_table(**records)
    for at in (1, 2):
        _put_record(client, at)

    take_over = _step("--table old-MeteringRecords", last_hour)
    assert world.shell.json(take_over)["recorded"] == 2
    assert world.shell.json(take_over)["already_there"] == 2


def _put_record(client: Any, at: int) -> None:
    client.put_item(
        TableName="old-MeteringRecords",
        Item={
            "customerAWSAccountId": {"S": "111122223333"},
            "productCode": {"S": "older00xyz123"},
            "create_timestamp": {"N": str(at)},
            "dimension": {"S": "users"},
            "quantity": {"N": "2"},
            "tags": {"M": {"team": {"S": "blue"}}},
            "metering_pending": {"S": "true"},
        },
    )


def test_a_time_without_a_zone_is_refused(world: GuideWorld) -> None:
    script = f"python {ROOT}/examples/guide/pending_of_old_table.py --table t --at 2026-11-24T15:00"
    refused = world.shell.start(script)
    _out, err = refused.communicate()
    assert refused.returncode == 2
    assert "argument --at: invalid instant value: '2026-11-24T15:00'" in err


def test_the_very_table_can_be_taken_over(world: GuideWorld, home: Mapping[str, str]) -> None:
    """What the old pipeline billed stays as it was; what is written from now on is metered."""
    client = world.client("dynamodb")
    (records, _ledger) = definitions("taken")
    client.create_table(**records)
    settled = {
        "customerAWSAccountId": {"S": "111122223333"},
        "create_timestamp": {"N": "1708012345678"},
        "productCode": {"S": "taken00xyz123"},
        "dimension": {"S": "users"},
        "quantity": {"N": "9"},
        "metering_response": {"S": "Success"},
    }
    client.put_item(TableName="taken-MeteringRecords", Item=settled)

    done = metering({**home, **world.shell.environment}, "deploy", "--stack", "taken", "--yes")
    assert done.returncode == 0, done.stderr
    assert "taken over from an earlier stack of this name: taken-MeteringRecords" in done.stderr
    taken = GuideWorld("taken", world.shell)
    now = {**settled, "create_timestamp": {"N": str(int(datetime.now(UTC).timestamp() * 1_000))}}
    del now["metering_response"]
    client.put_item(
        TableName="taken-MeteringRecords", Item={**now, "metering_pending": {"S": "true"}}
    )
    taken.invoke()
    taken.wait_until_nothing_is_pending()

    assert taken.billed("taken00xyz123") == {("taken00xyz123", "111122223333", "users"): 9}
    for command in _last_block().replace("YOUR_STACK_NAME", "taken").split("aws ")[1:]:
        taken.shell.run(f"aws {command}")
    table = client.describe_table(TableName="taken-MeteringRecords")["Table"]
    assert table["DeletionProtectionEnabled"] is True
    assert settled in client.scan(TableName="taken-MeteringRecords")["Items"]


def _last_block() -> str:
    (found,) = (each.text for each in blocks(PAGE) if "update-continuous-backups" in each.text)
    return found
