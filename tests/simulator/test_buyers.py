"""Products, buyers, licences and registration tokens."""

import json
from datetime import UTC, datetime, timedelta

import pytest
from botocore.exceptions import ClientError

from tests.simulator.world import (
    BUYER,
    HOUR,
    LICENSE,
    NOW,
    OTHER_BUYER,
    OTHER_LICENSE,
    OTHER_PRODUCT,
    PRODUCT,
    TWO_PM,
    SimulatorWorld,
    legacy,
    record,
)

MINUTE = timedelta(minutes=1)


def test_what_was_never_declared_is_accepted(world: SimulatorWorld) -> None:
    assert world.statuses(record(Dimension="anything")) == ["Success"]
    assert world.statuses(legacy(Dimension="anything"), product="any-product") == ["Success"]


def test_a_strict_simulator_refuses_undeclared_products(world: SimulatorWorld) -> None:
    world.simulator.strict = True
    assert world.refusal(legacy(), product="any-product") == (
        "InvalidProductCodeException",
        "The product code 'any-product' is not yours",
    )


def test_a_strict_simulator_refuses_undeclared_licences(world: SimulatorWorld) -> None:
    world.simulator.strict = True
    assert world.refusal(record()) == (
        "InvalidLicenseException",
        f"The license {LICENSE} does not exist",
    )


def test_an_empty_product_code_is_no_product(world: SimulatorWorld) -> None:
    assert world.refusal_code(legacy(), product="") == "InvalidProductCodeException"


def test_a_dimension_must_be_on_the_product(world: SimulatorWorld) -> None:
    world.declare()
    world.subscribe()
    refusal = (
        "InvalidUsageDimensionException",
        f"The dimension 'Api-calls' is not one of {PRODUCT}",
    )
    assert world.refusal(record(), record(Dimension="Api-calls")) == refusal
    assert world.refusal(legacy(Dimension="Api-calls"), product=PRODUCT) == refusal


def test_a_buyer_without_subscription_is_not_subscribed(world: SimulatorWorld) -> None:
    world.declare()
    world.subscribe()
    stranger = legacy(CustomerAWSAccountId=OTHER_BUYER)
    results = world.send(legacy(), stranger, product=PRODUCT)["Results"]
    assert [each["Status"] for each in results] == ["Success", "CustomerNotSubscribed"]
    assert "MeteringRecordId" not in results[1]
    assert world.quantities() == [17]


@pytest.mark.parametrize("account", ["1", "12345678901", "1234567890123"])
def test_an_account_id_that_is_not_12_digits_is_not_subscribed(
    world: SimulatorWorld, account: str
) -> None:
    usage = record(CustomerAWSAccountId=account)
    assert world.statuses(usage) == ["CustomerNotSubscribed"]


def test_not_subscribed_heals_when_the_buyer_subscribes(world: SimulatorWorld) -> None:
    world.declare()
    assert world.statuses(legacy(), product=PRODUCT) == ["CustomerNotSubscribed"]
    world.subscribe(license_arn=None)
    assert world.statuses(legacy(), product=PRODUCT) == ["Success"]


def test_a_license_of_another_account_is_invalid(world: SimulatorWorld) -> None:
    world.declare()
    world.subscribe()
    assert world.refusal(record(CustomerAWSAccountId=OTHER_BUYER)) == (
        "InvalidLicenseException",
        f"The license {LICENSE} is not one of {OTHER_BUYER}",
    )


def test_licences_of_two_products_in_one_call_are_refused(world: SimulatorWorld) -> None:
    world.declare()
    world.subscribe()
    world.subscribe(product_code=OTHER_PRODUCT, license_arn=OTHER_LICENSE)
    both = record(), record(LicenseArn=OTHER_LICENSE)
    assert world.refusal_code(*both) == "InvalidLicenseException"
    assert world.statuses(both[0]) == world.statuses(both[1]) == ["Success"]


def test_several_buyers_of_one_product_share_a_call(world: SimulatorWorld) -> None:
    world.declare()
    world.subscribe()
    world.subscribe(account=OTHER_BUYER, license_arn=OTHER_LICENSE)
    other = record(CustomerAWSAccountId=OTHER_BUYER, LicenseArn=OTHER_LICENSE)
    assert world.statuses(record(), other) == ["Success", "Success"]


def test_usage_before_the_licence_started_is_an_invalid_licence(world: SimulatorWorld) -> None:
    world.declare()
    world.subscribe(starts_at=TWO_PM + MINUTE)
    assert world.refusal(record(Timestamp=TWO_PM)) == (
        "InvalidLicenseException",
        f"The usage is outside the period of license {LICENSE}",
    )
    assert world.statuses(record(Timestamp=TWO_PM + MINUTE)) == ["Success"]


def test_usage_after_the_licence_ended_is_an_invalid_licence(world: SimulatorWorld) -> None:
    world.declare()
    world.subscribe(ends_at=NOW - MINUTE)
    assert world.refusal_code(record(Timestamp=NOW - MINUTE)) == "InvalidLicenseException"
    assert world.statuses(record(Timestamp=NOW - 2 * MINUTE)) == ["Success"]


