"""What a store tells about its books; reading only.

The marks that the guide defines on usage records (`metering_pending`, `metering_failed`,
`metering_response`) are worked out here, from the ledger.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from marketplace_metering.core.balance import Balance
from marketplace_metering.core.hours import UsageHour
from marketplace_metering.core.identity import Meter
from marketplace_metering.core.ledger import Entry, EntryKey, State
from marketplace_metering.core.record import UsageRecord
from marketplace_metering.ports import RefusedInput


@dataclass(frozen=True, slots=True, kw_only=True)
class EntryFilter:
    """Which entries to show; what is None does not matter."""

    product: str | None = None
    account: str | None = None
    dimension: str | None = None
    license_arn: str | None = None
    hour: UsageHour | None = None
    state: State | None = None
    limit: int | None = None


@dataclass(frozen=True, slots=True)
class AttemptLog:
    """One logged try and AWS's answer, if it came."""

    number: int
    begun_at: datetime
    answered_at: datetime | None
    answer: str | None
    words: str | None


@dataclass(frozen=True, slots=True)
class EntryView:
    """An entry and when it was sealed."""

    entry: Entry
    sealed_at: datetime


@dataclass(frozen=True, slots=True)
class RecordView:
    """A usage record and where the ledger has it."""

    record: UsageRecord
    source: str
    entry: EntryView | None  # the live entry that covers it
    released_from: EntryView | None  # the latest entry that gave it back
    failure: str | None  # why it is listed instead of pending

    @property
    def metering_pending(self) -> bool:
        """Whether its outcome is still open."""
        return self.failure is None and (self.entry is None or self.entry.entry.state == "sealed")

    @property
    def metering_failed(self) -> bool:
        """Whether it is listed as not billed, for now or for good."""
        failed = (State.PARKED, State.UNRESOLVED, State.WRITTEN_OFF)
        return self.failure is not None or (
            self.entry is not None and self.entry.entry.state in failed
        )


class Reports(Protocol):
    """The reading side of a store."""

    def balances(self) -> Sequence[Balance]:
        """The books of each product, recounted from the usage records themselves."""

    def entries(self, which: EntryFilter) -> Iterator[EntryView]:
        """Entries by product, account, dimension and hour."""

    def attempts(self, key: EntryKey) -> Sequence[AttemptLog]:
        """The logged tries of an entry, oldest first."""

    def records_at(self, account: str, from_ns: int, to_ns: int) -> Sequence[RecordView]:
        """The usage records of a buyer from an instant up to, not including, another."""

    def waiting(self, meter: Meter, hour: UsageHour) -> Sequence[RecordView]:
        """The usage records of a meter and hour that no live entry covers."""

    def refused_inputs(self, limit: int | None = None) -> Sequence[RefusedInput]:
        """Input that is kept although it is no usage record, newest first."""

    def oldest_pending_at(self) -> datetime | None:
        """When the oldest usage happened that no entry covers and nobody refused."""
