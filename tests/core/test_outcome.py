"""What error answers mean: every code of [M14] (money rules 6, 7 and 8)."""

from __future__ import annotations

from datetime import timedelta
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from marketplace_metering.core.outcome import Fault, Lost, Outcome, RequestRefused, read_error

USAGE, THROTTLED, PRODUCT, ACCOUNT = Fault.USAGE, Fault.THROTTLED, Fault.PRODUCT, Fault.ACCOUNT


@pytest.mark.parametrize(
    ("code", "status", "fault"),
    [
        # the ten that the service models, less the one that does not say what was processed
        ("ThrottlingException", 400, THROTTLED),
        ("DisabledApiException", 400, ACCOUNT),
        ("InvalidProductCodeException", 400, PRODUCT),
        ("InvalidUsageDimensionException", 400, USAGE),
        ("InvalidLicenseException", 400, USAGE),
        ("InvalidCustomerIdentifierException", 400, USAGE),
        ("InvalidTagException", 400, USAGE),
        ("InvalidUsageAllocationsException", 400, USAGE),
        ("TimestampOutOfBoundsException", 400, USAGE),
        # the one that only AWS's skill names
        ("TooManyTagsException", 400, USAGE),
        # common errors of AWS services
        ("ValidationException", 400, USAGE),
        ("SerializationException", 400, USAGE),
        ("Throttling", 400, THROTTLED),
        ("TooManyRequestsException", 429, THROTTLED),
        ("RequestLimitExceeded", 400, THROTTLED),
        ("RequestThrottled", 400, THROTTLED),
        ("AccessDeniedException", 400, ACCOUNT),
        ("UnrecognizedClientException", 400, ACCOUNT),
        ("ExpiredTokenException", 400, ACCOUNT),
        ("RequestExpired", 400, ACCOUNT),
        ("InvalidSignatureException", 403, ACCOUNT),
        ("OptInRequired", 403, ACCOUNT),
        ("MissingAuthenticationToken", 403, ACCOUNT),
        ("UnknownOperationException", 400, ACCOUNT),
        # what stands between us and AWS
        ("", 403, ACCOUNT),
        ("407", 407, ACCOUNT),
        ("429", 429, THROTTLED),
        ("413", 413, USAGE),
    ],
)
def test_a_refused_request_was_certainly_not_processed(
    code: str, status: int, fault: Fault
) -> None:
    assert read_error(code, status, "words") == RequestRefused(fault, code, "words")


@pytest.mark.parametrize(
    ("code", "status", "said"),
    [
        ("InternalServiceErrorException", 500, "InternalServiceErrorException: words"),
        ("InternalFailure", 500, "InternalFailure: words"),
        ("ServiceUnavailable", 503, "ServiceUnavailable: words"),
        ("", 502, "502: words"),
        ("504", 504, "504: words"),
        ("", 0, "0: words"),
        ("", 302, "302: words"),
        # half a request may have arrived, or a whole one whose answer took too long
        ("RequestTimeout", 408, "RequestTimeout: words"),
        ("RequestTimeoutException", 400, "RequestTimeoutException: words"),
        ("408", 408, "408: words"),
    ],
)
def test_an_answer_that_does_not_say_what_was_processed_is_lost(
    code: str, status: int, said: str
) -> None:
    assert read_error(code, status, "words") == Lost(said)


@given(st.text(max_size=30), st.integers(0, 999), st.text(max_size=30))
def test_an_unknown_error_never_blames_the_usage(code: str, status: int, words: str) -> None:
    answer = read_error(f"?{code}", status, words)
    assert isinstance(answer, Lost) or answer.fault is not USAGE or status == 413


@given(st.text(max_size=60), st.sampled_from(["ThrottlingException", "AccessDeniedException"]))
def test_the_words_of_aws_are_never_read(words: str, code: str) -> None:
    silent, answer = read_error(code, 400, ""), read_error(code, 400, words)
    assert isinstance(silent, RequestRefused) and isinstance(answer, RequestRefused)
    assert answer == RequestRefused(silent.fault, code, words)


@pytest.mark.parametrize("code", ["TimestampOutOfBoundsException", "InvalidSignatureException"])
@pytest.mark.parametrize(
    ("ahead", "how"),
    [
        (timedelta(hours=2, seconds=0.4), "2:00:00 ahead of"),
        (timedelta(days=-3), "3 days, 0:00:00 behind"),
    ],
)
def test_a_clock_that_is_wrong_never_blames_the_usage(
    code: str, ahead: timedelta, how: str
) -> None:
    said = f"this machine's clock is {how} AWS's: set it. AWS said: words"
    assert read_error(code, 400, "words", ahead) == RequestRefused(ACCOUNT, code, said)


@pytest.mark.parametrize(
    "code", ["InvalidUsageDimensionException", "ThrottlingException", "InvalidProductCodeException"]
)
def test_what_no_clock_explains_stays_what_it_is(code: str) -> None:
    wrong = read_error(code, 400, "words", timedelta(days=2))
    assert wrong == read_error(code, 400, "words")


@given(st.integers(-900, 900))
def test_a_clock_that_is_a_little_off_is_no_excuse(seconds: int) -> None:
    answer = read_error("TimestampOutOfBoundsException", 400, "words", timedelta(seconds=seconds))
    assert answer == RequestRefused(USAGE, "TimestampOutOfBoundsException", "words")


@given(st.sampled_from([500, 503, 408]), st.timedeltas())
def test_a_wrong_clock_never_makes_a_lost_answer_a_refusal(status: int, ahead: timedelta) -> None:
    assert isinstance(read_error("", status, "words", ahead), Lost)


def test_books_name_an_outcome_as_they_always_did() -> None:
    assert [each.stored_as for each in get_args(Outcome)] == [
        "Accepted",
        "Duplicate",
        "NotSubscribed",
        "Refused",
        "Deferred",
        "NoAnswer",
    ]
