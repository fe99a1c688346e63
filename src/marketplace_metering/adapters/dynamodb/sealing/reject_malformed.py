"""Marking single usage records as failed, each with its alarm in the same transaction.

A usage record is only marked if it still says what it said when it was judged: what a seller
writes in between is judged by the next run. Nothing but the marks is changed.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

from marketplace_metering.adapters.dynamodb.api.attributes import TRUE, Attributes, size_of, text
from marketplace_metering.adapters.dynamodb.api.requests import Calls, portions
from marketplace_metering.adapters.dynamodb.items import keys
from marketplace_metering.adapters.dynamodb.items.alarm import Alarms
from marketplace_metering.adapters.dynamodb.items.keys import Place
from marketplace_metering.adapters.dynamodb.items.tables import TableNames
from marketplace_metering.adapters.dynamodb.items.usage_record import EXPIRES, MARKED_BY
from marketplace_metering.adapters.dynamodb.settling.outcome_marks import RESPONSE_LENGTH_MAX
from marketplace_metering.core.ledger import Alarm
from marketplace_metering.core.record_rules import KNOWN

RECORDS_PER_TRANSACTION = 45  # with an alarm each
BYTES_PER_TRANSACTION = 1_500_000
ITEM_BYTES_FULL = 390_000  # of 400 KB [P3]: there is no room for words beside it


class MalformedRecord(NamedTuple):
    """A usage record that cannot be metered, and why."""

    item: Attributes  # as it was judged
    why: str
    alarm: Alarm
    place: Place | None = None  # what in the ledger it is about


def mark_refused(
    calls: Calls, names: TableNames, alarms: Alarms, refused: Iterable[MalformedRecord]
) -> int:
    """Mark them, and raise their alarms; answers how many still were what was judged."""
    marked = 0
    for part in portions(refused, RECORDS_PER_TRANSACTION):
        for small in _by_size(part):
            marked += _mark(calls, names, alarms, small)
    return marked


def _by_size(refused: list[MalformedRecord]) -> Iterable[list[MalformedRecord]]:
    together: list[MalformedRecord] = []
    size = 0
    for each in refused:
        size += 2 * size_of(each.item)  # its condition repeats it
        if together and size > BYTES_PER_TRANSACTION:
            yield together
            together, size = [], 2 * size_of(each.item)
        together.append(each)
    yield together


def _mark(calls: Calls, names: TableNames, alarms: Alarms, refused: list[MalformedRecord]) -> int:
    while refused:
        writes = [
            write
            for each in refused
            for write in (_update(names.records, each), alarms.write(each.alarm))
        ]
        refusals = calls.transact(writes)
        if refusals is None:
            alarms.were_raised(writes)
            return len(refused)
        # Somebody changed them, so they are judged again by the next run.
        refused = [each for n, each in enumerate(refused) if refusals[2 * n] is None]
    return 0


def _was_marked(item: Attributes) -> bool:
    marked_by = item.get(MARKED_BY, {}).get("S")
    return marked_by is not None and keys.parse_place(marked_by) is not None


def _update(table: str, refused: MalformedRecord) -> dict[str, Any]:
    item = refused.item
    judged = {f"#{n}": name for n, name in enumerate(sorted(KNOWN | {MARKED_BY}))}
    it_still_says_the_same = " AND ".join(
        f"{alias} = :{alias[1:]}" if name in item else f"attribute_not_exists({alias})"
        for alias, name in judged.items()
    )
    values = {f":{alias[1:]}": item[name] for alias, name in judged.items() if name in item}
    sets = "metering_failed = :failed"
    values[":failed"] = TRUE
    if size_of(item) < ITEM_BYTES_FULL:
        sets += ", metering_response = :response"
        values[":response"] = text(refused.why[:RESPONSE_LENGTH_MAX])
        if refused.place is not None:
            sets += f", {MARKED_BY} = :place"
            values[":place"] = text(str(refused.place))
    removes = "metering_pending"
    if refused.place is not None or _was_marked(item):
        removes += f", {EXPIRES}"  # it was settled and is taken back: a person needs it
    return {
        "Update": {
            "TableName": table,
            "Key": {name: item[name] for name in ("customerAWSAccountId", "create_timestamp")},
            "UpdateExpression": f"SET {sets} REMOVE {removes}",
            "ConditionExpression": it_still_says_the_same,
            "ExpressionAttributeNames": judged,
            "ExpressionAttributeValues": values,
        }
    }
