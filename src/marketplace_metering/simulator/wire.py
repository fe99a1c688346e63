"""AWS JSON 1.1 on the wire: where a request names its operation and its region."""

import re
from typing import Final

from marketplace_metering.simulator.regions import DEFAULT_REGION

CONTENT_TYPE: Final = "application/x-amz-json-1.1"
TARGET: Final = "AWSMPMeteringService"
_SCOPE: Final = re.compile(r"Credential=[^/,\s]+/\d{8}/([a-z0-9-]+)/")


def operation_of(target: str) -> str | None:
    """The operation of an X-Amz-Target header, or None if it addresses another service."""
    service, _, operation = target.partition(".")
    return operation if service == TARGET and operation else None


def region_of(authorization: str) -> str:
    """The region a request was signed for; unsigned requests count as the default region's."""
    scope = _SCOPE.search(authorization)
    return scope.group(1) if scope is not None else DEFAULT_REGION
