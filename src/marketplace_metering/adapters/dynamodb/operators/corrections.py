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
    text,
)
from marketplace_metering.adapters.dynamodb.api.requests import (
    STATEMENTS_MAX,
    Calls,
    Statement,
    portions,
)
from marketplace_metering.adapters.dynamodb.items import keys
from marketplace_metering.adapters.dynamodb.items.book_head import (
    NO_WINDOW,
    Head,
    Holding,
    cover,
    read_heads,
)
from marketplace_metering.adapters.dynamodb.items.chunks import Parts
from marketplace_metering.adapters.dynamodb.items.entry import Rejected, rejected_item
from marketplace_metering.adapters.dynamodb.items.event_id import (
    Event,
    Meant,
    event_item,
    event_of,
    event_place,
    meant_by,
)
from marketplace_metering.adapters.dynamodb.items.keys import Place
from marketplace_metering.adapters.dynamodb.items.member_list import MemberColumns, MemberList
from marketplace_metering.adapters.dynamodb.items.tables import TableNames
from marketplace_metering.adapters.dynamodb.items.usage_record import (
    REPLACES,
    content_of,
    item_of,
    key_of,
    replaced_by,
)
from marketplace_metering.adapters.dynamodb.operators.locate import Located, locate, read_settled
from marketplace_metering.adapters.dynamodb.sealing.append_plans import NUMBERS_PER_VERSION
from marketplace_metering.core.record import UsageRecord
from marketplace_metering.ports import EntryFilter, RecordView

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
            if (record := read_settled(item, now)) is not None and _fits(record, which)
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
            # The book first: whatever is sealed after this read makes its version another one.
            head = read_heads(self._calls, self._names.ledger, [pk])[pk]
            located = self._find(old, now)
            if located is None or located.view.entry is not None:
                return False
            if self._calls.transact(self._writes(head, located, corrected, view, now)) is None:
                return True
        return False

    def _find(self, old: UsageRecord, now: datetime) -> Located | None:
        """The usage record as it is now, if it still says what was looked at."""
        for item in self._calls.get(self._names.records, [key_of(old.account, old.created_ns)]):
            record = read_settled(item, now)
            if record == old:
                return next(locate(self._calls, self._names, [(item, record)]))
        return None

    def _writes(
        self,
        head: Head,
        located: Located,
        corrected: UsageRecord,
        view: RecordView,
        now: datetime,
    ) -> list[dict[str, Any]]:
        old = view.record
        source = f"a correction of {view.source}"
        stays = (corrected.account, corrected.created_ns) == (old.account, old.created_ns)
        ns = corrected.created_ns if stays else self._free_ns(corrected)
        item = item_of(corrected, ns, source)
        it_is_as_looked_at = _unchanged(located.item)
        put_old: dict[str, Any] = {"TableName": self._names.records, **it_is_as_looked_at}
        replaced = [*replaced_by(located.item), content_of(located.item)]
        if stays:
            # What a correction brings back no longer counts as taken away.
            gone = [each for each in replaced if each != content_of(item)]
            put_old["Item"] = {**item, REPLACES: attribute_of(gone)}
            puts = [put_old]
        else:
            # Nothing is deleted: what stood there is kept in what marks the place.
            moved = text(f"corrected: it is the usage record {corrected.account} {ns} now")
            key = key_of(old.account, old.created_ns)
            put_old["Item"] = {**key, REPLACES: attribute_of(replaced), "metering_response": moved}
            the_place_is_free = "attribute_not_exists(customerAWSAccountId)"
            put_new = {
                "TableName": self._names.records,
                "Item": item,
                "ConditionExpression": the_place_is_free,
            }
            puts = [put_old, put_new]
        puts += self._events(old, corrected, ns)
        return [*self._note(head, old, now), *({"Put": put} for put in puts)]

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

    def _events(self, old: UsageRecord, corrected: UsageRecord, ns: int) -> list[dict[str, Any]]:
        if corrected.event_id is None:
            return []
        replaces: tuple[tuple[Meant, int], ...] = ()
        if old.event_id == corrected.event_id:
            earlier = self._event(old.account, corrected.event_id)
            replaces = (*(earlier.replaces if earlier else ()), (meant_by(old), old.micros))
        event = Event(meant_by(corrected), corrected.micros, ns, replaces)
        item = event_item(corrected.account, corrected.event_id, event)
        return [{"TableName": self._names.ledger, "Item": item}]

    def _event(self, account: str, event_id: str) -> Event | None:
        for item in self._calls.get(self._names.ledger, [event_place(account, event_id).key]):
            return event_of(item)
        return None

    def _free_ns(self, record: UsageRecord) -> int:
        for ns in range(record.created_ns, record.created_ns + PLACES_LOOKED_AT):
            if not list(self._calls.get(self._names.records, [key_of(record.account, ns)])):
                return ns
        raise AssertionError(f"no place for usage of {record.account} at {record.created_ns}")


def _retry(table: str, item: Attributes) -> Statement:
    """As the guide tells people to do it."""
    it_is_still_listed = '"metering_failed"=?'
    words = (
        f'UPDATE "{table}" SET "metering_pending"=? SET "metering_failed"=? '
        'WHERE "customerAWSAccountId"=? AND "create_timestamp"=? '
        f"AND {it_is_still_listed}"
    )
    key = [item["customerAWSAccountId"], item["create_timestamp"]]
    return Statement(words, [text("true"), {"BOOL": False}, *key, TRUE])


def _unchanged(item: Attributes) -> dict[str, Any]:
    """The condition that an item still is what was looked at."""
    names = {f"#{n}": name for n, name in enumerate(sorted(item))}
    return {
        "ConditionExpression": " AND ".join(f"{alias} = :{alias[1:]}" for alias in names),
        "ExpressionAttributeNames": names,
        "ExpressionAttributeValues": {f":{a[1:]}": item[name] for a, name in names.items()},
    }


def _fits(record: UsageRecord, which: EntryFilter) -> bool:
    wanted = (
        (which.product, record.product),
        (which.account, record.account),
        (which.dimension, record.dimension),
        (which.license_arn, record.license_arn),
        (which.hour, record.hour),
    )
    return all(want is None or want == have for want, have in wanted)