def test_usage_before_a_subscription_started_is_out_of_bounds(world: SimulatorWorld) -> None:
    world.declare()
    world.subscribe(license_arn=None, starts_at=TWO_PM + MINUTE)
    code, message = world.refusal(legacy(Timestamp=TWO_PM), product=PRODUCT)
    assert code == "TimestampOutOfBoundsException"
    assert "is before the start of the subscription" in message
    assert world.statuses(legacy(Timestamp=TWO_PM + MINUTE), product=PRODUCT) == ["Success"]


def test_usage_after_a_subscription_ended_is_not_subscribed(world: SimulatorWorld) -> None:
    world.declare()
    world.subscribe(license_arn=None, ends_at=NOW - MINUTE)
    usage = legacy(Timestamp=NOW - MINUTE)
    assert world.statuses(usage, product=PRODUCT) == ["CustomerNotSubscribed"]


@pytest.mark.parametrize("licensed", [True, False])
def test_final_records_are_accepted_for_one_hour(world: SimulatorWorld, licensed: bool) -> None:
    product = None if licensed else PRODUCT
    usage = record if licensed else legacy
    world.declare()
    world.subscribe(license_arn=LICENSE if licensed else None)
    world.simulator.unsubscribe(
        PRODUCT, BUYER, license_arn=LICENSE if licensed else None, ends_at=NOW
    )
    world.clock.set(NOW + HOUR - timedelta(seconds=1), frozen=True)
    assert world.statuses(usage(), product=product) == ["Success"]
    world.clock.set(NOW + HOUR, frozen=True)
    later = usage(Timestamp=TWO_PM + HOUR)
    assert world.statuses(later, product=product) == ["CustomerNotSubscribed"]


def test_a_subscription_that_was_renewed_goes_on(world: SimulatorWorld) -> None:
    world.declare()
    world.subscribe(ends_at=NOW)
    world.subscribe(starts_at=NOW)
    world.clock.set(NOW + 3 * HOUR, frozen=True)
    assert world.statuses(record(), record(Timestamp=NOW + HOUR)) == ["Success", "Success"]


def test_a_subscription_that_has_not_started_takes_no_records(world: SimulatorWorld) -> None:
    world.declare()
    world.read_as(newestStamp="any")
    world.subscribe(starts_at=NOW + HOUR)
    assert world.statuses(record(Timestamp=NOW + HOUR)) == ["CustomerNotSubscribed"]


def test_resolve_customer_names_buyer_product_licence_and_agreement(world: SimulatorWorld) -> None:
    world.declare()
    body = json.dumps({"RegistrationToken": world.subscribe()}).encode()
    status, answer = world.raw("ResolveCustomer", body)
    assert status == 200
    agreement = answer["Metadata"]["AgreementId"]
    assert answer == {
        "ProductCode": PRODUCT,
        "CustomerAWSAccountId": BUYER,
        "LicenseArn": LICENSE,
        "Metadata": {"AgreementId": agreement},
    }
    assert agreement.startswith("agmt-")


def test_resolve_customer_names_the_identifier_of_old_products_only(world: SimulatorWorld) -> None:
    world.declare()
    token = world.subscribe(license_arn=None, customer_identifier="old-buyer")
    answer = world.client.resolve_customer(RegistrationToken=token)
    assert answer["CustomerIdentifier"] == "old-buyer"
    assert "LicenseArn" not in answer


def test_a_token_can_be_resolved_repeatedly_for_4_hours(world: SimulatorWorld) -> None:
    world.declare()
    token = world.subscribe()
    world.clock.set(NOW + 4 * HOUR - timedelta(seconds=1), frozen=True)
    for _ in range(2):
        world.client.resolve_customer(RegistrationToken=token)
    world.clock.set(NOW + 4 * HOUR, frozen=True)
    with pytest.raises(ClientError) as caught:
        world.client.resolve_customer(RegistrationToken=token)
    assert caught.value.response["Error"]["Code"] == "ExpiredTokenException"


def test_an_unknown_token_is_invalid(world: SimulatorWorld) -> None:
    body = {"RegistrationToken": "stolen"}
    assert world.raw_refusal(body, "ResolveCustomer")[0] == "InvalidTokenException"


@pytest.mark.parametrize("body", [{}, {"RegistrationToken": ""}])
def test_a_token_is_required(world: SimulatorWorld, body: dict[str, str]) -> None:
    assert world.raw_refusal(body, "ResolveCustomer")[0] == "ValidationException"


def test_subscribing_needs_a_declared_product(near: SimulatorWorld) -> None:
    with pytest.raises(ValueError, match="'acmelogs0000000000000001' is not declared"):
        near.subscribe()


def test_a_licence_cannot_be_given_to_a_second_buyer(near: SimulatorWorld) -> None:
    near.declare()
    near.subscribe()
    with pytest.raises(ValueError, match=f"belongs to {BUYER}; use another ARN"):
        near.subscribe(account=OTHER_BUYER)


def test_a_subscription_must_end_after_its_start(near: SimulatorWorld) -> None:
    near.declare()
    with pytest.raises(ValueError, match="must end after it starts"):
        near.subscribe(starts_at=NOW, ends_at=NOW)


def test_naive_instants_are_refused(near: SimulatorWorld) -> None:
    near.declare()
    naive = datetime(2026, 11, 1, tzinfo=UTC).replace(tzinfo=None)
    with pytest.raises(ValueError, match="has no time zone"):
        near.subscribe(starts_at=naive)
