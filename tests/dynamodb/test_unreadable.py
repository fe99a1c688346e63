"""What of the ledger cannot be read costs its own book, and people are told."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest

from marketplace_metering.adapters.dynamodb.api.requests import Calls, Refusal, Statement
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


def entry_item(world: TwoTables, dimension: str) -> dict[str, Any]:
    """The entry as it stands in the ledger."""
    [item] = [
        each
        for each in world.raw.scan(TableName=world.names.ledger)["Items"]
        if each["sk"]["S"].startswith("hour#") and each["pk"]["S"].endswith(f"#{dimension}")
    ]
    return dict(item)


def change_entry(world: TwoTables, dimension: str, **changes: Any) -> None:
    """What a newer version, or a foreign hand, writes into the ledger."""
    item = entry_item(world, dimension)
    world.raw.update_item(
        TableName=world.names.ledger,
        Key={name: item[name] for name in ("pk", "sk")},
        UpdateExpression="SET " + ", ".join(f"#{name} = :{name}" for name in changes),
        ExpressionAttributeNames={f"#{name}": name for name in changes},
        ExpressionAttributeValues={f":{name}": value for name, value in changes.items()},
    )


def make_unreadable(world: TwoTables) -> dict[str, Any]:
    """A newer version has put its entry into a state that this one has never heard of."""
    key = world.put("09:10", 5)
    world.run()
    change_entry(world, DIMENSION, state={"S": "asleep"})
    return key


def test_a_book_with_an_entry_of_a_newer_version_is_left_and_told(world: TwoTables) -> None:
    key = make_unreadable(world)
    world.retry(key)
    others = [world.put(f"10:1{number}", 3, dimension=f"other-{number}") for number in range(5)]
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


BROKEN = {
    "a state of a newer version": {"state": {"S": "asleep"}},
    "an attempt of another kind": {"attempts": {"S": '[["one", 2, 3, 4, 5, 6, 7, 8]]'}},
    "bills that are no list": {"bills": {"S": '{"lines": 7}'}},
    "a deadline that is no instant": {"deadline": {"N": "1e30"}},
    "members that are no list": {"members": {"B": b"no zlib at all"}},
}


@pytest.mark.parametrize("changes", BROKEN.values(), ids=BROKEN)
def test_an_entry_that_is_broken_is_left_and_the_others_are_sent(
    world: TwoTables, changes: dict[str, Any]
) -> None:
    """It comes up in every run, first in the order of deadlines, and blocks nobody."""
    key = world.put("08:10", 5)
    others = [world.put(f"09:1{number}", 3, dimension=f"other-{number}") for number in range(5)]
    world.seal()
    change_entry(world, DIMENSION, **changes)
    for _run in range(2):
        world.store = world.new_store()
        world.submit()
    responses = [str(world.item(other)["metering_response"]) for other in others]
    assert all(each.startswith("billed: ") for each in responses)
    assert "metering_response" not in world.item(key)
    [alarm] = [alarm for _number, alarm in world.store.undelivered_alarms()]
    assert alarm.kind is AlarmKind.UNSTORABLE
    assert f"#{DIMENSION}|hour#" in alarm.text
    assert "it is left as it is, and all others are settled" in alarm.text


def test_people_are_told_of_a_broken_entry_once_a_day(world: TwoTables) -> None:
    world.put("08:10", 5)
    world.seal()
    change_entry(world, DIMENSION, state={"S": "asleep"})
    for at in ("11:40", "12:40", "23:59"):
        world.at(at)
        world.store = world.new_store()
        world.submit()
        numbers = [number for number, _alarm in world.store.undelivered_alarms()]
        assert len(numbers) == (at == "11:40")
        world.store.alarms_delivered(numbers, world.clock.now())
    world.clock.at += timedelta(hours=1)
    world.submit()
    assert len(world.store.undelivered_alarms()) == 1


def test_what_has_expired_and_is_broken_is_left(world: TwoTables) -> None:
    world.put("08:10", 5)
    world.put("08:11", 3, dimension="other")
    world.seal()
    change_entry(world, DIMENSION, state={"S": "asleep"})
    world.clock.at += timedelta(days=2)
    world.store = world.new_store()
    world.submit()
    assert entry_item(world, "other")["state"] == {"S": "released"}
    assert entry_item(world, DIMENSION)["state"] == {"S": "asleep"}


def test_an_entry_that_can_take_no_answer_costs_only_itself(
    world: TwoTables, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its answer cannot be stored: it is sent again, which AWS takes as the same record."""
    key = world.put("09:10", 5)
    other = world.put("09:11", 3, dimension="other")
    world.seal()
    execute = Calls.execute

    def refuse(calls: Calls, statements: Sequence[Statement]) -> list[Refusal | None]:
        is_large = [
            '"metering_record_id"' in each.words and f"#{DIMENSION}" in str(each.parameters)
            for each in statements
        ]
        done = iter(
            execute(calls, [s for s, no in zip(statements, is_large, strict=True) if not no])
        )
        return [Refusal(invalid="Item size has exceeded") if no else next(done) for no in is_large]

    monkeypatch.setattr(Calls, "execute", refuse)
    world.submit()
    assert str(world.item(other)["metering_response"]).startswith("billed: ")
    assert "metering_response" not in world.item(key)
    [alarm] = [alarm for _number, alarm in world.store.undelivered_alarms()]
    assert "Item size has exceeded" in alarm.text
    monkeypatch.undo()
    world.store = world.new_store()
    world.submit()
    assert str(world.item(key)["metering_response"]).startswith("billed: ")


def test_an_alarm_of_a_newer_version_holds_no_other_back(world: TwoTables) -> None:
    for at, number in (("09:10", 1), ("09:11", 2)):
        world.put(at, "much", dimension=f"other-{number}")
    world.seal()
    numbers = [number for number, _alarm in world.store.undelivered_alarms()]
    assert len(numbers) == 2
    world.raw.update_item(
        TableName=world.names.ledger,
        Key={"pk": {"S": "alarm"}, "sk": {"S": f"{numbers[0]:030d}"}},
        UpdateExpression="SET kind = :new",
        ExpressionAttributeValues={":new": {"S": "of another kind"}},
    )
    assert [number for number, _alarm in world.store.undelivered_alarms()] == numbers[1:]


def test_an_entry_that_a_restored_table_loses_meanwhile_is_left(
    world: TwoTables, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the look at what is due and the attempt: the run ended, and nothing was sent."""
    world.put("09:10", 5)
    other = world.put("09:11", 3, dimension="other")
    world.seal()
    lost = {name: entry_item(world, DIMENSION)[name] for name in ("pk", "sk")}

    def take_turn() -> None:
        world.raw.delete_item(TableName=world.names.ledger, Key=lost)

    monkeypatch.setattr(world.aws, "take_turn", take_turn)
    world.submit()
    assert str(world.item(other)["metering_response"]).startswith("billed: ")
