"""The guide's format: what is a usage record, and what is wrong with what is not.

Reading never raises for bad input: it answers with a record or with every problem found, each
naming the field, the value, the rule and the fix. Attributes that the format does not know are
the seller's own and are kept untouched.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import islice
from typing import Final

from marketplace_metering.core.budgets import (
    NAME_COMPARED_LENGTH_MAX,
    NAMES_COMPARED_MAX,
    PROBLEMS_MAX,
)
from marketplace_metering.core.hours import NS_PER_MS, epoch_ns
from marketplace_metering.core.identity import ACCOUNT, LICENSE_ARN, PRODUCT_CODE
from marketplace_metering.core.limits import (
    DIMENSION_LENGTH_MAX,
    QUANTITY_MICROS_MAX,
    TAG_KEY_LENGTH_MAX,
    TAG_VALUE_LENGTH_MAX,
    TAGS_MAX,
)
from marketplace_metering.core.quantity import QUANTITY_MAX, micros_of
from marketplace_metering.core.record import Problem, Tags, UsageRecord
from marketplace_metering.core.rounded import Rounded

REQUIRED = (
    "customerAWSAccountId",
    "productCode",
    "create_timestamp",
    "dimension",
    "quantity",
    "metering_pending",
)
OPTIONAL = ("licenseArn", "tags", "event_id", "metering_failed", "metering_response")
KNOWN = frozenset(REQUIRED + OPTIONAL)

# Before its first API version (2016-01-14) AWS Marketplace metered nothing: an earlier instant
# is a unit mistaken, not usage.
EARLIEST_NS = epoch_ns(datetime(2016, 1, 14, tzinfo=UTC))
# Clocks of well-kept servers differ by seconds; a quarter of an hour is generous.
FUTURE_NS_MAX = 15 * 60 * 1_000_000_000
EVENT_ID_LENGTH_MAX = 256


# The bounds of a usage record. Every short way round `read_record` takes them from here; where a
# call for each of millions costs too much, a column at a time, or as `EARLIEST_NS`,
# `latest_plausible_ns` and `QUANTITY_MICROS_MAX`.


def latest_plausible_ns(now_ns: int) -> int:
    """The latest time (nanoseconds since 1970) that a usage record may have at present."""
    return now_ns + FUTURE_NS_MAX


def is_plausible_time(ns: int, now_ns: int) -> bool:
    """Whether usage can have happened then; both in nanoseconds since 1970."""
    return EARLIEST_NS <= ns <= now_ns + FUTURE_NS_MAX


def is_billable_micros(micros: int) -> bool:
    """Whether a usage record can have that quantity, in millionths of a unit."""
    return 0 <= micros <= QUANTITY_MICROS_MAX


def billable_micros(quantity: object) -> int | None:
    """The millionths of what a usage record can have as its quantity; None for all else."""
    if type(quantity) is not int and (
        not isinstance(quantity, Decimal)
        or isinstance(quantity, Rounded)
        or not quantity.is_finite()
    ):
        return None
    micros = micros_of(quantity)
    return micros if micros is not None and is_billable_micros(micros) else None


def rows_out_of_bounds(created_ns: list[int], micros: list[int], now_ns: int) -> set[int]:
    """The rows of two columns of the same length whose time or quantity no usage record has."""
    if (
        is_plausible_time(min(created_ns), now_ns)
        and is_plausible_time(max(created_ns), now_ns)
        and is_billable_micros(min(micros))
        and is_billable_micros(max(micros))
    ):
        return set()
    return {
        row
        for row, (ns, amount) in enumerate(zip(created_ns, micros, strict=True))
        if not is_plausible_time(ns, now_ns) or not is_billable_micros(amount)
    }


def looks_like_license(name: str) -> bool:
    """Whether an attribute of that name is a misspelt `licenseArn`.

    Usage with a misspelt licence would be metered by product code: under the wrong identity.
    """
    return name.lower().replace("_", "") in ("licensearn", "licencearn")


# [M11] Tag.Key and Tag.Value. [Q26] The model's class reads as a range that lets more through;
# only what is legal under both readings is accepted.
TAG_TEXT = re.compile(r"[a-zA-Z0-9+ \-=._:/@]+")

# The values of `metering_pending` that say that usage is to be metered.
# The guide writes "true". On DynamoDB all of that is one partition of an index, which takes about
# 1,000 writes a second [P4]; who writes more spreads usage over shards. Every job reads
# all of them, so that there is no setting to forget on the reading side.
PENDING: Final = "true"
SHARDS_MAX: Final = 20
SHARDS: Final = tuple(f"{PENDING}.{number}" for number in range(SHARDS_MAX))
PENDING_VALUES: Final = (PENDING, *SHARDS)


def read_record(item: Mapping[str, object], now: datetime) -> UsageRecord | tuple[Problem, ...]:
    """The usage record that the attributes describe, or every problem that they have."""
    extras = {name: item[name] for name in item if name not in KNOWN}
    problems = _misspelt_license(extras) if extras else []
    account = _ACCOUNT.read(item, problems)
    product = _PRODUCT.read(item, problems)
    dimension = _DIMENSION.read(item, problems)
    created_ns = _created_ns(item.get("create_timestamp"), now, problems)
    micros = _micros(item.get("quantity"), problems)
    pending = _PENDING.read(item, problems)
    license_arn = _LICENSE.read(item, problems)
    tags = _tags(item.get("tags"), problems)
    event_id = _EVENT.read(item, problems)
    if (
        problems
        or (account is None or product is None or dimension is None)
        or (created_ns is None or micros is None or pending is None)
    ):
        missing = [_missing(name, extras) for name in REQUIRED if item.get(name) is None]
        return _the_first([*missing, *problems])
    return UsageRecord(
        account, product, dimension, created_ns, micros, license_arn, tags, event_id, extras
    )


def _the_first(problems: list[Problem]) -> tuple[Problem, ...]:
    told = problems[:PROBLEMS_MAX]
    if left := len(problems) - len(told):
        rule, fix = f"it has {left:,} more problems", "correct these first"
        told.append(Problem.of("the usage record", None, rule, fix))
    return tuple(told)


@dataclass(frozen=True, slots=True)
class _Text:
    """How an attribute that holds a string is read."""

    name: str
    is_right: Callable[[str], object]
    rule: str  # {size} stands for the number of characters
    fix: str
    tells_kind: bool = True  # that another type was given, or half a character

    def read(self, item: Mapping[str, object], problems: list[Problem]) -> str | None:
        """The text if there is one and it is right; adds what is wrong with it."""
        value = item.get(self.name)
        if isinstance(value, str) and self.is_right(value):
            return value
        if value is not None:
            problems.append(self._problem(value))
        return None

    def _problem(self, value: object) -> Problem:
        rule, fix = self.rule, self.fix
        if self.tells_kind and not isinstance(value, str):
            rule, fix = f"must be a string, this is {_kind(value)}", "write it in quotes"
        elif isinstance(value, str):
            if self.tells_kind and not is_text(value):
                rule, fix = NO_TEXT, "write it in UTF-8"
            rule = rule.format(size=len(value))
        return Problem.of(self.name, value, rule, fix)


_WHOLE = r"[^\ud800-\udfff]"  # no half of a character: what `is_text` says of a string
NO_TEXT = "it holds half of a character (a lone surrogate)"


def is_text(value: str) -> bool:
    """Whether the string can be written at all; JSON lets half a character through."""
    if value.isascii():
        return True
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


_ACCOUNT = _Text(
    "customerAWSAccountId",
    ACCOUNT.fullmatch,
    "must be exactly 12 digits, this has {size} characters",
    "use the account id that ResolveCustomer returned, leading zeros included",
)
_PRODUCT = _Text(
    "productCode",
    PRODUCT_CODE.fullmatch,
    "must be 1 to 255 letters, digits or -/=:_.@",
    "copy the product code from the AWS Marketplace Management Portal",
)
_DIMENSION = _Text(
    "dimension",
    re.compile(f"{_WHOLE}{{1,{DIMENSION_LENGTH_MAX}}}").fullmatch,
    f"must be 1 to {DIMENSION_LENGTH_MAX} characters",
    "use the API name of a dimension of the listing, with the same upper and lower case",
)
_PENDING = _Text(
    "metering_pending",
    frozenset(PENDING_VALUES).__contains__,
    'must be the string "true" for usage that is to be metered',
    'write "metering_pending": "true", in quotes; a record that was metered before is not '
    "recorded again",
    tells_kind=False,
)
_LICENSE = _Text(
    "licenseArn",
    LICENSE_ARN.fullmatch,
    "must be a licence ARN such as arn:aws:license-manager::111122223333:license:l-0123",
    "store and send exactly what ResolveCustomer returned",
    tells_kind=False,
)
_EVENT = _Text(
    "event_id",
    re.compile(f"{_WHOLE}{{1,{EVENT_ID_LENGTH_MAX}}}").fullmatch,
    f"must be a string of 1 to {EVENT_ID_LENGTH_MAX} characters",
    "give each event one id of its own",
    tells_kind=False,
)


def _missing(name: str, extras: Mapping[str, object]) -> Problem:
    # difflib is only paid for by records that are wrong.
    from difflib import get_close_matches

    short = (other for other in extras if len(other) <= NAME_COMPARED_LENGTH_MAX)
    some = islice(short, NAMES_COMPARED_MAX)
    spelling = {other.lower().replace("-", "_"): other for other in some}
    close = get_close_matches(name.lower(), spelling, n=1, cutoff=0.75)
    fix = {
        "create_timestamp": "give the Unix time of the usage in milliseconds",
        "metering_pending": 'add "metering_pending": "true"',
    }.get(name, "add it")
    if close:
        fix = f"is it misspelt as {spelling[close[0]]!r}? Rename that attribute to {name!r}"
    return Problem.of(name, None, "it is missing, and every usage record needs it", fix)


def _misspelt_license(extras: Mapping[str, object]) -> list[Problem]:
    return [
        Problem.of(
            name,
            extras[name],
            "it looks like a misspelt 'licenseArn'; without that usage is metered by productCode",
            "rename the attribute to 'licenseArn'",
        )
        for name in extras
        if looks_like_license(name)
    ]


def _kind(value: object) -> str:
    match value:
        case bool():
            return "a boolean"
        case int() | Decimal():
            return "a number"
        case str():
            return "a string"
        case Mapping():
            return "a map"
        case _:
            return f"a {type(value).__name__}"


def _created_ns(value: object, now: datetime, problems: list[Problem]) -> int | None:
    if value is None:
        return None
    now_ns = epoch_ns(now)
    if isinstance(value, bool) or not isinstance(value, int | Decimal):
        rule = f"must be a number, this is {_kind(value)}"
        fix = "give the Unix time in milliseconds as a number, without quotes or float"
    elif isinstance(value, Decimal) and not value.is_finite():
        rule, fix = "must be a finite number", "give the Unix time in ms"
    elif isinstance(value, Rounded):
        rule, fix = ROUNDED, "write all 13 digits (in a spreadsheet: format the column as 0)"
    # A millisecond has a million nanoseconds, as a unit has micros.
    elif (ns := micros_of(value)) is None:
        rule = "must have at most six decimals of a millisecond"
        fix = "round it to a whole millisecond"
    elif is_plausible_time(ns, now_ns):
        return ns
    else:
        rule, fix = _out_of_time(ns, now_ns)
    problems.append(Problem.of("create_timestamp", value, rule, fix))
    return None


def _out_of_time(ns: int, now_ns: int) -> tuple[str, str]:
    """The rule that the time breaks, and the fix."""
    units = (("seconds", 1, 1_000), ("microseconds", 1_000, 1), ("nanoseconds", NS_PER_MS, 1))
    for unit, divisor, factor in units:
        if is_plausible_time(ns * factor // divisor, now_ns):
            how = f"multiply it by {factor}" if factor > 1 else f"divide it by {divisor}"
            return "must be in milliseconds", f"this looks like {unit}: {how}"
    if ns < EARLIEST_NS:
        rule = "is before 2016-01-14, when AWS Marketplace began to meter"
        return rule, "give the Unix time of the usage in milliseconds"
    ahead = timedelta(microseconds=min((ns - now_ns) // 1_000, 86_400_000_000 * 999_999))
    rule = f"is {_span(ahead)} in the future; usage is recorded after it happened"
    return rule, "correct the clock that wrote it, then record the usage with the true time"


def _span(span: timedelta) -> str:
    hours = span // timedelta(hours=1)
    if hours >= 48:
        return f"{hours // 24} days"
    if hours >= 2:
        return f"{hours} hours"
    return f"{span // timedelta(minutes=1)} minutes"


ROUNDED = "it was rounded where it was written: its last digits are gone"
QUANTITY_RULE = f"must be a number from 0 to {QUANTITY_MAX} with at most six decimals"


def _micros(value: object, problems: list[Problem]) -> int | None:
    if value is None:
        return None
    micros = None
    rule = QUANTITY_RULE
    if isinstance(value, Rounded):
        rule = ROUNDED
        fix = "write all its digits, without an exponent (in C: %.6f, in a spreadsheet: format 0)"
    elif isinstance(value, float):
        fix = "pass an int or a Decimal: a float cannot be billed exactly"
    elif isinstance(value, bool) or not isinstance(value, int | Decimal):
        fix = f"this is {_kind(value)}: write the number without quotes"
    elif isinstance(value, Decimal) and not value.is_finite():
        fix = "record the quantity that was used"
    elif (micros := micros_of(value)) is None:
        fix = "round it to six decimals where you measure it"
    elif micros < 0:
        fix = "AWS takes nothing back: correct over-billing with a refund, not with usage"
    elif micros > QUANTITY_MICROS_MAX:
        fix = "record it in parts, or in a larger unit of the dimension"
    else:
        return micros
    problems.append(Problem.of("quantity", value, rule, fix))
    return None


def _tags(value: object, problems: list[Problem]) -> Tags:
    if value is None:
        return ()
    if not isinstance(value, Mapping):
        fix = 'write "tags": {"key": "value"}; put metadata of your own under another name'
        problems.append(Problem.of("tags", value, "must be a map of strings", fix))
        return ()
    if len(value) > TAGS_MAX:
        rule = f"a usage record has at most {TAGS_MAX} tags, this has {len(value)}"
        problems.append(Problem.of("tags", dict(value), rule, "leave some out"))
    for key, text in islice(value.items(), PROBLEMS_MAX):
        for what, part, longest in (
            ("key", key, TAG_KEY_LENGTH_MAX),
            ("value", text, TAG_VALUE_LENGTH_MAX),
        ):
            if not isinstance(part, str) or len(part) > longest or not TAG_TEXT.fullmatch(part):
                rule = (
                    f"a tag {what} must be a string of 1 to {longest} letters, digits, "
                    "spaces or +-=._:/@"
                )
                problems.append(
                    Problem.of("tags", part, rule, f"correct the {what}, or drop the tag")
                )
    if problems:
        return ()
    return tuple(sorted(value.items()))
