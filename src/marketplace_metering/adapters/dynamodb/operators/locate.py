"""Where the ledger has usage records: for reports and corrections."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import NamedTuple

from marketplace_metering.adapters.dynamodb.api.attributes import Attributes, text
from marketplace_metering.adapters.dynamodb.api.requests import Calls
from marketplace_metering.adapters.dynamodb.items import keys
from marketplace_metering.adapters.dynamodb.items.chunks import read_contents
from marketplace_metering.adapters.dynamodb.items.entry import (
    Covering,
    Stored,
    covering_of,
    read_covering,
)
from marketplace_metering.adapters.dynamodb.items.keys import Place
from marketplace_metering.adapters.dynamodb.items.member_list import MemberList, SealedContent
from marketplace_metering.adapters.dynamodb.items.tables import TableNames
from marketplace_metering.adapters.dynamodb.items.usage_record import (
    MARKED_BY,
    SOURCE,
    is_pending,
    parse,
)
from marketplace_metering.adapters.dynamodb.settling.outcome_marks import Fate, mark_of
from marketplace_metering.core.hours import from_ms
from marketplace_metering.core.ledger import State
from marketplace_metering.core.record import UsageRecord
from marketplace_metering.core.record_rules import PENDING
from marketplace_metering.core.views import EntryView, RecordView

UNKNOWN_SOURCE = "the application"
PENDING_TEXT = text(PENDING)


class Located(NamedTuple):
    """A usage record with what the ledger says of it."""

    item: Attributes
    view: RecordView
    said: SealedContent | None  # what it said when it was sealed into the entry that covers it now

    @property
    def is_as_sealed(self) -> bool:
        """Whether it still says that."""
        if self.view.entry is None or self.said is None:
            return True
        record = self.view.record
        meter = self.view.entry.entry.window.meter
        return meter == record.meter and self.said == SealedContent(record.tags, record.micros)


def read_settled(item: Attributes, now: datetime) -> UsageRecord | None:
    """The usage record of an item, with any marks; None if it is malformed."""
    found = parse({**item, "metering_pending": PENDING_TEXT}, now)
    return found if isinstance(found, UsageRecord) else None


def locate(
    calls: Calls, names: TableNames, records: Iterable[tuple[Attributes, UsageRecord]]
) -> Iterator[Located]:
    """Look each usage record up in the ledger."""
    by_book: dict[str, list[tuple[Attributes, UsageRecord]]] = {}
    for item, record in records:
        by_book.setdefault(keys.book_pk(record.meter.book_key), []).append((item, record))
    for pk, some in by_book.items():
        coverings = _coverings(calls, names.ledger, pk, some)
        attributes = ((each.place, each.members) for each in coverings.values())
        contents = read_contents(calls, names.ledger, attributes)
        times = {record.created_ns for _item, record in some}
        said = {
            place: MemberList.decode(content).said(times) for place, content in contents.items()
        }
        for item, record in some:
            yield _locate(item, record, coverings, said)


def _coverings(
    calls: Calls, table: str, pk: str, records: list[tuple[Attributes, UsageRecord]]
) -> dict[Place, Covering]:
    """What may hold them: entries with usage of their hours, and what marked them."""
    hours = {record.hour for _item, record in records}
    items = calls.items(
        TableName=table,
        KeyConditionExpression="pk = :pk AND sk BETWEEN :first AND :last",
        ExpressionAttributeValues={
            ":pk": text(pk),
            ":first": text(f"hour#{min(hours).number:07d}"),
            ":last": text("hour#~"),
        },
        ConsistentRead=True,
    )
    found: dict[Place, Covering] = {
        place: covering
        for place, covering in covering_of(calls, table, items).items()
        if not isinstance(covering, Stored)
        or any(line.hour in hours for line in covering.entry.lines)
    }
    named = {
        place
        for item, _record in records
        if (place := keys.parse_place(item.get(MARKED_BY, {}).get("S", ""))) is not None
    }
    found.update(read_covering(calls, table, [place for place in named if place not in found]))
    return found


def _locate(
    item: Attributes,
    record: UsageRecord,
    coverings: Mapping[Place, Covering],
    said: Mapping[Place, Mapping[int, SealedContent]],
) -> Located:
    holding = [each for each in coverings.values() if record.created_ns in said[each.place]]
    live = next((each for each in holding if _is_live(each)), None)
    past = sorted(
        (each for each in holding if isinstance(each, Stored) and not _is_live(each)),
        key=lambda each: (each.entry.window.hour, each.entry.serial),
    )
    failure = None
    if live is None:
        failure = _failure(item, holding)
    source = item.get(SOURCE, {}).get("S", UNKNOWN_SOURCE)
    view = RecordView(
        record,
        source,
        entry_view(live) if isinstance(live, Stored) else None,
        entry_view(past[-1]) if past else None,
        failure,
    )
    return Located(item, view, None if live is None else said[live.place][record.created_ns])


def _failure(item: Attributes, holding: Iterable[Covering]) -> str | None:
    """Why a usage record that no live entry covers is listed instead of pending."""
    for covering in holding:
        mark = mark_of(covering)
        is_behind = covering.marks_due_at_ms is not None
        if is_behind and mark is not None and mark.fate is Fate.FAILED:
            return mark.words
        if is_behind and mark is not None and mark.fate is Fate.PENDING:
            return None
    if is_pending(item):
        return None
    response = item.get("metering_response", {}).get("S")
    return response or "it is not pending: metering_pending is missing"


def _is_live(covering: Covering) -> bool:
    return isinstance(covering, Stored) and covering.entry.state is not State.RELEASED


def entry_view(stored: Stored) -> EntryView:
    """An entry as reports show it."""
    return EntryView(stored.entry, from_ms(stored.sealed_at_ms))
