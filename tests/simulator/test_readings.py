"""Every switch both ways: the default first, then the other readings of AWS's sources."""

from dataclasses import fields
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, get_args, get_type_hints

import pytest

from marketplace_metering.simulator import Readings
from tests.simulator.world import (
    HOUR,
    NOW,
    OTHER_LICENSE,
    OTHER_PRODUCT,
    PRODUCT,
    TWO_PM,
    SimulatorWorld,
    allocation,
    decimal,
    legacy,
    record,
)

MINUTE = timedelta(minutes=1)
GRACE = datetime(2026, 12, 1, 5, 0, tzinfo=UTC)


def test_same_time_hour_or_timestamp(world: SimulatorWorld) -> None:
    later = record(Quantity=1, Timestamp=TWO_PM + MINUTE)
    assert world.statuses(record(), later) == ["Success", "DuplicateRecord"]
    world.simulator.reset()
    world.read_as(sameTime="timestamp")
    assert world.statuses(record(), later) == ["Success", "Success"]
    assert [each.kind for each in world.simulator.audit.billed_twice] == ["two-stamps-in-one-hour"]


def test_identical_retry_success_or_duplicate(world: SimulatorWorld) -> None:
    assert world.statuses(record(), record()) == ["Success", "Success"]
    world.simulator.reset()
    world.read_as(identicalRetry="duplicate")
    assert world.statuses(record(), record()) == ["Success", "DuplicateRecord"]
    assert world.quantities() == [17]


def test_month_end_grace_cuts_or_extends(world: SimulatorWorld) -> None:
    world.clock.set(GRACE, frozen=True)
    old = record(Timestamp=datetime(2026, 11, 10, tzinfo=UTC))
    assert world.refusal_code(old) == "TimestampOutOfBoundsException"
    world.read_as(monthEndGrace="extends")
    assert world.statuses(old) == ["Success"]
    world.clock.set(GRACE + HOUR, frozen=True)
    assert world.refusal_code(old) == "TimestampOutOfBoundsException"


def test_month_end_grace_extends_nothing_before_the_month_is_over(world: SimulatorWorld) -> None:
    world.read_as(monthEndGrace="extends")
    midnight = datetime(2026, 12, 1, tzinfo=UTC)
    day_old = record(Timestamp=midnight - 24 * HOUR - MINUTE)
    world.clock.set(midnight - MINUTE, frozen=True)
    assert world.refusal_code(day_old) == "TimestampOutOfBoundsException"
    world.clock.set(midnight, frozen=True)
    assert world.statuses(day_old) == ["Success"]


def test_stamp_before_start_refused_or_accepted_in_the_same_hour(world: SimulatorWorld) -> None:
    world.declare()
    world.subscribe(starts_at=TWO_PM + 20 * MINUTE)
    assert world.refusal_code(record(Timestamp=TWO_PM)) == "InvalidLicenseException"
    code = world.refusal_code(legacy(Timestamp=TWO_PM), product=PRODUCT)
    assert code == "TimestampOutOfBoundsException"
    world.read_as(stampBeforeStart="same-hour-accepted")
    assert world.statuses(record(Timestamp=TWO_PM)) == ["Success"]
    assert world.statuses(legacy(Timestamp=TWO_PM), product=PRODUCT) == ["Success"]
    early = record(Timestamp=TWO_PM - timedelta(seconds=1))
    assert world.refusal_code(early) == "InvalidLicenseException"


def test_not_subscribed_recoverable_or_final(world: SimulatorWorld) -> None:
    world.declare()
    world.read_as(notSubscribed="final")
    assert world.statuses(legacy(), product=PRODUCT) == ["CustomerNotSubscribed"]
    world.subscribe()
    assert world.statuses(legacy(), product=PRODUCT) == ["CustomerNotSubscribed"]
    world.read_as(notSubscribed="recoverable")
    assert world.statuses(legacy(), product=PRODUCT) == ["Success"]


@pytest.mark.parametrize(
    ("reading", "last_open"),
    [
        ("closed-by-deprovision", NOW + 10 * MINUTE),
        ("after-agreement-end", NOW + HOUR),
        ("opened-by-deprovision", NOW + 10 * MINUTE + HOUR),
    ],
)
def test_the_final_hour_has_three_readings(
    world: SimulatorWorld, reading: str, last_open: datetime
) -> None:
    world.read_as(finalHour=reading)
    world.declare()
    world.subscribe(ends_at=NOW, deprovisioned_at=NOW + 10 * MINUTE)
    world.clock.set(last_open, frozen=True)
    assert world.statuses(record()) == ["CustomerNotSubscribed"]
    world.clock.set(last_open - timedelta(seconds=1), frozen=True)
    assert world.statuses(record()) == ["Success"]


