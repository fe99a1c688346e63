"""Alarms as log lines, for one machine."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from marketplace_metering.core.ledger import Alarm, AlarmKind

logger = logging.getLogger("marketplace_metering.alarm")


class LogNotifier:
    """Writes each alarm to the log; news that lose no revenue are warnings, the rest errors."""

    def notify(self, alarms: Sequence[Alarm]) -> None:
        """One line an alarm."""
        for alarm in alarms:
            is_news = alarm.kind in (AlarmKind.CARRIED_ACROSS_MONTH, AlarmKind.PARKED)
            level = logging.WARNING if is_news else logging.ERROR
            logger.log(level, "%s", describe(alarm))


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
    return f"{', '.join(parts)}: {alarm.text}"
