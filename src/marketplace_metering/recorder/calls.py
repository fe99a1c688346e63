"""Whose usage a call means, checked by the rules of usage records once and then known.

The rules are those of `core.record`; what they find wrong is said in the words of the call.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from typing import TypedDict

from marketplace_metering.core.hours import epoch_ns, instant
from marketplace_metering.core.limits import MICROS_PER_UNIT, QUANTITY_MICROS_MAX
from marketplace_metering.core.record import Problem, Tags, UsageRecord
from marketplace_metering.core.record_item import timestamp_text
from marketplace_metering.core.record_rules import (
    EVENT_ID_LENGTH_MAX,
    billable_micros,
    is_plausible_time,
    is_text,
    read_record,
)
from marketplace_metering.recorder.errors import InvalidUsageError
from marketplace_metering.recorder.segments import NO_SUM, SUM, RunningSum, TaggedMeter

CACHED_MAX = 50_000
UNITS_MAX = QUANTITY_MICROS_MAX // MICROS_PER_UNIT

# (account, dimension, product, licence, tags as they came): what a call says.
CallIdentity = tuple[str, str, str | None, str | None, Tags]

_ARGUMENT = {
    "customerAWSAccountId": "account",
    "productCode": "product",
    "create_timestamp": "at",
    "licenseArn": "license_arn",
}
_FIX = {
    "productCode": "pass product=, or give the recorder one: UsageRecorder(..., product=...)",
    "create_timestamp": "pass the time of the usage as a datetime with a time zone, "
    "and keep the machine's clock right",
    "event_id": "give each event one id of its own",
}


class CallOptions(TypedDict, total=False):
    """The keywords of `record()`; `UsageRecorder.record` explains each of them."""

    product: str | None
    at: datetime | None
    event_id: str | None
    tags: Mapping[str, str] | None
    license_arn: str | None


@dataclass(slots=True, eq=False)
class KnownMeter:
    """A valid meter with its tags, and the sum that its usage went to last."""

    meter: TaggedMeter
    group: RunningSum = NO_SUM


@dataclass(slots=True, eq=False)
class Call:
    """What a call of `record()` says, as it came."""

    account: str
    dimension: str
    quantity: object
    product: str | None
    at: datetime | None
    event_id: str | None
    tags: Mapping[str, str] | None
    license_arn: str | None

    def identity(self) -> CallIdentity:
        """Whose usage it means; raises TypeError or AttributeError if the tags are no map."""
        tags = tuple(self.tags.items()) if self.tags is not None else ()
        return self.account, self.dimension, self.product, self.license_arn, tags


class KnownMeters:
    """Every meter that was recorded on, up to a bound."""

    def __init__(self, product: str | None) -> None:
        self._product = product
        self._by_identity: dict[CallIdentity, KnownMeter] = {}
        self._by_meter: dict[TaggedMeter, KnownMeter] = {}
        self.get = self._by_identity.get

    def check(self, call: Call, now_ns: int) -> tuple[KnownMeter, int, int]:
        """Meter, millionths and instant of a valid call; raises InvalidUsageError.

        The error names everything that is wrong.
        """
        at_ns = _at_ns(call, now_ns)
        micros = billable_micros(call.quantity)
        try:
            known = self.get(call.identity())
        except (TypeError, AttributeError):  # unhashable, or no map: read_record says it
            known = None
        if (
            known is None
            or micros is None
            or not is_plausible_time(at_ns, now_ns)
            or not _is_id(call.event_id)
        ):
            record = self._read(call, at_ns, now_ns)
            known = self._remember(call, record)
            micros, at_ns = record.micros, record.created_ns
        return known, micros, at_ns

    def _read(self, call: Call, at_ns: int, now_ns: int) -> UsageRecord:
        item: dict[str, object] = {
            "customerAWSAccountId": call.account,
            "productCode": self._product if call.product is None else call.product,
            "create_timestamp": Decimal(timestamp_text(at_ns)),
            "dimension": call.dimension,
            "quantity": call.quantity,
            "metering_pending": "true",
            "licenseArn": call.license_arn,
            "tags": call.tags,
            "event_id": call.event_id,
        }
        found = read_record(item, instant(now_ns))
        if isinstance(found, UsageRecord):
            return found
        raise InvalidUsageError(tuple(_in_words_of_the_call(each, call) for each in found))

    def _remember(self, call: Call, record: UsageRecord) -> KnownMeter:
        meter = TaggedMeter(
            record.account, record.product, record.dimension, record.license_arn, record.tags
        )
        if len(self._by_identity) >= CACHED_MAX:
            self._by_identity.clear()
            self._by_meter.clear()
        # However the tags were ordered, the usage is of the same group.
        known = self._by_meter.setdefault(meter, KnownMeter(meter))
        self._by_identity[call.identity()] = known
        return known


def _at_ns(call: Call, now_ns: int) -> int:
    """When it was used, plausible or not; refuses what no time or id of an event can be."""
    if call.event_id is not None and call.at is None:
        raise _refused(
            "at",
            None,
            "an event with an id needs its own time: the event is known by both",
            "pass at=, the time of the event, the same whenever it is recorded again",
        )
    if isinstance(call.event_id, str) and call.event_id.startswith(SUM):
        rule = f"ids that begin with {SUM!r} are the recorder's own"
        raise _refused("event_id", call.event_id, rule, "begin it otherwise")
    if call.at is None:
        return now_ns
    if not isinstance(call.at, datetime) or call.at.utcoffset() is None:
        rule = "must be a datetime with a time zone"
        raise _refused("at", call.at, rule, "pass for example datetime.now(UTC)")
    return epoch_ns(call.at)


def _refused(name: str, value: object, rule: str, fix: str) -> InvalidUsageError:
    return InvalidUsageError((Problem.of(name, value, rule, fix),))


def _is_id(event_id: object) -> bool:
    if event_id is None:
        return True
    return (
        isinstance(event_id, str)
        and 1 <= len(event_id) <= EVENT_ID_LENGTH_MAX
        and is_text(event_id)
    )


def _in_words_of_the_call(problem: Problem, call: Call) -> Problem:
    name = problem.field
    if name == "create_timestamp":
        now = "the machine's clock" if call.at is None else call.at.isoformat()
        problem = replace(problem, shown=now)
    if name == "productCode" and problem.shown is not None:
        return replace(problem, field="product")
    if name == "quantity" and isinstance(call.quantity, float) and abs(call.quantity) < UNITS_MAX:
        digits = f"{call.quantity:.6f}".rstrip("0").rstrip(".")
        return replace(problem, fix=f"{problem.fix}. If you mean it, pass Decimal({digits!r})")
    return replace(problem, field=_ARGUMENT.get(name, name), fix=_FIX.get(name, problem.fix))
