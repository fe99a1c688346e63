"""Alarms: stored with what raised them, and in an index until their delivery is confirmed."""

from __future__ import annotations

import logging
import secrets
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from heapq import merge
from itertools import count, groupby, islice
from typing import Any

from marketplace_metering.adapters.dynamodb.api.apart import is_broken
from marketplace_metering.adapters.dynamodb.api.attributes import Attributes, number, text
from marketplace_metering.adapters.dynamodb.api.requests import (
    GET_KEYS_MAX,
    STATEMENTS_MAX,
    Calls,
    Statement,
    portions,
)
from marketplace_metering.adapters.dynamodb.items import keys, tables
from marketplace_metering.adapters.dynamodb.items.keys import Place
from marketplace_metering.core.hours import UsageHour, epoch_ms, from_ms
from marketplace_metering.core.identity import Meter, Window
from marketplace_metering.core.ledger import Alarm, AlarmKind
from marketplace_metering.core.quantity import parse_quantity

logger = logging.getLogger("marketplace_metering.adapters.dynamodb.alarms")

UNDELIVERED = "alarms"
NUMBER_SPREAD = 10**9  # so that two processes do not take the same number
NUMBERS_PER_MS = 10**6
NUMBER_DIGITS = 30
TEXT_KEPT = 20_000


def _place(number_: int) -> Place:
    return Place(keys.ALARM, f"{number_:0{NUMBER_DIGITS}d}")


def alarm_item(alarm: Alarm, number_: int) -> Attributes:
    """An alarm that is not delivered yet."""
    item: Attributes = {
        **_place(number_).key,
        "kind": text(alarm.kind),
        "words": text(alarm.text[:TEXT_KEPT]),
        "raised_at": number(epoch_ms(alarm.raised_at)),
        "outbox": text(UNDELIVERED),
        "outbox_order": number(number_),
    }
    if alarm.quantity is not None:
        item["quantity"] = number(str(alarm.quantity))
    if alarm.window is not None:
        meter = alarm.window.meter
        item["book"] = text(keys.book_pk(meter.book_key))
        item["hour"] = number(alarm.window.hour.number)
        if meter.license_arn is not None:
            item["license_arn"] = text(meter.license_arn)
    return item


def _alarm_of(item: Attributes) -> Alarm:
    window = None
    if "book" in item:
        book = keys.book_key_of(item["book"]["S"])
        license_arn = item["license_arn"]["S"] if "license_arn" in item else None
        meter = Meter(book.product, book.account, book.dimension, license_arn)
        window = Window(meter, UsageHour(int(item["hour"]["N"])))
    quantity = parse_quantity(item["quantity"]["N"]) if "quantity" in item else None
    raised_at = from_ms(int(item["raised_at"]["N"]))
    return Alarm(AlarmKind(item["kind"]["S"]), window, quantity, item["words"]["S"], raised_at)


class Alarms:
    """The alarms of a store.

    An index shows what was written a moment later: what this process raised itself it remembers.
    """

    def __init__(self, calls: Calls, table: str) -> None:
        self._calls = calls
        self._table = table
        self._raised: set[int] = set()
        self._count = count()

    def write(self, alarm: Alarm) -> dict[str, Any]:
        """The part of a transaction that stores an alarm with its cause."""
        return self._put(alarm, self._new_number(alarm))

    def _new_number(self, alarm: Alarm) -> int:
        """Rises with time, and within a process also where the time stands still."""
        within = epoch_ms(alarm.raised_at) * NUMBERS_PER_MS + next(self._count) % NUMBERS_PER_MS
        return within * NUMBER_SPREAD + secrets.randbelow(NUMBER_SPREAD)

    def raise_once(self, alarm: Alarm, period_start: datetime, about: int) -> None:
        """Store an alarm, unless one about the same was stored in the same period."""
        within = epoch_ms(period_start) * NUMBERS_PER_MS + about % NUMBERS_PER_MS
        write = self._put(alarm, within * NUMBER_SPREAD + about // NUMBERS_PER_MS % NUMBER_SPREAD)
        write["Put"]["ConditionExpression"] = "attribute_not_exists(pk)"
        if self._calls.transact([write]) is None:
            self.were_raised([write])

    def _put(self, alarm: Alarm, number_: int) -> dict[str, Any]:
        return {"Put": {"TableName": self._table, "Item": alarm_item(alarm, number_)}}

    def were_raised(self, writes: Sequence[dict[str, Any]]) -> None:
        """The transaction with these parts was stored."""
        for write in writes:
            item = write.get("Put", {}).get("Item", {})
            if item.get("outbox") == text(UNDELIVERED):
                self._raised.add(int(item["outbox_order"]["N"]))

    def undelivered(self, limit: int | None = None) -> Sequence[tuple[int, Alarm]]:
        """Alarms whose delivery nobody has confirmed, the oldest first."""
        rows = self._calls.items(
            TableName=self._table,
            IndexName=tables.OUTBOX_INDEX,
            KeyConditionExpression="outbox = :undelivered",
            ExpressionAttributeValues={":undelivered": text(UNDELIVERED)},
        )
        shown = (int(row["outbox_order"]["N"]) for row in rows)
        found = self._still_undelivered(merge(shown, sorted(self._raised)))
        return list(islice(found, limit))

    def _still_undelivered(self, numbers: Iterable[int]) -> Iterator[tuple[int, Alarm]]:
        """Those of them that are undelivered in the table itself; the index may be behind."""
        different = (each for each, _same in groupby(numbers))
        for part in portions(different, GET_KEYS_MAX):
            items = self._calls.get(self._table, (_place(each).key for each in part))
            there = {int(item["sk"]["S"]): item for item in items if "outbox" in item}
            self._raised.difference_update(set(part).difference(there))
            for each in sorted(there):
                try:
                    yield each, _alarm_of(there[each])
                except Exception as error:
                    if not is_broken(error):
                        raise
                    # Another version's: who can read it delivers it.
                    logger.warning("the alarm %d cannot be read", each, exc_info=error)

    def delivered(self, numbers: Sequence[int], now: datetime) -> None:
        """Confirm the delivery of alarms."""
        words = (
            f'UPDATE "{self._table}" SET "delivered_at"=? REMOVE "outbox" REMOVE "outbox_order" '
            'WHERE "pk"=? AND "sk"=?'
        )
        statements = []
        for each in dict.fromkeys(numbers):
            place = _place(each)
            at = number(epoch_ms(now))
            statements.append(Statement(words, [at, text(place.pk), text(place.sk)]))
        for part in portions(statements, STATEMENTS_MAX):
            self._calls.execute(part)
        self._raised.difference_update(numbers)
