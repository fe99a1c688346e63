"""The model's field rules: type, length, range and pattern of every member."""

import json
from typing import Any

import pytest

from tests.simulator.world import BUYER, LICENSE, PRODUCT, SimulatorWorld, decimal, legacy, record


def wire(**changes: Any) -> dict[str, Any]:
    """A record as JSON, for what boto3 refuses to send."""
    return record(**{"Timestamp": 1795183200, **changes})


def test_a_request_may_have_25_records(world: SimulatorWorld) -> None:
    batch = [record(Dimension=f"d{number}") for number in range(25)]
    assert world.statuses(*batch) == ["Success"] * 25


def test_26_records_are_refused(world: SimulatorWorld) -> None:
    code, message = world.refusal(*[record(Dimension=f"d{number}") for number in range(26)])
    assert code == "ValidationException"
    assert message == (
        "1 validation error detected: Value 'list of 26' at 'usageRecords' failed to satisfy"
        " constraint: Member must have length less than or equal to 25"
    )


def test_an_empty_list_of_records_is_an_empty_answer(world: SimulatorWorld) -> None:
    answer = world.send()
    assert (answer["Results"], answer["UnprocessedRecords"]) == ([], [])


def test_usage_records_are_required(world: SimulatorWorld) -> None:
    assert world.raw_refusal({}) == (
        "ValidationException",
        "1 validation error detected: Value null at 'usageRecords' failed to satisfy constraint:"
        " Member must not be null",
    )


@pytest.mark.parametrize("member", ["Timestamp", "Dimension"])
def test_timestamp_and_dimension_are_required(world: SimulatorWorld, member: str) -> None:
    code, message = world.raw_refusal({"UsageRecords": [wire(**{member: None})]})
    assert code == "ValidationException"
    assert f"usageRecords.1.member.{member.lower()}" in message


def test_a_dimension_has_1_to_255_characters(world: SimulatorWorld) -> None:
    assert world.raw_refusal({"UsageRecords": [wire(Dimension="")]})[0] == "ValidationException"
    assert world.refusal_code(record(Dimension="x" * 256)) == "ValidationException"
    assert world.statuses(record(Dimension="x" * 255)) == ["Success"]


def test_a_dimension_may_have_any_character(world: SimulatorWorld) -> None:
    assert world.statuses(record(Dimension="API calls\n(größer)")) == ["Success"]


@pytest.mark.parametrize("quantity", [0, 2_147_483_647])
def test_a_whole_quantity_may_be_0_to_2147483647(world: SimulatorWorld, quantity: int) -> None:
    assert world.statuses(record(Quantity=quantity)) == ["Success"]
    assert world.quantities() == [quantity]


def test_a_larger_whole_quantity_is_refused(world: SimulatorWorld) -> None:
    code, message = world.refusal(record(Quantity=2_147_483_648))
    assert code == "ValidationException"
    assert message.endswith("Member must have value less than or equal to 2147483647")


def test_a_negative_quantity_is_refused(world: SimulatorWorld) -> None:
    code, message = world.raw_refusal({"UsageRecords": [wire(Quantity=-1)]})
    assert code == "ValidationException"
    assert message.endswith("Member must have value greater than or equal to 0")


@pytest.mark.parametrize("quantity", [1.5, 17.0, "17", True, [], {}])
def test_a_quantity_must_be_a_json_integer(world: SimulatorWorld, quantity: Any) -> None:
    code, _ = world.raw_refusal({"UsageRecords": [wire(Quantity=quantity)]})
    assert code == "SerializationException"


@pytest.mark.parametrize("quantity", ["0", "0.5", "17", "17.00", "0.000001", "9999999999.999999"])
def test_a_decimal_quantity_has_up_to_10_and_6_digits(world: SimulatorWorld, quantity: str) -> None:
    assert world.statuses(decimal(quantity)) == ["Success"]


@pytest.mark.parametrize(
    "quantity",
    ["01", "-1", "+1", "1e3", ".5", "5.", "1.0000001", "10000000000", "1,5", " 1", "1\n", "٣"],
)
def test_any_other_spelling_of_a_decimal_is_refused(world: SimulatorWorld, quantity: str) -> None:
    assert world.refusal_code(decimal(quantity)) == "ValidationException"


def test_a_decimal_quantity_has_at_most_17_characters(world: SimulatorWorld) -> None:
    _, message = world.refusal(decimal("9999999999.9999999"))
    assert message.startswith("2 validation errors detected: Value '9999999999.9999999' at")
    assert "Member must have length less than or equal to 17;" in message


def test_both_quantities_fail_the_whole_request(world: SimulatorWorld) -> None:
    good, bad = record(Dimension="good"), record(QuantityAsDecimal="17")
    assert world.refusal(good, bad) == (
        "ValidationException",
        "1 validation error detected: usageRecords.2.member must not have both quantity and"
        " quantityAsDecimal",
    )


