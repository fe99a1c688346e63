"""Which usage records the ledger holds and the table has no more, or not as they were sealed.

Nothing keeps others from the table: an application may put other usage over a usage record, and a
person may change or delete it. What was sealed is in the ledger, and is billed as that. An entry is
looked into only where fewer usage records stand for it than it has members.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from marketplace_metering.adapters.dynamodb.api.attributes import Attributes, timestamp_ns
from marketplace_metering.adapters.dynamodb.api.requests import GET_KEYS_MAX, Calls, portions
from marketplace_metering.adapters.dynamodb.items import keys
from marketplace_metering.adapters.dynamodb.items.chunks import read_contents
from marketplace_metering.adapters.dynamodb.items.entry import Stored, read_covering
from marketplace_metering.adapters.dynamodb.items.member_list import MemberList, SealedContent
from marketplace_metering.adapters.dynamodb.items.tables import TableNames
from marketplace_metering.adapters.dynamodb.items.usage_record import is_moved, key_of
from marketplace_metering.adapters.dynamodb.operators.locate import read_settled
from marketplace_metering.core.balance import Missing
from marketplace_metering.core.hours import epoch_ms
from marketplace_metering.core.ledger import State
from marketplace_metering.core.quantity import Quantity

DELETED_WHEN = (State.BILLED, State.PRESUMED)  # the others get no date to be deleted at


@dataclass(slots=True)
class Tally:
    """How much of an entry no usage record was found for so far."""

    micros: int
    records: int
    is_deleted: bool  # by DynamoDB, as it was told to

    def found(self, micros: int) -> None:
        """One of its members stands in the table."""
        self.micros -= micros
        self.records -= 1

    @property
    def is_even(self) -> bool:
        """Whether all of them do, or need not."""
        is_whole = self.micros == 0 and self.records == 0
        return is_whole or (self.is_deleted and self.records > 0)


def tally_of(stored: Stored, now: datetime, retention: timedelta | None) -> Tally:
    """Of an entry before anything is found; `retention` after which what is settled is deleted."""
    entry = stored.entry
    is_settled = entry.state in DELETED_WHEN and stored.marks_due_at_ms is None
    is_deleted = (
        is_settled and retention is not None and stored.sealed_at_ms <= epoch_ms(now - retention)
    )
    return Tally(entry.quantity.micros, entry.record_count, is_deleted)


def missing(
    calls: Calls, names: TableNames, written: Sequence[str], now: datetime
) -> Iterator[Missing]:
    """The members of these entries that are not there as they were sealed."""
    places = filter(None, map(keys.parse_place, written))
    for part in portions(places, GET_KEYS_MAX):
        found = read_covering(calls, names.ledger, part)
        contents = read_contents(
            calls, names.ledger, ((place, each.members) for place, each in found.items())
        )
        for place, covering in found.items():
            if isinstance(covering, Stored) and covering.entry.state.is_live:
                said = MemberList.decode(contents[place]).said()
                yield from _of_entry(calls, names, covering, said, now)


def _of_entry(
    calls: Calls,
    names: TableNames,
    stored: Stored,
    said: Mapping[int, SealedContent],
    now: datetime,
) -> Iterator[Missing]:
    entry = stored.entry
    meter = entry.window.meter
    items: dict[int, Attributes] = {}
    for item in calls.get(names.records, (key_of(meter.account, ns) for ns in said)):
        ns = timestamp_ns(item["create_timestamp"]["N"])
        assert ns is not None, "it was asked for by its nanoseconds"
        items[ns] = item
    for ns, content in said.items():
        record = read_settled(items[ns], now) if ns in items else None
        said_now = None if record is None else SealedContent(record.tags, record.micros)
        if record is None or record.meter != meter or said_now != content:
            quantity, there = Quantity(content.micros), _there(items.get(ns), now)
            yield Missing(meter, ns, quantity, entry.window.hour, entry.state, there)


def _there(item: Attributes | None, now: datetime) -> str | None:
    """What stands in the place of a usage record, in words."""
    if item is None or is_moved(item):
        return None
    record = read_settled(item, now)
    if record is None:
        return "a malformed usage record"
    by_license = f" by licence {record.license_arn}" if record.license_arn else ""
    tags = "".join(f", {key}={value}" for key, value in record.tags)
    return f"{record.dimension} {record.quantity} of product {record.product}{by_license}{tags}"
