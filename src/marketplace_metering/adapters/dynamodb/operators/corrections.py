"""Retrying and repairing listed usage records; see `corrections.Corrections`.

A repair is written together with the next version of the usage record's book and a note there
which usage record it was: a sealing run that still sees the old one, because it has read the book
before or the index shows an old picture, is refused or looks at the table again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any

from marketplace_metering.adapters.dynamodb.api.attributes import (
    TRUE,
    Attributes,
    attribute_of,
    number,
    text,
)
from marketplace_metering.adapters.dynamodb.api.requests import (
    STATEMENTS_MAX,
    Calls,
    Statement,
    portions,
)
from marketplace_metering.adapters.dynamodb.items import keys, license_owner
from marketplace_metering.adapters.dynamodb.items.book_head import (
    NO_WINDOW,
    Head,
    Holding,
    cover,
    read_heads,
)
from marketplace_metering.adapters.dynamodb.items.buyer_books import BuyerBooks, read_buyers
from marketplace_metering.adapters.dynamodb.items.chunks import Parts
from marketplace_metering.adapters.dynamodb.items.entry import Rejected, rejected_item
from marketplace_metering.adapters.dynamodb.items.keys import Place
from marketplace_metering.adapters.dynamodb.items.member_list import MemberColumns, MemberList
from marketplace_metering.adapters.dynamodb.items.tables import TableNames
from marketplace_metering.adapters.dynamodb.items.usage_record import (
    EXPIRES,
    MARKED_BY,
    REPLACES,
    content_of,
    corrected_source,
    event_stands_at,
    events_at,
    is_moved,
    item_of,
    key_of,
    moved_item,
    replaced_by,
)
from marketplace_metering.adapters.dynamodb.operators.locate import Located, locate, read_settled
from marketplace_metering.adapters.dynamodb.sealing.append_plans import NUMBERS_PER_VERSION
from marketplace_metering.adapters.dynamodb.sealing.compare_with_ledger import compare
from marketplace_metering.adapters.dynamodb.sealing.pending_reader import GroupKey, PendingBook
from marketplace_metering.core.event import next_place, place_of, second_of
from marketplace_metering.core.license_owners import Owner
from marketplace_metering.core.record import UsageRecord
from marketplace_metering.core.views import EntryFilter, RecordView

TRIES = 5
LOCATED_AT_ONCE = 1_000
PLACES_LOOKED_AT = 1_000


class DynamoCorrections:
    """Changes to usage records that no live entry covers."""

    def __init__(
        self,
        calls: Calls,
        names: TableNames,
        new_revision: Callable[[], str],
        write_back: Callable[[datetime | None], int],
        now: Callable[[], datetime],
    ) -> None:
        self._calls = calls
        self._names = names
        self._new_revision = new_revision
        self._write_back = write_back
        self._now = now

    def retry_refused(self, which: EntryFilter) -> int:
        """Make listed usage records pending again; answers how many."""
        self._write_back(None)  # what was refused just now is marked first
        again = 0
        for part in portions(self._listed(which), STATEMENTS_MAX):
            statements = [_retry(self._names.records, item) for item in part]
            refusals = self._calls.execute(statements)
            again += sum(refusal is None for refusal in refusals)
        return again

    def _listed(self, which: EntryFilter) -> Iterator[Attributes]:
        failed = self._calls.scan(
            TableName=self._names.records,
            FilterExpression="metering_failed = :failed",
            ExpressionAttributeValues={":failed": TRUE},
            ConsistentRead=True,
        )
        now = self._now()
        records = (
            (item, record)
            for item in failed
            if (record := read_settled(item, now)) is not None
            and which.fits_usage(record.meter, record.hour)
        )
        for part in portions(records, LOCATED_AT_ONCE):
            for located in locate(self._calls, self._names, part):
                if located.view.entry is None and located.view.failure is not None:
                    yield located.item

    def replace(self, view: RecordView, corrected: UsageRecord, now: datetime) -> bool:
        """Put a corrected usage record in the place of one that no live entry covers."""
        self._write_back(None)  # or what was refused or freed just now is marked afterwards
        old = view.record
        pk = keys.book_pk(old.meter.book_key)
        for _try in range(TRIES):
            # The buyer and the book first: anything sealed after this read changes their versions.
            buyer = read_buyers(self._calls, self._names.ledger, [old.account])[old.account].books
            head = read_heads(self._calls, self._names.ledger, [pk])[pk]
            located = self._find(old, now)
            if located is None or located.view.entry is not None:
                return False
            if self._is_held_elsewhere(located, head, buyer):
                return False
            item = item_of(corrected, old.created_ns, corrected_source(view.source))
            gave_it_back = located.view.released_from
            if gave_it_back is not None:  # or it would pass for usage that was recorded late
                item[MARKED_BY] = text(str(keys.entry_place(gave_it_back.entry.key)))
            if _has_same_place(corrected, old):
                puts = [self._put(_with_replaced(item, located.item), located.item)]
            else:
                there, item = self._at_new_place(corrected, item)
                if there is not None and not self._has_left(there):
                    return False  # this very event is recorded already
                moved = moved_item(
                    located.item, f"{corrected.account} {item['create_timestamp']['N']}"
                )
                puts = [self._put(moved, located.item), self._put(item, there)]
                puts += self._moved_at_its_place(old, moved)
            seen = buyer.sealed({}).write(self._names.ledger, buyer)
            if self._calls.transact([*self._note(head, old, now), seen, *puts]) is None:
                return True
        return False

    def license_owner(self, license_arn: str) -> Owner | None:
        """Which product code a licence is metered under."""
        owners = license_owner.read_owners(self._calls, self._names.ledger, [license_arn])
        return owners.get(license_arn)

    def set_license_owner(self, license_arn: str, owner: Owner, instead_of: Owner | None) -> bool:
        """Put an owner in the place of the one that was read."""
        ledger = self._names.ledger
        return license_owner.replace(self._calls, ledger, license_arn, owner, instead_of)

    def _find(self, old: UsageRecord, now: datetime) -> Located | None:
        """The usage record as it is now, if it still says what was looked at."""
        for item in self._calls.get(self._names.records, [key_of(old.account, old.created_ns)]):
            record = read_settled(item, now)
            if record == old:
                return next(locate(self._calls, self._names, [(item, record)]))
        return None

    def _is_held_elsewhere(self, located: Located, head: Head, buyer: BuyerBooks) -> bool:
        """Whether it was sealed as usage of another book, and edited before it was marked."""
        record = located.view.record
        key, book = record.meter.book_key, PendingBook()
        group = GroupKey(record.license_arn, record.hour.number, record.tags)
        book.columns(group).add(record.created_ns, record.micros)
        if MARKED_BY in located.item:
            book.marked_by[record.created_ns] = located.item[MARKED_BY]["S"]
        others = [keys.book_pk(other) for other in buyer.others(key, book.first_hour)]
        heads = read_heads(self._calls, self._names.ledger, others).values() if others else ()
        compared = compare(
            self._calls, self._names.ledger, {key: book}, {key: head}, {key: list(heads)}
        )
        return any(
            match.is_elsewhere and not match.is_free and not match.is_other_use
            for match in compared.doubtful
        )

    def _at_new_place(
        self, corrected: UsageRecord, item: Attributes
    ) -> tuple[Attributes | None, Attributes]:
        """What stands where usage is moved to, if it is its own event, and the item for there."""
        there, key = self._place(corrected)
        placed = {**item, **key}
        return there, placed if there is None else _with_replaced(placed, there)

    def _place(self, record: UsageRecord) -> tuple[Attributes | None, Attributes]:
        """What knows this event at its place, and the key of the place; None if it is free."""
        event_id, ns = record.event_id, record.created_ns
        if event_id is not None:
            ns = place_of(event_id, ns)
        for _ in range(PLACES_LOOKED_AT):
            key = key_of(record.account, ns)
            there = next(self._calls.get(self._names.records, [key]), None)
            if there is None or event_id in events_at(there, ns):
                return there, key
            ns = ns + 1 if event_id is None else next_place(ns)
        raise AssertionError(f"no place for usage of {record.account} at {record.created_ns}")

    def _moved_at_its_place(self, old: UsageRecord, moved: Attributes) -> list[dict[str, Any]]:
        """The event's place says that it was moved, too, where a plain put has put it elsewhere.

        What stays where it stood is not enough: no recorder looks there, and the application's
        retry of its PutItem overwrites it.
        """
        if old.event_id is None:
            return []
        there, key = self._place(old)
        if there is not None and event_stands_at(there) != moved["create_timestamp"]["N"]:
            return []  # it stands at its place, or is not the one that counts
        return [self._put({**moved, **key}, there)]

    def _has_left(self, there: Attributes) -> bool:
        """Whether the event that is known there was moved away from the buyer, or the second."""
        at = event_stands_at(there)
        if at is not None:
            key = {
                "customerAWSAccountId": there["customerAWSAccountId"],
                "create_timestamp": number(at),
            }
            there = next(self._calls.get(self._names.records, [key]), {})
        return is_moved(there)

    def _put(self, item: Attributes, there: Attributes | None) -> dict[str, Any]:
        """The part of a transaction that puts an item in the place of what was looked at."""
        the_place_is_free = {"ConditionExpression": "attribute_not_exists(customerAWSAccountId)"}
        it_is_as_looked_at = the_place_is_free if there is None else _unchanged(there)
        return {"Put": {"TableName": self._names.records, "Item": item, **it_is_as_looked_at}}

    def _note(self, head: Head, old: UsageRecord, now: datetime) -> list[dict[str, Any]]:
        """The book's next version, which knows that the old usage record was corrected."""
        columns = MemberColumns()
        columns.add(old.created_ns, old.micros)
        parts = Parts()
        hour = old.hour.number
        serial = head.version * NUMBERS_PER_VERSION
        rejected = Rejected(
            place=Place(head.pk, keys.hour_sk(hour, keys.REJECTED, serial)),
            revision=self._new_revision(),
            members=parts.take(head.pk, MemberList.of([(old.tags, columns)]).encode()),
            why="a person corrected this usage record",
        )
        assert not parts.items, "one member is small"
        noted = cover(hour, NO_WINDOW, serial, Holding.LISTED, old.created_ns, old.created_ns)
        after = head.bumped([*head.covers, noted], now)
        put = {"TableName": self._names.ledger, "Item": rejected_item(rejected)}
        return [after.write(self._names.ledger, head), {"Put": put}]


