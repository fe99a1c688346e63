"""The one factory of boto3's clients: whom they call, how long they wait, how often they try."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    import boto3

AwsClient: TypeAlias = Any  # boto3 makes its clients at run time

CONNECT_TIMEOUT_S = 5
READ_TIMEOUT_S = 20  # botocore's own minute is too long for a function that has three
CONNECTIONS = 10


def connect(
    service: str,
    *,
    region: str | None = None,
    session: boto3.session.Session | None = None,
    attempts: int | None = None,
    connect_timeout_s: int = CONNECT_TIMEOUT_S,
    read_timeout_s: int = READ_TIMEOUT_S,
    connections: int = CONNECTIONS,
    endpoint_url: str | None = None,
    proxies: Mapping[str, str] | None = None,
) -> AwsClient:
    """A client of a service, with AWS's usual settings where an argument says nothing else.

    session      default: boto3's own, which must not be used by a thread beside others
    attempts     requests for one call, the first included; default: botocore's for the service
    connections  kept open at most: one for each thread that uses the client
    proxies      {}: none, although the environment names one
    """
    import boto3
    from botocore.config import Config

    given: dict[str, Any] = {}
    if attempts is not None:
        given["retries"] = {"mode": "standard", "total_max_attempts": attempts}
    if proxies is not None:
        given["proxies"] = proxies
    config = Config(
        connect_timeout=connect_timeout_s,
        read_timeout=read_timeout_s,
        max_pool_connections=connections,
        **given,
    )
    client: Any = (session or boto3).client
    return client(service, region_name=region, endpoint_url=endpoint_url, config=config)
