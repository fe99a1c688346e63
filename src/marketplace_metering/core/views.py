"""What people look at: entries and usage records, with what the ledger knows of them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from marketplace_metering.core.hours import UsageHour
from marketplace_metering.core.identity import Meter
from marketplace_metering.core.ledger import Entry, State
from marketplace_metering.core.quantity import Quantity
from marketplace_metering.core.record import UsageRecord


@dataclass(frozen=True, slots=True, kw_only=True)
class EntryFilter:
    """Which entries to show; what is None does not matter."""

    product: str | None = None
    account: str | None = None
    dimension: str | None = None
    license_arn: str | None = None  # "": metered by product code
    hour: UsageHour | None = None
    state: State | None = None
    limit: int | None = None

    def fits(self, entry: Entry) -> bool:
        """Whether an entry is one of them."""
        is_in_state = self.state in (None, entry.state)
        return is_in_state and self.fits_usage(entry.window.meter, entry.window.hour)

    def fits_usage(self, meter: Meter, hour: UsageHour) -> bool:
        """Whether usage that no entry covers is meant: by meter and hour."""
        wanted = (
            (self.product, meter.product),
            (self.account, meter.account),
            (self.dimension, meter.dimension),
            (self.license_arn, meter.license_arn or ""),
            (self.hour, hour),
        )
        return all(want is None or want == have for want, have in wanted)


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
        is_open = self.entry is None or self.entry.entry.state is State.SEALED
        return self.failure is None and is_open

    @property
    def metering_failed(self) -> bool:
        """Whether it is listed as not billed, for now or for good."""
        failed = (State.PARKED, State.UNRESOLVED, State.WRITTEN_OFF)
        return self.failure is not None or (
            self.entry is not None and self.entry.entry.state in failed
        )


class Gone(NamedTuple):
    """What a live entry covers although it is recorded no more."""

    entry: EntryView
    quantity: Quantity
    records: int
