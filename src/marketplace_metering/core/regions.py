"""The regions in which AWS takes usage of SaaS products: one table for all that names a region.

The SDK makes an address for any region, and where the API is missing nobody ever answers. [M19]
The template offers these, the command line and the functions refuse others, and the stand-in for
AWS answers in these only (it shares no code with us: a test compares).
"""

from __future__ import annotations

from marketplace_metering.core.policy import InvalidSettingError

METERING_REGIONS = (
    *("us-east-1", "us-east-2", "us-west-1", "us-west-2", "ca-central-1", "sa-east-1"),
    *("eu-west-1", "eu-west-2", "eu-west-3", "eu-central-1", "eu-central-2"),
    *("eu-north-1", "eu-south-1", "eu-south-2"),
    *("af-south-1", "me-south-1", "me-central-1", "il-central-1"),
    *("ap-east-1", "ap-south-1", "ap-south-2"),
    *("ap-northeast-1", "ap-northeast-2", "ap-northeast-3"),
    *("ap-southeast-1", "ap-southeast-2", "ap-southeast-3", "ap-southeast-4"),
)
# What stands in AWS's lists beside them, or is often tried, and why it is none of them.
NOT_SUPPORTED = {
    "cn-": "AWS China is not supported: its pages speak of records of the last hour only, and an "
    "hour is sent when it is over",
    "us-gov-": "AWS GovCloud takes usage of AMI and container products only",
    "eusc-": "the European Sovereign Cloud is not in AWS's list for SaaS products",
}


def check_region(name: str, region: str) -> None:
    """Refuse a region in which no usage can be billed; `name` is what named it."""
    if region in METERING_REGIONS:
        return
    why = next((f". {why}" for part, why in NOT_SUPPORTED.items() if region.startswith(part)), "")
    allowed = f"a region where SaaS usage is metered: {', '.join(METERING_REGIONS)}{why}"
    raise InvalidSettingError(name, region, allowed)
