"""The client: one attempt is one request, and whatever comes back is read safely (rules 6, 7)."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import timedelta
from functools import cache
from typing import Any

import boto3
import pytest
from botocore.awsrequest import AWSResponse
from botocore.compat import HTTPHeaders
from botocore.exceptions import (
    ConnectionClosedError,
    ConnectTimeoutError,
    EndpointConnectionError,
    HTTPClientError,
    NoCredentialsError,
    ProxyConnectionError,
    ReadTimeoutError,
    SSLError,
)
from hypothesis import example, given
from hypothesis import strategies as st

from marketplace_metering.adapters.aws.metering_api import (
    MarketplaceApi,
    RetryingClientError,
    connect,
)
from marketplace_metering.core.batch import Batch
from marketplace_metering.core.outcome import (
    Accepted,
    Answered,
    Fault,
    Lost,
    NoAnswer,
    RequestRefused,
)
from tests.support.build import entry
from tests.support.clock import Clock, utc

URL = "https://metering.marketplace.us-east-1.amazonaws.com"
ENTRY = entry("09:00", 5)
BATCH = Batch((ENTRY,))


class Raw:
    """What botocore reads a body from."""

    def __init__(self, content: bytes) -> None:
        self.content = content

    def stream(self, **_: object) -> Iterator[bytes]:
        yield self.content


Respond = Callable[[Any], AWSResponse]


@cache
def client_and_hook() -> tuple[Any, list[Respond]]:
    """One client for all: it takes long to make."""
    client, hook = connect(), list[Respond]()
    client.meta.events.register(
        "before-send.marketplace-metering.*", lambda request, **_: hook[-1](request)
    )
    return client, hook


def api(respond: Respond, clock: Clock | None = None) -> MarketplaceApi:
    client, hook = client_and_hook()
    hook.append(respond)
    return MarketplaceApi(client, clock or Clock(utc("12:00")), 5)


def answering(status: int, body: bytes, date: str | None = None) -> Respond:
    def respond(request: Any) -> AWSResponse:
        headers = HTTPHeaders()
        if date is not None:
            headers["Date"] = date
        headers["Content-Type"] = "application/x-amz-json-1.1"
        return AWSResponse(request.url, status, headers, Raw(body))

    return respond


def failing(error: Exception) -> Respond:
    def respond(request: Any) -> AWSResponse:
        raise error

    return respond


def result(status: str = "Success") -> dict[str, object]:
    echo = {
        "Timestamp": 1795165800,
        "CustomerAWSAccountId": "111122223333",
        "Dimension": "api_calls",
        "Quantity": 5,
    }
    return {"UsageRecord": echo, "Status": status, "MeteringRecordId": "record-1"}


def test_a_success_is_read_through_the_real_client() -> None:
    body = json.dumps({"Results": [result()], "UnprocessedRecords": []}).encode()
    answer = api(answering(200, body)).submit(BATCH)
    assert answer == Answered({ENTRY.key: Accepted("record-1")})


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{}",
        b"null",
        b"[]",
        b"7",
        b"<html>Please log in to the guest network</html>",
        b"\xff\xfe\x00rubbish",
        b'{"Results": null}',
        b'{"Results": [null]}',
        b'{"Results": {"Status": "Success"}}',
        b'{"Results": [{"Status": "Success"}]}',
        b'{"Results": [{"Status": "Success", "UsageRecord": {"Timestamp": "yesterday"}}]}',
        b'{"Results": [{"Status": "Success", "UsageRecord": {"Timestamp": 1e300}}]}',
        b'{"Results": [{"Status": "Success", "UsageRecord": []}]}',
        b'{"UnprocessedRecords": 7}',
        json.dumps({"Results": [result()]}).encode()[:-9],
    ],
)
def test_whatever_else_answers_200_is_no_answer(body: bytes) -> None:
    """A proxy, a captive portal, half a body: it may be billed or not."""
    answer = api(answering(200, body)).submit(BATCH)
    if isinstance(answer, Answered):
        assert isinstance(answer.outcomes[ENTRY.key], NoAnswer)
    else:
        assert isinstance(answer, Lost)


@pytest.mark.parametrize("status", [500, 502, 503, 504, 301, 408])
@pytest.mark.parametrize("body", [b"", b"<html>", b"\xff", b"[]", b'{"__type": "X"}'])
def test_an_error_that_does_not_say_what_was_processed_is_lost(status: int, body: bytes) -> None:
    assert isinstance(api(answering(status, body)).submit(BATCH), Lost)


@pytest.mark.parametrize("body", [b"", b"<html>", b"\xff", b"[]", b"{}"])
def test_what_stands_between_us_and_aws_refuses_without_blaming_the_usage(body: bytes) -> None:
    answer = api(answering(403, body)).submit(BATCH)
    assert isinstance(answer, Lost) or (
        isinstance(answer, RequestRefused) and answer.fault is Fault.ACCOUNT
    )


def test_an_error_of_aws_is_read_with_its_words() -> None:
    body = b'{"__type": "com.amazonaws.marketplacemetering#InvalidTagException", "message": "bad"}'
    assert api(answering(400, body)).submit(BATCH) == RequestRefused(
        Fault.USAGE, "InvalidTagException", "bad"
    )


OUT_OF_BOUNDS = b'{"__type": "TimestampOutOfBoundsException", "message": "bad"}'


@pytest.mark.parametrize(
    ("date", "how"),
    [
        ("Fri, 20 Nov 2026 10:00:00 GMT", "2:00:00 ahead of"),
        ("Sat, 21 Nov 2026 12:00:00 GMT", "1 day, 0:00:00 behind"),
    ],
)
def test_the_date_of_an_answer_shows_that_the_clock_is_wrong(date: str, how: str) -> None:
    answer = api(answering(400, OUT_OF_BOUNDS, date)).submit(BATCH)
    said = f"this machine's clock is {how} AWS's: set it. AWS said: bad"
    assert answer == RequestRefused(Fault.ACCOUNT, "TimestampOutOfBoundsException", said)


@pytest.mark.parametrize("date", [None, "Fri, 20 Nov 2026 12:03:00 GMT"])
def test_a_time_stamp_is_to_blame_while_the_clock_is_right(date: str | None) -> None:
    answer = api(answering(400, OUT_OF_BOUNDS, date)).submit(BATCH)
    assert answer == RequestRefused(Fault.USAGE, "TimestampOutOfBoundsException", "bad")


@given(st.text() | st.just("Fri, 20 Nov 2026 10:00:00 -0000"))
@example("Fri, 99 Nov 99999 99:99:99 +9999")
def test_a_date_that_is_none_shows_nothing(date: str) -> None:
    answer = api(answering(400, OUT_OF_BOUNDS, date)).submit(BATCH)
    assert answer == RequestRefused(Fault.USAGE, "TimestampOutOfBoundsException", "bad")


@pytest.mark.parametrize(
    "error",
    [
        ReadTimeoutError(endpoint_url=URL),
        ConnectionClosedError(endpoint_url=URL),
        HTTPClientError(error="broken pipe"),
        SSLError(endpoint_url=URL, error=OSError("bad record mac")),
    ],
)
def test_a_dead_connection_is_lost(error: Exception) -> None:
    """The request may have arrived before the connection died."""
    answer = api(failing(error)).submit(BATCH)
    assert isinstance(answer, Lost)
    assert answer.words.startswith(f"{type(error).__name__}: ")


@pytest.mark.parametrize(
    ("error", "fault"),
    [
        (EndpointConnectionError(endpoint_url=URL), Fault.UNREACHABLE),
        (ConnectTimeoutError(endpoint_url=URL), Fault.UNREACHABLE),
        (NoCredentialsError(), Fault.ACCOUNT),
    ],
)
def test_what_never_left_this_machine_was_certainly_not_processed(
    error: Exception, fault: Fault
) -> None:
    answer = api(failing(error)).submit(BATCH)
    assert isinstance(answer, RequestRefused)
    assert (answer.fault, answer.code) == (fault, type(error).__name__)


def test_a_proxy_that_cannot_be_reached_never_marks_usage_as_failed() -> None:
    error = ProxyConnectionError(proxy_url="http://proxy:3128", error="refused")
    answer = api(failing(error)).submit(BATCH)
    assert isinstance(answer, Lost) or answer == RequestRefused(
        Fault.UNREACHABLE, "ProxyConnectionError", str(error)
    )


def test_one_attempt_is_one_request() -> None:
    """botocore's own retries would hide a first try that timed out."""
    calls: list[str] = []

    def respond(request: Any) -> AWSResponse:
        calls.append(request.url)
        return answering(500, b"{}")(request)

    api(respond).submit(BATCH)
    assert len(calls) == 1


def test_a_client_that_retries_by_itself_is_not_accepted() -> None:
    client = boto3.client("meteringmarketplace", region_name="us-east-1")
    with pytest.raises(RetryingClientError):
        MarketplaceApi(client, Clock(utc("12:00")), 5)


def test_requests_are_spaced_evenly() -> None:
    clock = Clock(utc("12:00"))
    spaced = api(answering(200, b"{}"), clock)
    turns = []
    for _ in range(4):
        spaced.take_turn()
        turns.append(clock.now() - utc("12:00"))
    assert turns == [timedelta(milliseconds=200 * number) for number in range(4)]


def test_a_clock_that_was_set_back_does_not_stop_the_sending() -> None:
    clock = Clock(utc("12:00"))
    spaced = api(answering(200, b"{}"), clock)
    spaced.take_turn()
    clock.at = utc("11:00")
    spaced.take_turn()
    assert clock.now() == utc("11:00")
