"""The marks that people read on usage records in the guide's table.

The embedded store's marks are a view of its ledger. What the other one has written must say the
same as soon as it owes no marks.
"""

from __future__ import annotations

from collections.abc import Iterator

from marketplace_metering.adapters.dynamodb.items.tables import table_names
from marketplace_metering.adapters.dynamodb.operators.locate import read_settled
from marketplace_metering.proof.worlds.dynamodb_store import PREFIX, DynamoShop
from tests.differential.operations import BUYERS
from tests.differential.side import Side
from tests.differential.views import meter_text, to_ms


def marks(embedded: Side, other: Side) -> list[str]:
    """How they differ; nothing while marks are owed, which the next run writes."""
    assert isinstance(other.shop, DynamoShop)
    ledger = other.shop.client.tables[table_names(PREFIX).ledger]
    if any(item.get("outbox") == {"S": "marks"} for item in ledger.items()):
        return []
    wanted, found = sorted(_as_seen(embedded)), sorted(_as_written(other))
    return [] if wanted == found else [f"marks as seen: {wanted}", f"marks as written: {found}"]


def _as_seen(side: Side) -> Iterator[tuple[object, ...]]:
    for account in BUYERS:
        for seen in side.reports.records_at(account, 0, 2**62):
            meter = meter_text(seen.record.meter)
            at = to_ms(seen.record.created_ns)
            yield at, meter, seen.record.micros, seen.metering_pending, seen.metering_failed


def _as_written(side: Side) -> Iterator[tuple[object, ...]]:
    now = side.clock.now()
    for item in side.items():
        found = read_settled(dict(item), now)
        if found is None:
            continue  # what was here was corrected and stands elsewhere
        pending = "metering_pending" in item
        failed = item.get("metering_failed") == {"BOOL": True}
        yield to_ms(found.created_ns), meter_text(found.meter), found.micros, pending, failed