@pytest.mark.parametrize("reading", get_args(get_type_hints(Readings)["final_hour"]))
def test_without_a_deprovision_all_readings_give_one_hour(
    world: SimulatorWorld, reading: str
) -> None:
    world.read_as(finalHour=reading)
    world.declare()
    world.subscribe(ends_at=NOW)
    world.clock.set(NOW + HOUR, frozen=True)
    assert world.statuses(record()) == ["CustomerNotSubscribed"]
    world.clock.set(NOW + HOUR - timedelta(seconds=1), frozen=True)
    assert world.statuses(record()) == ["Success"]


def test_product_code_with_account_allowed_or_refused(world: SimulatorWorld) -> None:
    assert world.statuses(legacy(), product=PRODUCT) == ["Success"]
    world.read_as(productCodeWithAccount="refused")
    assert world.refusal_code(legacy(), product=PRODUCT) == "ValidationException"
    old = legacy(CustomerAWSAccountId=None, CustomerIdentifier="old-buyer")
    assert world.statuses(record()) == world.statuses(old, product=PRODUCT) == ["Success"]


def test_five_tags_per_allocation_or_per_record(world: SimulatorWorld) -> None:
    red = {f"red{number}": "x" for number in range(3)}
    blue = {f"blue{number}": "x" for number in range(3)}
    usage = record(UsageAllocations=[allocation(10, **red), allocation(7, **blue)])
    world.read_as(fiveTagsPer="record")
    assert world.refusal_code(usage) == "InvalidTagException"
    same_keys = record(UsageAllocations=[allocation(10, **red), allocation(7, **red, a="b")])
    assert world.statuses(same_keys) == ["Success"]
    world.simulator.reset()
    assert world.statuses(usage) == ["Success"]


def test_empty_tag_value_refused_or_allowed(world: SimulatorWorld) -> None:
    tags: list[dict[str, Any]] = [{"Key": "team", "Value": ""}]
    bucket = {"AllocatedUsageQuantity": 17, "Tags": tags}
    body = {"UsageRecords": [record(Timestamp=1795183200, UsageAllocations=[bucket])]}
    assert world.raw_refusal(body)[0] == "InvalidTagException"
    world.read_as(emptyTagValue="allowed")
    tags.append({"Key": "env", "Value": None})
    assert world.simulator.answer("BatchMeterUsage", body, NOW).status == 200
    assert world.simulator.accepted[0].content.allocations[0].tags == (("env", ""), ("team", ""))


def test_tag_characters_as_pattern_or_as_listed(world: SimulatorWorld) -> None:
    usage = record(UsageAllocations=[allocation(17, team="a*b")])
    assert world.statuses(usage) == ["Success"]
    world.simulator.reset()
    world.read_as(tagCharacters="listed")
    assert world.refusal_code(usage) == "InvalidTagException"
    plain = record(UsageAllocations=[allocation(17, team="a -=._:/@+b")])
    assert world.statuses(plain) == ["Success"]


@pytest.mark.parametrize(("reading", "limit"), [("decimal", 1_000_000), ("binary", 1_048_576)])
def test_a_megabyte_decimal_or_binary(world: SimulatorWorld, reading: str, limit: int) -> None:
    world.read_as(megabyte=reading)
    empty = b'{"UsageRecords":[]}'
    assert world.raw("BatchMeterUsage", empty.ljust(limit - 1))[0] == 200
    assert world.raw_refusal(empty.ljust(limit))[0] == "ValidationException"


@pytest.mark.parametrize(("reading", "billed"), [("per-region", [17, 17]), ("global", [17])])
def test_deduplication_per_region_or_global(
    world: SimulatorWorld, reading: str, billed: list[int]
) -> None:
    world.read_as(deduplication=reading)
    world.send(record())
    world.faults.answer("BatchMeterUsage", {"UsageRecords": [record()]}, NOW, "eu-west-1")
    assert world.quantities() == billed


