"""What a restored file can say of itself; see `ports.Recovery`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime

from marketplace_metering.adapters.sqlite.ledger import SqliteLedger
from marketplace_metering.core.hours import UsageHour
from marketplace_metering.core.plan import Book, Group
from marketplace_metering.core.views import Gone


class SqliteRecovery:
    """Usage records and ledger are one file, restored together."""

    def __init__(self, ledger: SqliteLedger) -> None:
        self._ledger = ledger

    def open_usage(self, now: datetime) -> Iterator[tuple[Book, Sequence[Group]]]:
        """What is pending, in books with all their windows."""
        del now  # nothing here is in the future: it was judged when it was recorded
        return self._ledger.pending_since(UsageHour(0))

    def gone(self, since: datetime) -> Iterator[Gone]:
        """Nothing: what an entry covers is in the same file."""
        del since
        return iter(())