def test_no_quantity_counts_as_zero(world: SimulatorWorld) -> None:
    assert world.statuses(record(Quantity=None)) == ["Success"]
    assert world.quantities() == [0]


@pytest.mark.parametrize("account", ["abc", "1111-2222-3333", "11112222333x", "111122223333\n"])
def test_an_account_id_has_only_digits(world: SimulatorWorld, account: str) -> None:
    assert world.refusal_code(record(CustomerAWSAccountId=account)) == "ValidationException"


def test_an_account_id_that_is_a_number_is_refused(world: SimulatorWorld) -> None:
    body = {"UsageRecords": [wire(CustomerAWSAccountId=int(BUYER))]}
    assert world.raw_refusal(body)[0] == "SerializationException"


def test_an_account_id_with_leading_zeros_stays_a_string(world: SimulatorWorld) -> None:
    answer = world.send(record(CustomerAWSAccountId="000000000001"))
    assert answer["Results"][0]["UsageRecord"]["CustomerAWSAccountId"] == "000000000001"


@pytest.mark.parametrize(
    "arn",
    [
        "l-1",
        "aws:license-manager:us-east-1:999988887777:l-1",
        "arn:aws:license-manager::999988887777:",
        LICENSE + "\n",
        LICENSE + "x" * 1024,
    ],
)
def test_a_license_arn_follows_the_models_pattern(world: SimulatorWorld, arn: str) -> None:
    code, message = world.refusal(record(LicenseArn=arn))
    assert code == "ValidationException"
    assert "at 'usageRecords.1.member.licenseArn'" in message


@pytest.mark.parametrize(
    "arn",
    ["arn:aws:license-manager::1:license/lic-1", "arn:aws-cn:license-manager:r:1:license:l-1"],
)
def test_every_spelling_that_the_pattern_allows_is_a_license_arn(
    world: SimulatorWorld, arn: str
) -> None:
    assert world.statuses(record(LicenseArn=arn)) == ["Success"]


@pytest.mark.parametrize("code", ["two words", "x" * 256, "code\n"])
def test_a_product_code_follows_the_models_pattern(world: SimulatorWorld, code: str) -> None:
    assert world.refusal_code(legacy(), product=code) == "ValidationException"


def test_a_customer_identifier_has_at_most_255_characters(world: SimulatorWorld) -> None:
    one = legacy(CustomerAWSAccountId=None, CustomerIdentifier="c" * 255)
    two = legacy(CustomerAWSAccountId=None, CustomerIdentifier="c" * 256)
    assert world.statuses(one, product=PRODUCT) == ["Success"]
    world.simulator.reset()
    assert world.refusal_code(two, product=PRODUCT) == "ValidationException"


def test_all_broken_rules_are_listed_at_once(world: SimulatorWorld) -> None:
    _, message = world.refusal(
        record(Quantity=2**31, LicenseArn="l-1"), record(Dimension="x" * 256)
    )
    assert message.startswith("3 validation errors detected: ")


def test_members_that_the_model_does_not_know_are_ignored(world: SimulatorWorld) -> None:
    body = {"UsageRecords": [wire(Colour="blue")], "Note": 1.5}
    status, answer = world.raw("BatchMeterUsage", json.dumps(body).encode())
    assert status == 200
    assert "Colour" not in answer["Results"][0]["UsageRecord"]


@pytest.mark.parametrize("stamp", ["2026-11-20T14:00:00Z", True, [1795183200]])
def test_a_timestamp_is_a_number_of_seconds(world: SimulatorWorld, stamp: Any) -> None:
    body = {"UsageRecords": [wire(Timestamp=stamp)]}
    assert world.raw_refusal(body)[0] == "SerializationException"


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"1e99999999999999999999", b"NaN", b"\xff"])
def test_a_body_that_is_no_json_object_is_refused(world: SimulatorWorld, body: bytes) -> None:
    assert world.raw_refusal(body)[0] == "SerializationException"


def test_a_request_of_a_megabyte_is_refused(world: SimulatorWorld) -> None:
    body = json.dumps({"UsageRecords": [wire()]}).encode()
    padded = body + b" " * (1_000_000 - len(body))
    assert world.raw_refusal(padded) == (
        "ValidationException",
        "Request size 1000000 must be less than 1000000 bytes",
    )
    assert world.raw("BatchMeterUsage", padded[:-1])[0] == 200


@pytest.mark.parametrize("operation", ["MeterUsage", "RegisterUsage", "Nonsense"])
def test_other_operations_are_unknown(world: SimulatorWorld, operation: str) -> None:
    assert world.raw_refusal({}, operation)[0] == "UnknownOperationException"
