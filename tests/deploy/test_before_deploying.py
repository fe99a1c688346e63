"""What a deployment refuses before it packages or uploads anything."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from marketplace_metering.core.charter import Claim, begun
from marketplace_metering.core.policy import Policy
from marketplace_metering.deploy import DeployError
from marketplace_metering.deploy import stack as stacks

NOBODY: Any = None  # AWS is not called


def test_a_region_that_is_not_supported() -> None:
    request = stacks.Request(stack="demo", parameters={"MeteringRegion": "cn-northwest-1"})
    with pytest.raises(DeployError, match=r"MeteringRegion = cn-northwest-1 .* China is not supp"):
        stacks.prepare(NOBODY, request)


def test_a_grace_that_the_ledgers_window_is_too_short_for() -> None:
    charter = begun(Claim(region="us-east-1"), Policy(window_length=timedelta(hours=3)))
    stacks._check_grace(charter, timedelta(seconds=3_299))
    with pytest.raises(DeployError, match=r"window_length_hours = 3 refused.*Nothing was changed"):
        stacks._check_grace(charter, timedelta(seconds=3_300))
    stacks._check_grace(replace(charter, window_length=timedelta(hours=4)), timedelta(hours=1))
