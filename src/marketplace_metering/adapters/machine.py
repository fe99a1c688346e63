"""The machine's own clock, and its log as the place where alarms appear."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from datetime import UTC, datetime

from marketplace_metering.core.ledger import Alarm, AlarmKind
from marketplace_metering.core.plain_text import one_line
from marketplace_metering.core.quantity import total


class SystemClock:
    """The clock of this machine; see `ports.Clock`."""

    def now(self) -> datetime:
        """The present instant, in UTC."""
        return datetime.now(UTC)

    def sleep(self, seconds: float) -> None:
        """Wait so many seconds; not at all if the number is negative."""
        time.sleep(max(seconds, 0.0))


logger = logging.getLogger("marketplace_metering.alarm")


LINES_PER_KIND = 10  # and one for the rest of them
LINE_LENGTH_MAX = 2_000


class LogNotifier:
    """Writes alarms to the log; news that lose no revenue are warnings, the rest errors."""

    def notify(self, alarms: Sequence[Alarm]) -> None:
        """A few lines for each kind."""
        by_kind: dict[AlarmKind, list[Alarm]] = {}
        for alarm in alarms:
            by_kind.setdefault(alarm.kind, []).append(alarm)
        for kind, same in by_kind.items():
            is_news = kind is AlarmKind.PARKED or not kind.is_unbilled
            level = logging.WARNING if is_news else logging.ERROR
            news = [alarm for alarm in same if not _was_told(alarm)]
            for alarm in news[:LINES_PER_KIND]:
                logger.log(level, "%s", one_line(describe(alarm), LINE_LENGTH_MAX))
            rest = [*news[LINES_PER_KIND:], *filter(_was_told, same)]
            if rest:
                quantity = total(alarm.quantity for alarm in rest if alarm.quantity is not None)
                more = " more" * bool(news)
                logger.log(level, "%s: %d%s, quantity %s", kind, len(rest), more, quantity)


def _was_told(alarm: Alarm) -> bool:
    """What was refused at the door was told there, line by line; it has no window."""
    return alarm.kind is AlarmKind.REFUSED_INPUT and alarm.window is None


def describe(alarm: Alarm) -> str:
    """The alarm in one line: what, how much, where, why."""
    parts = [str(alarm.kind)]
    if alarm.quantity is not None:
        parts.append(f"quantity {alarm.quantity}")
    if alarm.window is not None:
        meter = alarm.window.meter
        parts.append(
            f"{meter.product} {meter.account} {meter.dimension} {alarm.window.hour}"
            + (f" {meter.license_arn}" if meter.license_arn else "")
        )
    return one_line(f"{', '.join(parts)}: {alarm.text}")
