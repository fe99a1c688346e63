"""Whose usage a call means, checked by the rules of usage records once and then known.

The rules are those of `core.record`; what they find wrong is said in the words of the call.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from decimal import Decimal

from marketplace_metering.core.hours import epoch_ns, instant
from marketplace_metering.core.limits import MICROS_PER_UNIT, QUANTITY_MICROS_MAX
from marketplace_metering.core.quantity import micros_of
from marketplace_metering.core.record import Problem, Tags, UsageRecord
from marketplace_metering.core.record_rules import (
    EARLIEST_NS,
    EVENT_ID_LENGTH_MAX,
    FUTURE_NS_MAX,
    is_text,
    read_record,
)
from marketplace_metering.recorder.errors import InvalidUsageError
from marketplace_metering.recorder.segments import NO_SUM, SUM, RunningSum, TaggedMeter
from marketplace_metering.recorder.spool.batch_file import timestamp_text

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


class KnownMeter:
    """A valid meter with its tags, and the group that its usage went to last."""

    __slots__ = ("group", "meter")

    def __init__(self, meter: TaggedMeter) -> None:
        self.meter = meter
        self.group: RunningSum = NO_SUM


class Call:
    """What a call of `record()` says, as it came."""

    __slots__ = (
        "account",
        "at",
        "dimension",
        "event_id",
        "license_arn",
        "product",
        "quantity",
        "tags",
    )

    def __init__(
        self,
        account: str,
        dimension: str,
        quantity: object,
        product: str | None,
        at: datetime | None,
        event_id: str | None,
        tags: Mapping[str, str] | None,
        license_arn: str | None,
    ) -> None:
        self.account = account
        self.dimension = dimension
        self.quantity = quantity
        self.product = product
        self.at = at
        self.event_id = event_id
        self.tags = tags
        self.license_arn = license_arn


class KnownMeters:
    """Every meter that was recorded on, up to a bound."""

    def __init__(self, product: str | None) -> None:
        self._product = product
        self._slots: dict[CallIdentity, KnownMeter] = {}
        self._by_meter: dict[TaggedMeter, KnownMeter] = {}
        self.get = self._slots.get

    def check(self, call: Call, now_ns: int) -> tuple[KnownMeter, int, int]:
        """Slot, millionths and instant of a valid call; raises InvalidUsageError.

        The error names everything that is wrong.
        """
        at_ns = _at_ns(call, now_ns)
        micros = _micros(call.quantity)
        slot = self._slot(call)
        if slot is None or micros is None or at_ns is None or not _is_id(call.event_id):
            record = self._read(call, now_ns)
            slot = self._remember(call, record)
            micros, at_ns = record.micros, record.created_ns
        return slot, micros, at_ns

    def _slot(self, call: Call) -> KnownMeter | None:
        try:
            tags = tuple(call.tags.items()) if call.tags is not None else ()
            said = (call.account, call.dimension, call.product, call.license_arn, tags)
            return self._slots.get(said)
        except (TypeError, AttributeError):  # unhashable, or no map: read_record says it
            return None

    def _read(self, call: Call, now_ns: int) -> UsageRecord:
        at_ns = now_ns if call.at is None else epoch_ns(call.at)
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
        if len(self._slots) >= CACHED_MAX:
            self._slots.clear()
            self._by_meter.clear()
        # However the tags were ordered, the usage is of the same group.
        slot = self._by_meter.setdefault(meter, KnownMeter(meter))
        tags = tuple(call.tags.items()) if call.tags is not None else ()
        said = (call.account, call.dimension, call.product, call.license_arn, tags)
        self._slots[said] = slot
        return slot


def _at_ns(call: Call, now_ns: int) -> int | None:
    """When it was used; None if that is out of bounds, which `read_record` explains."""
    if call.event_id is not None and call.at is None:
        raise InvalidUsageError(
            (
                Problem.of(
                    "at",
                    None,
                    "an event with an id needs its own time: the event is known by both",
                    "pass at=, the time of the event, the same whenever it is recorded again",
                ),
            )
        )
    if isinstance(call.event_id, str) and call.event_id.startswith(SUM):
        rule = f"ids that begin with {SUM!r} are the recorder's own"
        raise InvalidUsageError(
            (Problem.of("event_id", call.event_id, rule, "begin it otherwise"),)
        )
    at_ns = now_ns
    if call.at is not None:
        if not isinstance(call.at, datetime) or call.at.utcoffset() is None:
            rule = "must be a datetime with a time zone"
            fix = "pass for example datetime.now(UTC)"
            raise InvalidUsageError((Problem.of("at", call.at, rule, fix),))
        at_ns = epoch_ns(call.at)
    return at_ns if EARLIEST_NS <= at_ns <= now_ns + FUTURE_NS_MAX else None


def _micros(quantity: object) -> int | None:
    """The millionths of a valid quantity; None for others, which `read_record` explains."""
    if type(quantity) is not int and (
        not isinstance(quantity, Decimal) or not quantity.is_finite()
    ):
        return None
    micros = micros_of(quantity)
    return micros if micros is not None and 0 <= micros <= QUANTITY_MICROS_MAX else None


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
