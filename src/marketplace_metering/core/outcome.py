"""What AWS's answers mean, for one entry and for a whole request.

Three kinds of answer must never be mixed up (money rules 6, 7 and 8): AWS *judged* the usage and
refused it; AWS certainly did *not process* it; *nobody knows*. Error texts are logged, never read:
AWS does not document them [M14].
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import ClassVar, Generic, TypeVar

from marketplace_metering.core.limits import CLOCK_ERROR_MAX


@dataclass(frozen=True, slots=True)
class Accepted:
    """`Success`: billed at this quantity, for good."""

    stored_as: ClassVar[str] = "Accepted"
    metering_record_id: str | None
    words: str | None = None


@dataclass(frozen=True, slots=True)
class Duplicate:
    """`DuplicateRecord`: AWS keeps what it accepted first for this window."""

    stored_as: ClassVar[str] = "Duplicate"
    words: str | None = None


@dataclass(frozen=True, slots=True)
class NotSubscribed:
    """`CustomerNotSubscribed`: not billed; it may heal until the deadline [Q5]."""

    stored_as: ClassVar[str] = "NotSubscribed"
    words: str | None = None
    code: str = "CustomerNotSubscribed"


@dataclass(frozen=True, slots=True)
class Refused:
    """AWS refuses this very record; it is certainly not billed."""

    stored_as: ClassVar[str] = "Refused"
    code: str
    words: str | None = None


@dataclass(frozen=True, slots=True)
class Deferred:
    """Certainly not processed, for a reason that is not in the usage: try again."""

    stored_as: ClassVar[str] = "Deferred"
    words: str | None = None
    is_due_at_once: bool = False  # it was only part of a request that is being taken apart


@dataclass(frozen=True, slots=True)
class NoAnswer:
    """It may be billed or not: only the identical record may follow."""

    stored_as: ClassVar[str] = "NoAnswer"
    words: str | None = None


# `stored_as` is what books call an outcome in their log of attempts: it outlives the class's name.
Outcome = Accepted | Duplicate | NotSubscribed | Refused | Deferred | NoAnswer


class Fault(StrEnum):
    """Where the cause of a refused request lies, which decides what is done about it."""

    USAGE = "usage"  # in one of the records: split the request until it stands alone
    THROTTLED = "throttled"  # slow down and send the same again
    UNREACHABLE = "unreachable"  # the call did not leave this machine
    PRODUCT = "product"  # the configuration of this product: leave its usage alone, go on
    ACCOUNT = "account"  # credentials or set-up: nothing can be sent until a person fixes it


Key = TypeVar("Key")


@dataclass(frozen=True, slots=True)
class Answered(Generic[Key]):
    """AWS processed the request: an outcome for each record in it."""

    outcomes: Mapping[Key, Outcome]


@dataclass(frozen=True, slots=True)
class RequestRefused:
    """AWS refused the whole request and processed none of it."""

    fault: Fault
    code: str
    words: str


@dataclass(frozen=True, slots=True)
class Lost:
    """No answer came, or one that does not say whether anything was processed."""

    words: str


# [M14] A code that is not named here and is no server fault counts as the account's: an unknown
# error never marks usage as failed.
FAULT_BY_CODE: Mapping[str, Fault] = {
    "InvalidUsageDimensionException": Fault.USAGE,
    "InvalidLicenseException": Fault.USAGE,
    "InvalidCustomerIdentifierException": Fault.USAGE,
    "InvalidTagException": Fault.USAGE,
    "TooManyTagsException": Fault.USAGE,  # AWS's skill names it, the model does not
    "InvalidUsageAllocationsException": Fault.USAGE,
    "TimestampOutOfBoundsException": Fault.USAGE,
    "ValidationException": Fault.USAGE,
    "SerializationException": Fault.USAGE,
    "ThrottlingException": Fault.THROTTLED,
    "Throttling": Fault.THROTTLED,
    "TooManyRequestsException": Fault.THROTTLED,
    "RequestLimitExceeded": Fault.THROTTLED,
    "RequestThrottled": Fault.THROTTLED,
    "InvalidProductCodeException": Fault.PRODUCT,
    "DisabledApiException": Fault.ACCOUNT,
}
# Somebody gave up waiting: for us, or for what stands behind it.
TIMED_OUT = frozenset({"RequestTimeout", "RequestTimeoutException"})


def read_error(
    code: str, http_status: int, words: str, clock_ahead: timedelta = timedelta(0)
) -> RequestRefused | Lost:
    """What an error answer means for the request that it answers.

    `clock_ahead` is by how much this machine's clock is ahead of AWS's. If that is far, a refused
    time stamp or signature says nothing about the usage: nothing is sent until the clock is set.
    """
    answer = _read(code, http_status, words)
    if abs(clock_ahead) <= CLOCK_ERROR_MAX or isinstance(answer, Lost):
        return answer
    if answer.fault is not Fault.ACCOUNT and code != "TimestampOutOfBoundsException":
        return answer
    side = "ahead of" if clock_ahead > timedelta(0) else "behind"
    seconds = timedelta(seconds=round(abs(clock_ahead).total_seconds()))
    said = f"this machine's clock is {seconds} {side} AWS's: set it. AWS said: {words}"
    return RequestRefused(Fault.ACCOUNT, code, said)


def _read(code: str, http_status: int, words: str) -> RequestRefused | Lost:
    fault = FAULT_BY_CODE.get(code)
    if fault is not None:
        return RequestRefused(fault, code, words)
    if not 400 <= http_status < 500 or http_status == 408 or code in TIMED_OUT:
        # InternalServiceErrorException and its kin do not say how far AWS had come.
        return Lost(f"{code or http_status}: {words}")
    if http_status == 429:
        return RequestRefused(Fault.THROTTLED, code, words)
    if http_status == 413:
        return RequestRefused(Fault.USAGE, code, words)
    return RequestRefused(Fault.ACCOUNT, code, words)
