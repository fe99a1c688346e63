"""Lets an unmodified boto3 client talk to the simulator in the same process, without a socket."""

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import cast

from botocore.awsrequest import AWSPreparedRequest, AWSResponse
from botocore.client import BaseClient
from botocore.compat import HTTPHeaders
from botocore.exceptions import ConnectionClosedError, ReadTimeoutError

from marketplace_metering.simulator.answers import Answer, Loss
from marketplace_metering.simulator.marketplace import Marketplace
from marketplace_metering.simulator.wire import CONTENT_TYPE, operation_of, region_of


def attach(
    client: BaseClient,
    simulator: Marketplace,
    now: Callable[[], datetime],
    sleep: Callable[[float], None] | None = None,
) -> None:
    """Answer every call of a `meteringmarketplace` client from `simulator` at the time `now()`.

    A lost answer raises what botocore raises for a dead connection. A slow one calls `sleep`,
    or raises ReadTimeoutError when it takes longer than the client's read timeout.
    """

    read_timeout: float = getattr(client.meta.config, "read_timeout", 60.0)

    def respond(request: AWSPreparedRequest, **_: object) -> AWSResponse:
        operation = operation_of(_header(request, "X-Amz-Target")) or ""
        region = region_of(_header(request, "Authorization"))
        answer = simulator.answer(operation, _bytes(request.body), now(), region)
        _wait_or_lose(answer, request, read_timeout, sleep)
        headers = HTTPHeaders()
        headers["Content-Type"] = CONTENT_TYPE
        headers["Date"] = format_datetime(now().astimezone(UTC), usegmt=True)
        headers["x-amzn-RequestId"] = "in-process"
        raw = _Raw(json.dumps(answer.body).encode())
        return AWSResponse(request.url, answer.status, headers, raw)

    # botocore's stubs know only hooks that return nothing; an answer here replaces the sending.
    hook = cast("Callable[..., None]", respond)
    client.meta.events.register("before-send.marketplace-metering.*", hook)


def _wait_or_lose(
    answer: Answer,
    request: AWSPreparedRequest,
    read_timeout: float,
    sleep: Callable[[float], None] | None,
) -> None:
    if answer.loss is Loss.CONNECTION_CLOSED:
        raise ConnectionClosedError(endpoint_url=request.url, request=request)
    if answer.loss is Loss.READ_TIMEOUT or answer.delay_seconds >= read_timeout:
        raise ReadTimeoutError(endpoint_url=request.url, error="the simulator kept silent")
    if answer.delay_seconds and sleep is not None:
        sleep(answer.delay_seconds)


def _header(request: AWSPreparedRequest, name: str) -> str:
    value = request.headers.get(name, "")
    return value.decode("latin-1") if isinstance(value, bytes) else str(value)


def _bytes(body: object) -> bytes:
    return body if isinstance(body, bytes) else str(body or "").encode()


class _Raw:
    """The little of urllib3's response that botocore reads."""

    def __init__(self, content: bytes) -> None:
        self._content = content

    def stream(self, **_: object) -> Iterator[bytes]:
        yield self._content
