"""`metering license`: a licence under two product codes is refused, shown and given away."""

from __future__ import annotations

import time

import pytest

from tests.cli.conftest import Metering, usage

LICENSE = "arn:aws:license-manager::444455556666:license:l-0123456789abcdef"


def _hours_ago(hours: float) -> int:
    return int((time.time() - hours * 3_600) * 1_000)


def test_a_licence_that_was_metered_under_the_wrong_product_code(
    metering: Metering, caplog: pytest.LogCaptureFixture
) -> None:
    assert "belongs to no product yet" in metering("license", LICENSE).stdout
    first = usage(
        create_timestamp=_hours_ago(3), quantity=5, licenseArn=LICENSE, productCode="prod-wrong"
    )
    metering("record", "-", stdin=first)
    metering("seal")
    assert "is metered under product prod-wrong\n" in metering("license", LICENSE).stdout
    second = usage(
        create_timestamp=_hours_ago(2), quantity=7, licenseArn=LICENSE, productCode="prod-right"
    )
    metering("record", "-", stdin=second)
    assert metering("run").exit_code == 3
    assert "refused input, quantity 7, prod-right" in caplog.text
    assert f"metering license {LICENSE} --product prod-right" in caplog.text
    checked = metering("status", "--check")
    assert checked.exit_code == 3

    given = metering("license", LICENSE, "--product", "prod-right")
    assert given.exit_code == 0
    assert "is metered under product prod-right, in the hours from " in given.stdout
    assert f"metering retry --license-arn {LICENSE}" in given.stdout
    again = metering("license", LICENSE, "--product", "prod-right")
    assert "nothing to do" in again.stdout
    retried = metering("retry", "--license-arn", LICENSE)
    assert "1 listed usage records are pending again" in retried.stdout
    assert "sealed 0 entries" in metering("seal").stdout  # its hours are still to come


def test_what_is_no_licence_or_product_code_is_said(metering: Metering) -> None:
    wrong = metering("license", "l-0123")
    assert wrong.exit_code == 2
    assert "l-0123 is no licence ARN" in wrong.stderr
    wrong = metering("license", LICENSE, "--product", "no code")
    assert wrong.exit_code == 2
    assert "--product no code: 1 to 255 letters" in wrong.stderr
