"""boto3's clients: what they are to the type checker, and how long they may take."""

from __future__ import annotations

from typing import Any, TypeAlias

AwsClient: TypeAlias = Any  # boto3 makes its clients at run time

CONNECT_TIMEOUT_S = 5
READ_TIMEOUT_S = 20  # botocore's own minute is too long for a function that has three


def connect(service: str) -> AwsClient:
    """A client with the usual AWS settings, which repeats what certainly can be repeated."""
    import boto3
    from botocore.config import Config

    timeouts = Config(connect_timeout=CONNECT_TIMEOUT_S, read_timeout=READ_TIMEOUT_S)
    return boto3.client(service, config=timeouts)  # type: ignore[call-overload]