def test_several_products_refused_or_allowed(world: SimulatorWorld) -> None:
    world.declare()
    world.subscribe()
    world.subscribe(product_code=OTHER_PRODUCT, license_arn=OTHER_LICENSE)
    both = record(), record(LicenseArn=OTHER_LICENSE)
    assert world.refusal_code(*both) == "InvalidLicenseException"
    world.read_as(severalProducts="allowed")
    assert world.statuses(*both) == ["Success", "Success"]


def test_retried_allocations_ignored_or_compared(world: SimulatorWorld) -> None:
    red, blue = (record(UsageAllocations=[allocation(17, team=team)]) for team in ("red", "blue"))
    assert world.statuses(red, blue) == ["Success", "Success"]
    world.simulator.reset()
    world.read_as(retriedAllocations="compared")
    assert world.statuses(red, blue, red) == ["Success", "DuplicateRecord", "Success"]


@pytest.mark.parametrize(
    ("reading", "newest"),
    [
        ("now", NOW),
        ("closed-hours", TWO_PM + HOUR - timedelta(seconds=1)),
        ("any", NOW + timedelta(days=9)),
    ],
)
def test_the_newest_stamp_is_now_or_a_closed_hour_or_any(
    world: SimulatorWorld, reading: str, newest: datetime
) -> None:
    world.read_as(newestStamp=reading)
    if reading != "any":
        too_new = record(Timestamp=newest + timedelta(seconds=1))
        assert world.refusal_code(too_new) == "TimestampOutOfBoundsException"
    assert world.statuses(record(Timestamp=newest)) == ["Success"]


def test_decimals_accepted_or_refused(world: SimulatorWorld) -> None:
    assert world.statuses(decimal("0.5")) == ["Success"]
    world.read_as(decimals="refused")
    assert world.refusal_code(decimal("1.00", Dimension="other")) == "ValidationException"
    assert world.statuses(record(Dimension="other")) == ["Success"]


def test_a_product_can_say_for_itself_whether_it_accepts_decimals(world: SimulatorWorld) -> None:
    world.declare(decimals=False)
    world.subscribe()
    assert world.refusal_code(decimal("0.5")) == "ValidationException"
    world.read_as(decimals="refused")
    world.simulator.declare(PRODUCT, {"api-calls": Decimal("0.02")}, decimals=True)
    assert world.statuses(decimal("0.5")) == ["Success"]


def test_results_as_sent_or_reversed(world: SimulatorWorld) -> None:
    batch = [record(Dimension=f"d{number}") for number in range(3)]

    def dimensions() -> list[str]:
        results = world.send(*batch)["Results"]
        return [each["UsageRecord"]["Dimension"] for each in results]

    assert dimensions() == ["d0", "d1", "d2"]
    world.read_as(resultsOrder="reversed")
    assert dimensions() == ["d2", "d1", "d0"]


def test_the_echo_as_sent_or_as_a_normalised_decimal(world: SimulatorWorld) -> None:
    world.send(record())
    world.read_as(echoedQuantity="decimal")
    for usage in (record(), decimal("17.00")):
        echo = world.send(usage)["Results"][0]["UsageRecord"]
        assert echo == decimal("17")


def test_the_age_limit_is_24_hours_or_another_number(world: SimulatorWorld) -> None:
    world.read_as(windowHours=1)
    assert world.refusal_code(record(Timestamp=NOW - HOUR)) == "TimestampOutOfBoundsException"
    assert world.statuses(record(Timestamp=NOW - HOUR + MINUTE)) == ["Success"]


def test_every_switch_has_a_test_here() -> None:
    """Each reading's name in the admin API occurs in a call of `read_as` in this file."""
    with open(__file__, encoding="utf-8") as file:
        text = file.read()
    for name in Readings().as_json():
        assert f"read_as({name}=" in text, name
    assert len(Readings().as_json()) == len(fields(Readings))


@pytest.mark.parametrize(
    ("switches", "complaint"),
    [
        ({"sameTime": "day"}, "sameTime 'day' is no reading; use one of: hour, timestamp"),
        ({"sameTime": ["hour"]}, "is no reading"),
        ({"windowHours": 0}, "windowHours must be a whole number of hours, 1 to 744"),
        ({"windowHours": True}, "windowHours must be a whole number of hours, 1 to 744"),
        ({"colour": "blue"}, "unknown reading 'colour'; known are: sameTime, identicalRetry,"),
    ],
)
def test_what_is_no_reading_is_refused(switches: dict[str, object], complaint: str) -> None:
    with pytest.raises(ValueError) as caught:
        Readings().changed(switches)
    assert complaint in str(caught.value)
