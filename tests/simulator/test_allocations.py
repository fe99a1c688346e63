"""Vendor-metered tagging: usage allocations and their tags."""

import json
from typing import Any

import pytest

from tests.simulator.world import SimulatorWorld, allocation, decimal, record

ALLOCATIONS = "InvalidUsageAllocationsException"
TAG = "InvalidTagException"


def split(*buckets: dict[str, Any]) -> dict[str, Any]:
    return record(Quantity=17, UsageAllocations=list(buckets))


def tagged(**tags: str) -> dict[str, Any]:
    return split(allocation(17, **tags))


def test_allocations_that_sum_up_are_accepted(world: SimulatorWorld) -> None:
    usage = split(allocation(10, team="red"), allocation(4, team="blue"), allocation(3))
    (result,) = world.send(usage)["Results"]
    assert result["Status"] == "Success"
    assert result["UsageRecord"] == usage


@pytest.mark.parametrize("missing", [16, 18])
def test_allocations_must_sum_up_to_the_quantity(world: SimulatorWorld, missing: int) -> None:
    assert world.refusal(split(allocation(missing, team="red"))) == (
        ALLOCATIONS,
        "The sum of the quantities of usageRecords.1.member.usageAllocations is not the quantity"
        " of the usage record",
    )


def test_decimal_allocations_sum_exactly(world: SimulatorWorld) -> None:
    tenths = [
        {"AllocatedUsageQuantityAsDecimal": "0.1", "Tags": [{"Key": "n", "Value": str(number)}]}
        for number in range(3)
    ]
    assert world.statuses(decimal("0.3", UsageAllocations=tenths)) == ["Success"]
    assert world.refusal_code(decimal("0.300001", UsageAllocations=tenths)) == ALLOCATIONS


def test_the_kinds_of_quantity_must_agree(world: SimulatorWorld) -> None:
    whole, fraction = {"AllocatedUsageQuantity": 17}, {"AllocatedUsageQuantityAsDecimal": "17"}
    assert world.refusal_code(record(UsageAllocations=[fraction])) == ALLOCATIONS
    assert world.refusal_code(decimal("17", UsageAllocations=[whole])) == ALLOCATIONS


@pytest.mark.parametrize(
    "bucket", [{}, {"AllocatedUsageQuantity": 17, "AllocatedUsageQuantityAsDecimal": "17"}]
)
def test_an_allocation_has_exactly_one_quantity(
    world: SimulatorWorld, bucket: dict[str, Any]
) -> None:
    assert world.refusal_code(record(UsageAllocations=[bucket])) == ALLOCATIONS
    assert world.refusal_code(decimal("17", UsageAllocations=[bucket])) == ALLOCATIONS


def test_two_allocations_with_the_same_tags_are_refused(world: SimulatorWorld) -> None:
    usage = split(allocation(10, team="red", env="a"), allocation(7, env="a", team="red"))
    assert world.refusal(usage) == (
        ALLOCATIONS,
        "usageRecords.1.member.usageAllocations have the same set of tags twice",
    )
    assert world.refusal_code(split(allocation(10), allocation(7))) == ALLOCATIONS


def test_an_empty_list_of_allocations_is_refused(world: SimulatorWorld) -> None:
    body = {"UsageRecords": [record(Timestamp=1795183200, UsageAllocations=[])]}
    assert world.raw_refusal(body)[0] == "ValidationException"


def test_there_may_be_2500_allocations(world: SimulatorWorld) -> None:
    buckets = [allocation(1, number=str(number)) for number in range(2500)]
    assert world.statuses(record(Quantity=2500, UsageAllocations=buckets)) == ["Success"]
    buckets.append(allocation(0, number="2500"))
    code, message = world.refusal(record(Quantity=2500, UsageAllocations=buckets))
    assert code == "ValidationException"
    assert message.endswith("Member must have length less than or equal to 2500")


def test_an_allocation_may_have_5_tags(world: SimulatorWorld) -> None:
    five = {f"key{number}": "value" for number in range(5)}
    assert world.statuses(tagged(**five)) == ["Success"]
    assert world.refusal(tagged(**five, key5="value")) == (
        TAG,
        "usageRecords.1.member.usageAllocations.1.member.tags has 6 tags, at most 5",
    )


def test_an_empty_list_of_tags_is_refused(world: SimulatorWorld) -> None:
    bucket = {"AllocatedUsageQuantity": 17, "Tags": []}
    body = {"UsageRecords": [record(Timestamp=1795183200, UsageAllocations=[bucket])]}
    assert world.raw_refusal(body)[0] == "ValidationException"


def test_a_tag_key_comes_once_per_allocation(world: SimulatorWorld) -> None:
    tags = [{"Key": "team", "Value": "red"}, {"Key": "team", "Value": "blue"}]
    usage = split({"AllocatedUsageQuantity": 17, "Tags": tags})
    assert world.refusal_code(usage) == TAG


def test_a_tag_key_has_at_most_100_and_a_value_256_characters(world: SimulatorWorld) -> None:
    assert world.statuses(tagged(**{"k" * 100: "v" * 256})) == ["Success"]
    assert world.refusal_code(tagged(**{"k" * 101: "v"})) == TAG
    assert world.refusal_code(tagged(k="v" * 257)) == TAG


@pytest.mark.parametrize("value", ["größe", "a|b", "a\n", "[x]", "a{b}", "a\tb"])
def test_tags_have_only_the_characters_of_the_pattern(world: SimulatorWorld, value: str) -> None:
    assert world.refusal_code(tagged(team=value)) == TAG
    assert world.refusal_code(tagged(**{value: "red"})) == TAG


def test_tags_may_have_letters_digits_and_listed_signs(world: SimulatorWorld) -> None:
    assert world.statuses(tagged(**{"Team 1+ -=._:/@": "a 1+ -=._:/@"})) == ["Success"]


@pytest.mark.parametrize("member", ["Key", "Value"])
def test_a_tag_needs_key_and_value(world: SimulatorWorld, member: str) -> None:
    tag = {"Key": "team", "Value": "red"}
    del tag[member]
    bucket = {"AllocatedUsageQuantity": 17, "Tags": [tag]}
    body = {"UsageRecords": [record(Timestamp=1795183200, UsageAllocations=[bucket])]}
    assert world.raw_refusal(body)[0] == "ValidationException"


def test_allocations_change_nothing_in_the_bill(world: SimulatorWorld) -> None:
    world.send(split(allocation(10, team="red"), allocation(7)))
    assert world.quantities() == [17]


def test_the_echo_of_allocations_has_only_known_members(world: SimulatorWorld) -> None:
    bucket = {**allocation(17, team="red"), "Colour": 1.5}
    body = {"UsageRecords": [record(Timestamp=1795183200, UsageAllocations=[bucket])]}
    status, answer = world.raw("BatchMeterUsage", json.dumps(body).encode())
    assert status == 200
    assert answer["Results"][0]["UsageRecord"]["UsageAllocations"] == [allocation(17, team="red")]
