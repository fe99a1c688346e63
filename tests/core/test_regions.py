"""One table of regions, and all that name a region say the same."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from marketplace_metering.core.policy import InvalidSettingError
from marketplace_metering.core.regions import METERING_REGIONS, NOT_SUPPORTED, check_region
from marketplace_metering.simulator.wire import BATCH_METER_USAGE_REGIONS

ROOT = Path(__file__).parents[2]
TEMPLATE = ROOT / "src/marketplace_metering/deploy/template.yaml"


def test_the_template_offers_these_regions_and_no_other() -> None:
    [_before, parameter] = TEMPLATE.read_text().split("  MeteringRegion:\n", 1)
    offered = re.search(r"AllowedValues: \[(.*)\]", parameter)
    assert offered is not None
    assert tuple(offered[1].split(", ")) == METERING_REGIONS


def test_the_simulator_answers_in_these_regions_and_no_other() -> None:
    assert frozenset(METERING_REGIONS) == BATCH_METER_USAGE_REGIONS


def test_the_page_of_settings_names_each_of_them() -> None:
    named = set(re.findall(r"`([a-z]+(?:-[a-z]+)+-\d)`", (ROOT / "docs/running.md").read_text()))
    assert set(METERING_REGIONS) <= named
    assert len(set(METERING_REGIONS)) == len(METERING_REGIONS)


@pytest.mark.parametrize(
    ("region", "why"),
    [
        ("cn-northwest-1", "AWS China is not supported"),
        ("cn-north-1", "AWS China is not supported"),
        ("us-gov-west-1", "GovCloud"),
        ("eusc-de-east-1", "Sovereign Cloud"),
        ("mars-1", "ap-southeast-4"),
        ("US-EAST-1", "us-east-1"),
        ("", "us-east-1"),
    ],
)
def test_another_region_is_refused_with_the_ones_that_there_are(region: str, why: str) -> None:
    with pytest.raises(InvalidSettingError) as refused:
        check_region("AWS_REGION", region)
    assert f"setting AWS_REGION = {region} refused: must be a region" in str(refused.value)
    assert why in str(refused.value)


def test_what_is_said_not_to_be_supported_is_not() -> None:
    for region in METERING_REGIONS:
        check_region("region", region)
        assert not any(region.startswith(part) for part in NOT_SUPPORTED)
