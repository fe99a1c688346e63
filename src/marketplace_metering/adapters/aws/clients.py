"""The one factory of boto3's clients: whom they call, how long they wait, how often they try."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    import boto3

AwsClient: TypeAlias = Any  # boto3 makes its clients at run time

# In botocore's words. Its own minute is too long for a function that has three.
DEFAULTS = {"connect_timeout": 5, "read_timeout": 20, "max_pool_connections": 10}
# botocore's own four are few for a table that grows with its load, and nobody else repeats a
# request that DynamoDB throttles as a whole.
DYNAMODB_RETRIES = {"mode": "standard", "total_max_attempts": 10}
ONE_REQUEST = {"mode": "standard", "total_max_attempts": 1}  # `retries` of a client without any


def open_session(
    *,
    region: str | None = None,
    profile: str | None = None,
    **more: Any,  # noqa: ANN401 - as boto3
) -> boto3.session.Session:
    """A session of boto3 that takes its region from where the AWS CLI 2 and the other SDKs do.

    boto3 itself knows AWS_DEFAULT_REGION and the profile's region only; they put AWS_REGION first.
    """
    import boto3

    return boto3.session.Session(region_name=region or _aws_region(), profile_name=profile, **more)


def _aws_region() -> str | None:
    return os.environ.get("AWS_REGION") or None


def usual_region() -> tuple[str | None, str]:
    """The region of the AWS settings, and what names it."""
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION"):
        if region := os.environ.get(name):
            return region, name
    return open_session().region_name, "the AWS profile"


def connect(
    service: str,
    *,
    region: str | None = None,
    session: boto3.session.Session | None = None,
    endpoint_url: str | None = None,
    **config: Any,  # noqa: ANN401 - as botocore
) -> AwsClient:
    """A client of a service, with AWS's usual settings where no argument says otherwise.

    session  default: boto3's own, from which one thread at a time may make clients
    config   as botocore.config.Config takes it: timeouts in seconds, `max_pool_connections`,
             `retries` (default: botocore's, or ours for DynamoDB), `proxies` ({} for none)
    """
    import boto3
    from botocore.config import Config

    make: Any = (session or boto3).client
    if session is None:
        region = region or _aws_region()
    ours = {"retries": DYNAMODB_RETRIES} if service == "dynamodb" else {}
    chosen = Config(**{**DEFAULTS, **ours, **config})
    return make(service, region_name=region, endpoint_url=endpoint_url, config=chosen)
