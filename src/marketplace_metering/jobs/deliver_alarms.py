"""Telling people: deliver the alarms that the store keeps."""

from __future__ import annotations

from datetime import datetime

from marketplace_metering.ports import Ports

ALARMS_PER_PAGE = 1_000


def deliver_alarms(ports: Ports, until: datetime | None = None) -> int:
    """Deliver what nobody has confirmed yet; after a crash an alarm may come twice.

    A page is told and confirmed before the next one is read, so that a run that is killed has done
    something. One page is always told; after the instant `until` the next run tells the rest.
    """
    told = 0
    while page := ports.store.undelivered_alarms(ALARMS_PER_PAGE):
        ports.notifier.notify([alarm for _number, alarm in page])
        ports.store.alarms_delivered([number for number, _alarm in page], ports.clock.now())
        told += len(page)
        is_over = until is not None and ports.clock.now() >= until
        if is_over or len(page) < ALARMS_PER_PAGE:
            break
    return told