def _has_same_place(one: UsageRecord, other: UsageRecord) -> bool:
    is_same_event = one.event_id is not None and one.event_id == other.event_id
    at_one, at_other = (
        second_of(each.created_ns) if is_same_event else each.created_ns for each in (one, other)
    )
    return (one.account, at_one) == (other.account, at_other)


def _retry(table: str, item: Attributes) -> Statement:
    """As the guide tells people to do it."""
    it_is_still_listed = '"metering_failed"=?'
    words = (
        f'UPDATE "{table}" SET "metering_pending"=? SET "metering_failed"=? '
        f'REMOVE "{EXPIRES}" WHERE "customerAWSAccountId"=? AND "create_timestamp"=? '
        f"AND {it_is_still_listed}"
    )
    key = [item["customerAWSAccountId"], item["create_timestamp"]]
    return Statement(words, [text("true"), {"BOOL": False}, *key, TRUE])


def _with_replaced(item: Attributes, there: Attributes) -> Attributes:
    """The item, with what it takes the place of."""
    replaced = replaced_by(there) if is_moved(there) else [*replaced_by(there), content_of(there)]
    # What a correction brings back no longer counts as taken away.
    gone = [each for each in replaced if each != content_of(item)]
    return {**item, REPLACES: attribute_of(gone)}


def _unchanged(item: Attributes) -> dict[str, Any]:
    """The condition that an item still is what was looked at."""
    names = {f"#{n}": name for n, name in enumerate(sorted(item))}
    return {
        "ConditionExpression": " AND ".join(f"{alias} = :{alias[1:]}" for alias in names),
        "ExpressionAttributeNames": names,
        "ExpressionAttributeValues": {f":{a[1:]}": item[name] for a, name in names.items()},
    }
