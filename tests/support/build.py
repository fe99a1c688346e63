"""Short ways to the values that tests need; whatever is not said is ordinary."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from marketplace_metering.core.hours import UsageHour, deadline_of, epoch_ns
from marketplace_metering.core.identity import BookKey, Meter, Window
from marketplace_metering.core.ledger import Allocation, Entry, Line, State
from marketplace_metering.core.plan import Book, Group
from marketplace_metering.core.quantity import Quantity, parse_quantity
from marketplace_metering.core.record import Tags, UsageRecord
from tests.support.clock import utc

PRODUCT = "prod-abc123"
BUYER = "111122223333"
DIMENSION = "api_calls"
LICENSE = "arn:aws:license-manager::444455556666:license:l-0123456789abcdef0123456789abcdef"
METER = Meter(PRODUCT, BUYER, DIMENSION)


def quantity(text: str | int) -> Quantity:
    """An exact amount."""
    return parse_quantity(str(text))


def hour(text: str) -> UsageHour:
    """The hour of "09:00", or of "2026-11-30 23:00"."""
    return UsageHour.of(utc(text))


def tags(**pairs: str) -> Tags:
    """Tags as a usage record holds them."""
    return tuple(sorted(pairs.items()))


def usage(
    used_at: str | datetime,
    amount: str | int = 1,
    *,
    meter: Meter = METER,
    tagged: Tags = (),
    event_id: str | None = None,
    extras: dict[str, object] | None = None,
) -> UsageRecord:
    """A usage record."""
    at = utc(used_at) if isinstance(used_at, str) else used_at
    return UsageRecord(
        meter.account,
        meter.product,
        meter.dimension,
        epoch_ns(at),
        quantity(amount).micros,
        meter.license_arn,
        tagged,
        event_id,
        extras or {},
    )


def item(**changes: object) -> dict[str, object]:
    """A usage record as the guide writes it; an attribute set to None is left out."""
    written: dict[str, object] = {
        "customerAWSAccountId": BUYER,
        "productCode": PRODUCT,
        "create_timestamp": epoch_ns(utc("09:10")) // 1_000_000,
        "dimension": DIMENSION,
        "quantity": 5,
        "metering_pending": "true",
    }
    written.update(changes)
    return {name: value for name, value in written.items() if value is not None}


def group(
    used_in: str | UsageHour,
    amount: str | int = 1,
    *,
    meter: Meter = METER,
    tagged: Tags = (),
    count: int = 1,
    earliest: datetime | None = None,
    members: object = None,
) -> Group:
    """A group of pending usage records, the earliest ten minutes into the hour."""
    used = hour(used_in) if isinstance(used_in, str) else used_in
    first = earliest or used.start + timedelta(minutes=10)
    return Group(meter, used, tagged, quantity(amount), count, epoch_ns(first), members)


def book(
    live: Sequence[Window] = (), key: BookKey = METER.book_key, released: Sequence[Window] = ()
) -> Book:
    """A book with live windows, and with windows that were given back once."""
    entries = [entry(window.hour, meter=window.meter).key for window in released]
    return Book(key, 7, frozenset(live), tuple(entries))


def window(used_in: str | UsageHour, meter: Meter = METER) -> Window:
    """The window of a meter."""
    return Window(meter, hour(used_in) if isinstance(used_in, str) else used_in)


def entry(
    used_in: str | UsageHour,
    amount: str | int = 1,
    *,
    meter: Meter = METER,
    state: State = State.SEALED,
    begun: int = 0,
    refused: int = 0,
    stamp: datetime | None = None,
    allocations: tuple[Allocation, ...] = (),
) -> Entry:
    """A ledger entry of usage of its own hour."""
    used = hour(used_in) if isinstance(used_in, str) else used_in
    stamped = stamp or used.start + timedelta(minutes=10)
    return Entry(
        window=Window(meter, used),
        serial=0,
        quantity=quantity(amount),
        stamp=stamped,
        deadline=deadline_of(stamped),
        lines=(Line(used, quantity(amount), 1),),
        allocations=allocations,
        retry_at=stamped + timedelta(seconds=2),
        state=state,
        begun=begun,
        refused=refused,
    )


def licensed(meter: Meter = METER, arn: str = LICENSE) -> Meter:
    """The same meter by licence."""
    return replace(meter, license_arn=arn)
