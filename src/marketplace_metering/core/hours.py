"""UTC hours, billing months and the last instant at which AWS accepts usage.

A *window* is one meter during one UTC hour; how long AWS accepts it ends with its *deadline*.
Instants are aware UTC datetimes; anything naive is a bug and asserts.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache

from marketplace_metering.core.limits import MONTH_END_GRACE, WINDOW_LENGTH

NS_PER_S = 1_000_000_000
NS_PER_MS = 1_000_000
NS_PER_HOUR = 3_600 * NS_PER_S
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
LAST = datetime(9987, 1, 1, tzinfo=UTC)  # every deadline lies before it


@dataclass(frozen=True, slots=True, order=True)
class BillingMonth:
    """A calendar month in UTC, by which AWS invoices."""

    year: int
    month: int

    def __str__(self) -> str:
        return f"{self.year:04d}-{self.month:02d}"

    @property
    def end(self) -> datetime:
        """The first instant of the next month."""
        years, month_index = divmod(self.month, 12)
        return datetime(self.year + years, month_index + 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True, order=True)
class UsageHour:
    """One UTC hour, counted from 1970-01-01 00:00 UTC."""

    number: int

    def __str__(self) -> str:
        return f"{self.start:%Y-%m-%dT%H:00Z}"

    @classmethod
    def of(cls, at: datetime) -> UsageHour:
        """The hour that holds the instant."""
        return cls(epoch_ns(at) // NS_PER_HOUR)

    @property
    def start(self) -> datetime:
        """The first instant of the hour."""
        return _start_of(self.number)

    @property
    def end(self) -> datetime:
        """The first instant after the hour."""
        return _start_of(self.number + 1)

    @property
    def bounds_ns(self) -> tuple[int, int]:
        """Its first and its last nanosecond, since 1970."""
        return self.number * NS_PER_HOUR, (self.number + 1) * NS_PER_HOUR - 1

    @property
    def month(self) -> BillingMonth:
        """The billing month of the hour."""
        start = self.start
        return BillingMonth(start.year, start.month)

    def plus(self, hours: int) -> UsageHour:
        """The hour that many hours later."""
        return UsageHour(self.number + hours)


@lru_cache(maxsize=4_096)
def _start_of(hour: int) -> datetime:
    return EPOCH + timedelta(hours=hour)


@lru_cache(maxsize=256)
def _end_of(year: int, month: int) -> datetime:
    return BillingMonth(year, month).end


def epoch_ns(at: datetime) -> int:
    """Nanoseconds since 1970, exact to the microsecond that a datetime holds."""
    assert at.tzinfo is not None, "a naive datetime has no place near money"
    elapsed = at - EPOCH
    return (elapsed.days * 86_400 + elapsed.seconds) * NS_PER_S + elapsed.microseconds * 1_000


def epoch_ms(at: datetime) -> int:
    """Whole milliseconds since 1970; what is below one is cut off."""
    elapsed = at - EPOCH
    return (elapsed.days * 86_400 + elapsed.seconds) * 1_000 + elapsed.microseconds // 1_000


def epoch_s(at: datetime) -> int:
    """Whole seconds since 1970; what is below one is cut off."""
    elapsed = at - EPOCH
    return elapsed.days * 86_400 + elapsed.seconds


def stamp_s(stamp: datetime) -> int:
    """Seconds since 1970 of a time stamp for AWS; asserts unless they are whole."""
    assert stamp.microsecond == 0, "a stamp is a whole second [R7]"
    return epoch_s(stamp)


def instant(ns: int) -> datetime:
    """The datetime of nanoseconds since 1970, cut to the microsecond."""
    return EPOCH + timedelta(microseconds=ns // 1_000)


def from_ms(ms: int) -> datetime:
    """The datetime of milliseconds since 1970."""
    return EPOCH + timedelta(milliseconds=ms)


def from_s(seconds: int) -> datetime:
    """The datetime of seconds since 1970."""
    return EPOCH + timedelta(seconds=seconds)


def stamp_of(hour: UsageHour, earliest_own_ns: int | None) -> datetime:
    """The time stamp of a window: money rule 1.

    The earliest own usage rounded up to a second (so that it never precedes the buyer's start
    [Q4]) and kept inside the hour; the hour's start for a window of carried usage only.
    """
    if earliest_own_ns is None:
        return hour.start
    assert earliest_own_ns // NS_PER_HOUR == hour.number, "the earliest own usage is of the hour"
    second = -(-earliest_own_ns // NS_PER_S)
    return min(EPOCH + timedelta(seconds=second), hour.end - timedelta(seconds=1))


def deadline_of(stamp: datetime, window_length: timedelta = WINDOW_LENGTH) -> datetime:
    """AWS refuses a record from this instant on: the earlier one [Q3] of [R1] and [R2]."""
    month_end = _end_of(stamp.year, stamp.month)
    return min(stamp + window_length, month_end + MONTH_END_GRACE)
