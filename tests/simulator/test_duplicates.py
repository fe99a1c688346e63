"""One record per window: the first wins, the same once more is harmless."""

from datetime import timedelta
from typing import Any

import pytest

from tests.simulator.world import (
    NOW,
    OTHER_BUYER,
    OTHER_LICENSE,
    TWO_PM,
    SimulatorWorld,
    allocation,
    decimal,
    make_client,
    record,
)


def test_success_names_the_metering_record(world: SimulatorWorld) -> None:
    (result,) = world.send(record())["Results"]
    assert result["Status"] == "Success"
    assert result["MeteringRecordId"] == world.simulator.accepted[0].metering_record_id


def test_the_echo_repeats_the_record_as_sent(world: SimulatorWorld) -> None:
    sent = decimal("17.00")
    (result,) = world.send(sent)["Results"]
    assert result["UsageRecord"] == sent


def test_the_first_quantity_of_an_hour_wins(world: SimulatorWorld) -> None:
    assert world.statuses(record(Quantity=17)) == ["Success"]
    assert world.statuses(record(Quantity=18)) == ["DuplicateRecord"]
    assert world.quantities() == [17]


def test_records_of_one_hour_are_not_summed(world: SimulatorWorld) -> None:
    later = TWO_PM + timedelta(minutes=59, seconds=59)
    assert world.statuses(record(Quantity=1), record(Quantity=2, Timestamp=later)) == [
        "Success",
        "DuplicateRecord",
    ]
    assert world.quantities() == [1]


def test_the_next_hour_is_another_window(world: SimulatorWorld) -> None:
    assert world.statuses(record(), record(Timestamp=TWO_PM + timedelta(hours=1))) == [
        "Success",
        "Success",
    ]


@pytest.mark.parametrize(
    "other",
    [
        {"CustomerAWSAccountId": OTHER_BUYER},
        {"LicenseArn": OTHER_LICENSE},
        {"Dimension": "API-calls"},
    ],
)
def test_buyer_licence_and_dimension_make_the_window(
    world: SimulatorWorld, other: dict[str, Any]
) -> None:
    assert world.statuses(record(Quantity=1), record(Quantity=2, **other)) == [
        "Success",
        "Success",
    ]


def test_an_identical_retry_succeeds_with_the_same_id(world: SimulatorWorld) -> None:
    first, again = world.send(record()), world.send(record())
    assert again["Results"] == first["Results"]
    assert world.quantities() == [17]


@pytest.mark.parametrize("spelling", ["17", "17.0", "17.00", "17.000000"])
def test_quantities_compare_by_value(world: SimulatorWorld, spelling: str) -> None:
    assert world.statuses(record(Quantity=17)) == ["Success"]
    assert world.statuses(decimal(spelling)) == ["Success"]
    assert world.statuses(decimal("17.000001")) == ["DuplicateRecord"]
    assert world.quantities() == [17]


def test_a_zero_takes_its_window(world: SimulatorWorld) -> None:
    assert world.statuses(record(Quantity=0)) == ["Success"]
    assert world.statuses(record(Quantity=5)) == ["DuplicateRecord"]
    assert world.quantities() == [0]


def test_a_window_within_one_request_is_also_taken_once(world: SimulatorWorld) -> None:
    assert world.statuses(record(Quantity=1), record(Quantity=1), record(Quantity=2)) == [
        "Success",
        "Success",
        "DuplicateRecord",
    ]
    assert world.quantities() == [1]


def test_a_rejected_request_leaves_the_window_free(world: SimulatorWorld) -> None:
    split = [allocation(1)]
    refused = world.refusal_code(record(Quantity=17, UsageAllocations=split))
    assert refused == "InvalidUsageAllocationsException"
    assert world.statuses(record(Quantity=18)) == ["Success"]
    assert world.quantities() == [18]


def test_a_subset_of_a_request_can_be_retried(world: SimulatorWorld) -> None:
    batch = [record(Dimension=f"d{number}") for number in range(5)]
    world.send(*batch)
    assert world.statuses(*batch[2:4]) == ["Success", "Success"]
    assert len(world.simulator.accepted) == 5


def test_another_region_bills_again(world: SimulatorWorld) -> None:
    body = {"UsageRecords": [record()]}
    world.send(record())
    world.faults.answer("BatchMeterUsage", body, NOW, "eu-west-1")
    assert world.quantities() == [17, 17]
    (finding,) = world.simulator.audit.billed_twice
    assert finding.kind == "two-regions"
    assert [each.region for each in finding.records] == ["us-east-1", "eu-west-1"]


def test_the_region_is_the_one_the_request_is_signed_for(far: SimulatorWorld, url: str) -> None:
    client = make_client(endpoint_url=url, region_name="eu-central-1")
    client.batch_meter_usage(UsageRecords=[record()])
    client.close()
    assert [each.region for each in far.simulator.accepted] == ["eu-central-1"]
