"""Telling people: deliver the alarms that the store keeps."""

from __future__ import annotations

from marketplace_metering.ports import Ports


def deliver_alarms(ports: Ports) -> int:
    """Deliver what nobody has confirmed yet; after a crash an alarm may come twice."""
    undelivered = ports.store.undelivered_alarms()
    if undelivered:
        ports.notifier.notify([alarm for _number, alarm in undelivered])
        numbers = [number for number, _alarm in undelivered]
        ports.store.alarms_delivered(numbers, ports.clock.now())
    return len(undelivered)
