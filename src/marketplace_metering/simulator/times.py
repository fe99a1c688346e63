"""Instants as whole microseconds since 1970, and the rules about which stamps AWS accepts."""

from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Final

from marketplace_metering.simulator.readings import Readings

SECOND: Final = 1_000_000
HOUR: Final = 3600 * SECOND
DAY: Final = 24 * HOUR
EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
# What a Python datetime can hold, less a month of room for computing with it.
OLDEST: Final = (datetime(1, 3, 1, tzinfo=UTC) - EPOCH) // timedelta(microseconds=1)
NEWEST: Final = (datetime(9999, 11, 1, tzinfo=UTC) - EPOCH) // timedelta(microseconds=1)


def micros(instant: datetime) -> int:
    """Microseconds since 1970 of an aware instant."""
    if instant.tzinfo is None:
        raise ValueError(f"{instant.isoformat()} has no time zone; pass an aware UTC instant")
    return (instant - EPOCH) // timedelta(microseconds=1)


def instant(stamp: int) -> datetime:
    """The UTC instant of a number of microseconds."""
    return EPOCH + timedelta(microseconds=stamp)


def iso(stamp: int) -> str:
    """ISO 8601 in UTC with a Z, as the admin API speaks."""
    return instant(stamp).isoformat().replace("+00:00", "Z")


@lru_cache(maxsize=4096)
def _month_cut_of_day(day: int) -> int:
    date = instant(day * DAY)
    year, month = (date.year + 1, 1) if date.month == 12 else (date.year, date.month + 1)
    return micros(datetime(year, month, 1, 6, tzinfo=UTC))


def month_cut(stamp: int) -> int:
    """06:00 UTC on the first of the month after `stamp`: its month is closed from then on."""
    return _month_cut_of_day(stamp // DAY)


def out_of_bounds(stamp: int, now: int, readings: Readings) -> str | None:
    """Why AWS refuses a stamp for its time alone, or None. Each bound itself is already out."""
    if not OLDEST <= stamp <= NEWEST:
        return "is not a time in epoch seconds"
    cut = month_cut(stamp)
    # [R2] month M is accepted until 06:00 UTC on the 1st of M+1, however young the usage is.
    if now >= cut:
        return f"belongs to a billing month that closed at {iso(cut)}"
    old_month_in_grace = readings.month_end_grace == "extends" and now >= cut - 6 * HOUR
    # [R1] not accepted 24 hours or more after the event.
    if now - stamp >= readings.window_hours * HOUR and not old_month_in_grace:
        return f"is {readings.window_hours} hours old or older"
    match readings.newest_stamp:
        case "any":
            return None
        case "now":
            return "is in the future" if stamp > now else None
        case "closed-hours":
            return "lies in an hour that is not over" if now // HOUR <= stamp // HOUR else None
