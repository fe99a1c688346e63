"""Which combinations of product code, licence, account and identifier identify a buyer."""

from typing import Any

import pytest

from tests.simulator.world import BUYER, LICENSE, PRODUCT, SimulatorWorld, legacy, record

IDENTIFIER = "ifAPi5AcF3"


def test_license_and_account_is_the_form_of_new_products(world: SimulatorWorld) -> None:
    assert world.statuses(record()) == ["Success"]


def test_product_code_and_identifier_is_the_legacy_form(world: SimulatorWorld) -> None:
    old = legacy(CustomerAWSAccountId=None, CustomerIdentifier=IDENTIFIER)
    assert world.statuses(old, product=PRODUCT) == ["Success"]


def test_product_code_and_account_is_accepted(world: SimulatorWorld) -> None:
    assert world.statuses(legacy(), product=PRODUCT) == ["Success"]


@pytest.mark.parametrize(
    ("product", "identity", "wrong"),
    [
        (
            PRODUCT,
            {"CustomerAWSAccountId": BUYER, "LicenseArn": LICENSE},
            "must not have licenseArn when the request has productCode",
        ),
        (
            PRODUCT,
            {"CustomerAWSAccountId": BUYER, "CustomerIdentifier": IDENTIFIER},
            "must have only one of customerAWSAccountId and customerIdentifier",
        ),
        (
            None,
            {"CustomerAWSAccountId": BUYER},
            "must have licenseArn because the request has no productCode",
        ),
        (
            None,
            {"CustomerIdentifier": IDENTIFIER, "LicenseArn": LICENSE},
            "must have customerAWSAccountId with licenseArn, not customerIdentifier",
        ),
        (
            None,
            {"LicenseArn": LICENSE},
            "must have customerAWSAccountId or customerIdentifier",
        ),
    ],
)
def test_every_other_combination_of_identities_is_refused(
    world: SimulatorWorld, product: str | None, identity: dict[str, Any], wrong: str
) -> None:
    nobody = record(CustomerAWSAccountId=None, LicenseArn=None)
    refusal = world.refusal({**nobody, **identity}, product=product)
    assert refusal == ("ValidationException", f"usageRecords.1.member {wrong}")


def test_one_wrong_identity_fails_the_whole_request(world: SimulatorWorld) -> None:
    assert world.refusal_code(record(), legacy()) == "ValidationException"


def test_both_identities_for_one_hour_are_billed_twice(world: SimulatorWorld) -> None:
    assert world.statuses(record()) == ["Success"]
    assert world.statuses(legacy(), product=PRODUCT) == ["Success"]
    assert world.quantities() == [17, 17]
    (finding,) = world.simulator.audit.billed_twice
    assert finding.kind == "two-identities"
    assert [each.window.license_arn for each in finding.records] == [LICENSE, None]


def test_usage_of_two_products_is_not_billed_twice(world: SimulatorWorld) -> None:
    world.declare()
    world.subscribe()
    assert world.statuses(record()) == ["Success"]
    assert world.statuses(legacy(), product="another-product") == ["Success"]
    assert world.simulator.audit.billed_twice == []


def test_two_licences_of_one_buyer_are_separate_usage(world: SimulatorWorld) -> None:
    other = LICENSE[:-1] + "9"
    assert world.statuses(record(), record(LicenseArn=other)) == ["Success", "Success"]
    assert world.simulator.audit.billed_twice == []


def test_an_identifier_and_its_account_are_one_buyer(world: SimulatorWorld) -> None:
    world.declare()
    world.subscribe(license_arn=None, customer_identifier=IDENTIFIER)
    old = legacy(CustomerAWSAccountId=None, CustomerIdentifier=IDENTIFIER, Quantity=5)
    assert world.statuses(old, product=PRODUCT) == ["Success"]
    assert world.statuses(legacy(Quantity=6), product=PRODUCT) == ["DuplicateRecord"]
    assert world.quantities() == [5]


def test_an_unknown_identifier_of_a_declared_product_fails_the_request(
    world: SimulatorWorld,
) -> None:
    world.declare()
    old = legacy(CustomerAWSAccountId=None, CustomerIdentifier="nobody")
    assert world.refusal(old, product=PRODUCT) == (
        "InvalidCustomerIdentifierException",
        "The customer identifier 'nobody' does not exist",
    )
