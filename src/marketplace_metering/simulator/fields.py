"""Reads a BatchMeterUsage request and checks every field rule of the service model.

Knows nothing of products, buyers or the clock. AWS's front end refuses a wrong JSON type with
SerializationException and a broken length, range or pattern with ValidationException.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal
from typing import Final, NoReturn

from marketplace_metering.simulator.allocations import (
    Allocation,
    echo_allocations,
    read_allocations,
)
from marketplace_metering.simulator.answers import refuse
from marketplace_metering.simulator.json_types import Problems, text, whole_number
from marketplace_metering.simulator.quantities import WHOLE_MAX, decimal_quantity, whole_quantity
from marketplace_metering.simulator.readings import Readings
from marketplace_metering.simulator.times import micros

RECORDS_MAX: Final = 25  # [M1]
MEGABYTE: Final = {"decimal": 1_000_000, "binary": 1 << 20}

# Patterns of [M6], [M7] and [M8], matched with fullmatch: `$` lets a newline through.
_PRODUCT_CODE: Final = re.compile(r"[-a-zA-Z0-9/=:_.@]*")
_ACCOUNT: Final = re.compile(r"[0-9]+")
_LICENSE_ARN: Final = re.compile(
    r"arn:aws[a-zA-Z-]*:[A-Za-z0-9][A-Za-z0-9_/.-]{0,62}:[A-Za-z0-9_/.-]{0,63}"
    r":[A-Za-z0-9_/.-]{0,63}:[A-Za-z0-9][A-Za-z0-9:_/+=,@.-]{0,1023}"
)
_ECHOED: Final = (
    "Timestamp",
    "CustomerIdentifier",
    "Dimension",
    "Quantity",
    "QuantityAsDecimal",
    "UsageAllocations",
    "CustomerAWSAccountId",
    "LicenseArn",
)


@dataclass(frozen=True, slots=True)
class Record:
    """One usage record of a request, its fields checked; quantities in millionths."""

    position: int
    echo: Mapping[str, object]
    stamp: int
    dimension: str
    quantity: int
    is_decimal: bool
    account: str | None
    identifier: str | None
    license_arn: str | None
    allocations: tuple[Allocation, ...]


@dataclass(frozen=True, slots=True)
class ParsedRequest:
    """A request whose fields are in order."""

    product_code: str | None
    records: list[Record] = field(default_factory=list)


def encode(body: bytes | Mapping[str, object]) -> bytes:
    """The request as bytes; a mapping may hold datetimes and decimals as time stamps."""
    return body if isinstance(body, bytes) else json.dumps(body, default=_number).encode()


def decode(body: bytes, readings: Readings) -> dict[str, object]:
    """The JSON object of a request, or the refusal of something else."""
    limit = MEGABYTE[readings.megabyte]
    if len(body) >= limit:  # [M3] less than 1 MB; the error's name is ours
        refuse("ValidationException", f"Request size {len(body)} must be less than {limit} bytes")
    try:
        request = json.loads(body, parse_float=Decimal, parse_constant=_no_constant)
    # ValueError: bad JSON or UTF-8, an endless integer. ArithmeticError: 1e99999999999999999999.
    except (ValueError, RecursionError, ArithmeticError):
        refuse("SerializationException", "The request body is not valid JSON")
    if not isinstance(request, dict):
        refuse("SerializationException", "The request body must be a JSON object")
    return request


def read_batch(body: bytes, readings: Readings) -> ParsedRequest:
    """The batch of a BatchMeterUsage request, or the refusal of the whole request."""
    request = decode(body, readings)
    problems = Problems()
    product_code = text(request.get("ProductCode"), "productCode")
    if product_code is not None:
        problems.length(product_code, "productCode", 0, 255)
        problems.pattern(product_code, "productCode", _PRODUCT_CODE)
    sent = request.get("UsageRecords")
    if sent is None:
        problems.missing("usageRecords")
        sent = []
    if not isinstance(sent, list):
        refuse("SerializationException", "usageRecords must be a list")
    problems.length(sent, "usageRecords", 0, RECORDS_MAX)
    problems.check()  # before the records: a list of a million needs no further look
    records = [
        _read_record(each, f"usageRecords.{position}.member", position, problems)
        for position, each in enumerate(sent, start=1)
    ]
    problems.check()
    for record in records:
        _check_identity(product_code, record, readings)
    # Tags and allocations have exceptions of their own, so they come after the plain fields.
    return ParsedRequest(product_code, [_with_allocations(each, readings) for each in records])


def _read_record(sent: object, path: str, position: int, problems: Problems) -> Record:
    if not isinstance(sent, dict):
        refuse("SerializationException", f"{path} must be a structure")
    dimension = text(sent.get("Dimension"), f"{path}.dimension")
    if dimension is None:
        problems.missing(f"{path}.dimension")
    else:
        problems.length(dimension, f"{path}.dimension", 1, 255)
    account = text(sent.get("CustomerAWSAccountId"), f"{path}.customerAWSAccountId")
    if account is not None:
        problems.length(account, f"{path}.customerAWSAccountId", 1, 255)
        problems.pattern(account, f"{path}.customerAWSAccountId", _ACCOUNT)
    identifier = text(sent.get("CustomerIdentifier"), f"{path}.customerIdentifier")
    if identifier is not None:
        problems.length(identifier, f"{path}.customerIdentifier", 0, 255)
    license_arn = text(sent.get("LicenseArn"), f"{path}.licenseArn")
    if license_arn is not None:
        problems.pattern(license_arn, f"{path}.licenseArn", _LICENSE_ARN)
    quantity, is_decimal = _read_quantity(sent, path, problems)
    stamp = _read_stamp(sent.get("Timestamp"), f"{path}.timestamp", problems)
    echo = {name: sent[name] for name in _ECHOED if sent.get(name) is not None}
    if isinstance(echo.get("Timestamp"), Decimal):
        echo["Timestamp"] = float(sent["Timestamp"])  # a stamp, not a quantity: six digits hold
    return Record(
        position=position,
        echo=echo,
        stamp=stamp,
        dimension=dimension or "",
        quantity=quantity,
        is_decimal=is_decimal,
        account=account,
        identifier=identifier,
        license_arn=license_arn,
        allocations=(),
    )


def _read_quantity(sent: Mapping[str, object], path: str, problems: Problems) -> tuple[int, bool]:
    whole = whole_number(sent.get("Quantity"), f"{path}.quantity")
    decimal = text(sent.get("QuantityAsDecimal"), f"{path}.quantityAsDecimal")
    if whole is not None:
        problems.range(whole, f"{path}.quantity", 0, WHOLE_MAX)
    if decimal is None:
        # [M5] no quantity counts as 0
        return whole_quantity(whole or 0), False
    if whole is not None:  # [M5] the whole request fails, nothing is processed
        problems.say(f"{path} must not have both quantity and quantityAsDecimal")
    return decimal_quantity(decimal, f"{path}.quantityAsDecimal", problems), True


def _read_stamp(sent: object, path: str, problems: Problems) -> int:
    if sent is None:
        problems.missing(path)
        return 0
    if isinstance(sent, bool) or not isinstance(sent, int | Decimal):
        refuse("SerializationException", f"{path} must be a number of seconds since 1970")
    # A stamp beyond any calendar (milliseconds, say) is out of bounds, not malformed. The
    # comparison comes first: turning 1E+999999999 into an integer would never end.
    if not -(10**12) < sent < 10**12:
        return 10**18 * (1 if sent > 0 else -1)
    return int(sent * 1_000_000)


def _with_allocations(record: Record, readings: Readings) -> Record:
    sent = record.echo.get("UsageAllocations")
    if sent is None:
        return record
    path = f"usageRecords.{record.position}.member.usageAllocations"
    allocations = read_allocations(sent, path, record.quantity, record.is_decimal, readings)
    echo = {**record.echo, "UsageAllocations": echo_allocations(sent)}
    return replace(record, echo=echo, allocations=allocations)


def _check_identity(product_code: str | None, record: Record, readings: Readings) -> None:
    """The allowed combinations of identities; AWS does not name the error of the others."""
    account, identifier, license_arn = record.account, record.identifier, record.license_arn
    at = f"usageRecords.{record.position}.member"
    wrong = None
    if account is not None and identifier is not None:
        wrong = "must have only one of customerAWSAccountId and customerIdentifier"
    elif account is None and identifier is None:
        wrong = "must have customerAWSAccountId or customerIdentifier"
    elif product_code is not None and license_arn is not None:  # [M9]
        wrong = "must not have licenseArn when the request has productCode"
    elif product_code is None and license_arn is None:
        wrong = "must have licenseArn because the request has no productCode"
    elif license_arn is not None and account is None:
        wrong = "must have customerAWSAccountId with licenseArn, not customerIdentifier"
    elif product_code is not None and account is not None and not readings.allows_account_only:
        wrong = "must have licenseArn instead of productCode with customerAWSAccountId"
    if wrong is not None:
        refuse("ValidationException", f"{at} {wrong}")


def _number(value: object) -> int | float:
    if isinstance(value, datetime):
        value = Decimal(micros(value)) / 1_000_000
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    raise TypeError(f"{type(value).__name__} has no JSON form in a request")


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")
