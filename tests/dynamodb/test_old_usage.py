"""Usage of long ago: what the ledger has of the years since stays packed."""

from __future__ import annotations

from typing import Any

import pytest

from marketplace_metering.adapters.dynamodb.items.member_list import MemberList
from tests.dynamodb.world import TwoTables

OF_2016 = 1_460_000_000_000  # milliseconds: April


@pytest.fixture
def unpacked(monkeypatch: pytest.MonkeyPatch) -> list[MemberList]:
    """The member lists that were unpacked."""
    decode = MemberList.decode
    seen: list[MemberList] = []

    def noted(content: bytes) -> MemberList:
        seen.append(decode(content))
        return seen[-1]

    monkeypatch.setattr(MemberList, "decode", noted)
    return seen


def three_days_of_usage(world: TwoTables) -> None:
    for day in ("2026-11-20", "2026-11-21", "2026-11-22", "2026-11-23"):
        for hour in ("09:10", "10:10"):
            world.at(f"{day} {hour}")
            world.put(f"{day} {hour}", 5)
        world.at(f"{day} 11:30")
        world.run()


def billed(world: TwoTables) -> list[Any]:
    return [entry.quantity.micros // 10**6 for batch in world.aws.sent for entry in batch.entries]


def test_an_old_usage_record_unpacks_nothing_of_other_hours(
    world: TwoTables, unpacked: list[MemberList]
) -> None:
    three_days_of_usage(world)
    unpacked.clear()
    world.put(OF_2016, 7)
    world.at("2026-11-23 12:30")
    world.seal()
    assert unpacked == []
    world.submit()
    assert billed(world) == [5] * 8 + [7]


def test_what_has_usage_of_its_hour_is_looked_into(
    world: TwoTables, unpacked: list[MemberList]
) -> None:
    world.put(OF_2016, 7)
    world.run()
    three_days_of_usage(world)
    unpacked.clear()
    world.put(OF_2016, 7)  # the application repeats itself
    world.put(OF_2016 + 1, 2)
    world.at("2026-11-23 12:30")
    world.run()
    assert [len(members) for members in unpacked[:1]] == [1]
    assert sum(billed(world)) == 7 + 8 * 5 + 2
