"""AWS JSON 1.1 on the wire: where a request names its operation and its region."""

import re
from typing import Final

CONTENT_TYPE: Final = "application/x-amz-json-1.1"
TARGET: Final = "AWSMPMeteringService"
_SCOPE: Final = re.compile(r"Credential=[^/,\s]+/\d{8}/([a-z0-9-]+)/")

# The regions in which BatchMeterUsage answers. Not China, which has rules of its own: [Q25].
# https://docs.aws.amazon.com/marketplace/latest/developerguide/metering-regions.html
DEFAULT_REGION: Final = "us-east-1"
_REGIONS: Final = (
    "us-east-1 us-east-2 us-west-1 us-west-2 ca-central-1 sa-east-1 "
    "eu-west-1 eu-west-2 eu-west-3 eu-central-1 eu-central-2 eu-north-1 eu-south-1 eu-south-2 "
    "af-south-1 me-south-1 me-central-1 il-central-1 "
    "ap-east-1 ap-south-1 ap-south-2 ap-northeast-1 ap-northeast-2 ap-northeast-3 "
    "ap-southeast-1 ap-southeast-2 ap-southeast-3 ap-southeast-4"
)
BATCH_METER_USAGE_REGIONS: Final = frozenset(_REGIONS.split())


def operation_of(target: str) -> str | None:
    """The operation of an X-Amz-Target header, or None if it addresses another service."""
    service, _, operation = target.partition(".")
    return operation if service == TARGET and operation else None


def region_of(authorization: str) -> str:
    """The region a request was signed for; unsigned requests count as the default region's."""
    scope = _SCOPE.search(authorization)
    return scope.group(1) if scope is not None else DEFAULT_REGION
