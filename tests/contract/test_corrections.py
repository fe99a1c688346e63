"""A corrected usage record stays one use, whatever equal ones there are."""

from __future__ import annotations

import pytest

from marketplace_metering.core.hours import NS_PER_HOUR
from marketplace_metering.core.record import UsageRecord
from marketplace_metering.core.views import RecordView
from marketplace_metering.ports import OpenStore
from tests.support import steps
from tests.support.build import METER, usage
from tests.support.clock import utc

NOW = utc("12:30")


def view_of(opened: OpenStore, amount: object) -> RecordView:
    """The usage record of eleven o'clock with that quantity."""
    start = usage("11:00").created_ns
    views = opened.reports.records_at(METER.account, start, start + NS_PER_HOUR)
    return next(view for view in views if str(view.record.quantity) == str(amount))


def correct(opened: OpenStore, old: int, new: UsageRecord) -> None:
    assert opened.corrections.replace(view_of(opened, old), new, NOW)


def pending(opened: OpenStore) -> str:
    return str(steps.pending_quantity(opened.store, NOW))


@pytest.mark.parametrize("event_id", [None, "e-1"])
def test_correcting_there_and_back_keeps_the_use(opened: OpenStore, event_id: str | None) -> None:
    wrong, right = (usage("11:10", n, event_id=event_id) for n in (2, 3))
    steps.record(opened.store, NOW, wrong)
    correct(opened, 2, right)
    assert pending(opened) == "3"
    correct(opened, 3, wrong)
    assert pending(opened) == "2"
    steps.record(opened.store, NOW, wrong)
    assert pending(opened) == "2"


def test_a_correction_is_not_taken_for_an_equal_use(opened: OpenStore) -> None:
    """Two uses in one instant, one of them corrected to what the other is: two uses."""
    steps.record(opened.store, NOW, usage("11:10", 2), usage("11:10", 3))
    correct(opened, 3, usage("11:10", 2))
    assert pending(opened) == "4"


def test_two_uses_are_two_after_a_correction_there_and_back(opened: OpenStore) -> None:
    """What a correction brought back no longer counts as taken away."""
    steps.record(opened.store, NOW, usage("11:10", 2))
    correct(opened, 2, usage("11:10", 3))
    correct(opened, 3, usage("11:10", 2))
    steps.record(opened.store, NOW, usage("11:10", 2), usage("11:10", 2))
    assert pending(opened) == "4"


def test_what_is_sealed_meanwhile_is_not_replaced(opened: OpenStore) -> None:
    """A person who still looks at the usage record as it was pending is told so."""
    steps.record(opened.store, NOW, usage("11:10", 2))
    looked_at = view_of(opened, 2)
    [entry] = steps.seal(opened.store, NOW)
    assert not opened.corrections.replace(looked_at, usage("11:10", 3), NOW)
    assert steps.stored(opened.store, entry.key, NOW) == entry
    assert pending(opened) == "0"
