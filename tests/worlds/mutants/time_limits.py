"""Switches in how a run keeps within its time."""

from __future__ import annotations

from typing import Any

import pytest

from marketplace_metering.jobs import submit
from marketplace_metering.proof.worlds import processes


def settle_before_sending(patch: pytest.MonkeyPatch) -> None:
    original = submit._Run.send_all_due

    def send_all_due(self: Any) -> None:
        self.settle_expired(None)
        original(self)

    patch.setattr(submit._Run, "send_all_due", send_all_due)


def settle_without_a_look_at_the_clock(patch: pytest.MonkeyPatch) -> None:
    original = submit._Run.settle_expired
    patch.setattr(submit._Run, "settle_expired", lambda self, until: original(self, None))


def tell_all_at_once(patch: pytest.MonkeyPatch) -> None:
    def deliver_alarms(ports: Any) -> int:
        alarms = ports.store.undelivered_alarms()
        ports.notifier.notify([alarm for _number, alarm in alarms])
        ports.store.alarms_delivered([number for number, _alarm in alarms], ports.clock.now())
        return len(alarms)

    patch.setattr(processes, "deliver_alarms", deliver_alarms)
