"""What of the ledger cannot be read costs its own book, and people are told."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from marketplace_metering.adapters.dynamodb.sealing import pending
from marketplace_metering.core.ledger import Alarm, AlarmKind
from marketplace_metering.jobs.seal import seal
from marketplace_metering.ports import Ports
from tests.dynamodb.world import TwoTables
from tests.support.build import DIMENSION


class Heard:
    """Who is told."""

    def __init__(self) -> None:
        self.alarms: list[Alarm] = []

    def notify(self, alarms: Sequence[Alarm]) -> None:
        """Remember them."""
        self.alarms.extend(alarms)


def make_unreadable(world: TwoTables) -> dict[str, Any]:
    """A newer version has put its entry into a state that this one has never heard of."""
    key = world.put("09:10", 5)
    world.run()
    [item] = [
        each
        for each in world.raw.scan(TableName=world.names.ledger)["Items"]
        if each["sk"]["S"].startswith("hour#")
    ]
    world.raw.update_item(
        TableName=world.names.ledger,
        Key={name: item[name] for name in ("pk", "sk")},
        UpdateExpression="SET #state = :asleep",
        ExpressionAttributeNames={"#state": "state"},
        ExpressionAttributeValues={":asleep": {"S": "asleep"}},
    )
    return key


def test_a_book_with_an_entry_of_a_newer_version_is_left_and_told(world: TwoTables) -> None:
    key = make_unreadable(world)
    world.retry(key)
    others = [world.put("10:10", 3, dimension=f"other-{number}") for number in range(5)]
    heard = Heard()
    ports = world.ports
    report = seal(Ports(ports.store, ports.marketplace, ports.clock, heard), world.policy)
    [book] = report.unstorable
    assert (book.key.dimension, book.records) == (DIMENSION, 1)
    [alarm] = heard.alarms
    assert alarm.kind is AlarmKind.UNSTORABLE
    assert "cannot read what the ledger has" in alarm.text
    assert "'asleep' is not a valid State" in alarm.text
    world.submit()
    responses = [str(world.item(other)["metering_response"]) for other in others]
    assert all(each.startswith("billed: ") for each in responses)
    assert world.item(key)["metering_pending"] == "true"


def test_what_is_only_out_of_reach_ends_the_run(
    world: TwoTables, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is said of a book that another try would read."""
    world.put("09:10", 5)

    def compare(*arguments: object) -> None:
        raise ConnectionError("the network is down")

    monkeypatch.setattr(pending, "compare", compare)
    with pytest.raises(ConnectionError):
        world.seal()
