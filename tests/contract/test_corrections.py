"""A corrected usage record stays one use, whatever equal ones there are."""

from __future__ import annotations

import pytest

from marketplace_metering.adapters.sqlite import SqliteStore
from marketplace_metering.adapters.sqlite.corrections import SqliteCorrections
from marketplace_metering.adapters.sqlite.reports import SqliteReports
from marketplace_metering.core.hours import NS_PER_HOUR
from marketplace_metering.core.record import UsageRecord
from marketplace_metering.ports import Store
from tests.support import steps
from tests.support.build import METER, usage
from tests.support.clock import utc

NOW = utc("12:30")


def correct(store: Store, old: UsageRecord, new: UsageRecord) -> None:
    assert isinstance(store, SqliteStore)
    start = old.hour.number * NS_PER_HOUR
    views = SqliteReports(store.connection).records_at(METER.account, start, start + NS_PER_HOUR)
    view = next(view for view in views if view.record == old)
    assert SqliteCorrections(store.connection, store.identities).replace(view, new, NOW)


@pytest.mark.parametrize("event_id", [None, "e-1"])
def test_correcting_there_and_back_keeps_the_use(store: Store, event_id: str | None) -> None:
    wrong, right = (usage("11:10", n, event_id=event_id) for n in (2, 3))
    steps.record(store, NOW, wrong)
    correct(store, wrong, right)
    assert str(steps.pending_quantity(store, NOW)) == "3"
    correct(store, right, wrong)
    assert str(steps.pending_quantity(store, NOW)) == "2"
    steps.record(store, NOW, wrong)
    assert str(steps.pending_quantity(store, NOW)) == "2"


def test_a_correction_is_not_taken_for_an_equal_use(store: Store) -> None:
    """Two uses in one instant, one of them corrected to what the other is: two uses."""
    steps.record(store, NOW, usage("11:10", 2), usage("11:10", 3))
    (wrong,) = [
        view.record
        for view in SqliteReports(store.connection).records_at(  # type: ignore[attr-defined]
            METER.account, usage("11:00").created_ns, usage("11:59").created_ns
        )
        if str(view.record.quantity) == "3"
    ]
    correct(store, wrong, usage("11:10", 2))
    assert str(steps.pending_quantity(store, NOW)) == "4"


def test_two_uses_are_two_after_a_correction_there_and_back(store: Store) -> None:
    """What a correction brought back no longer counts as taken away."""
    steps.record(store, NOW, usage("11:10", 2))
    correct(store, usage("11:10", 2), usage("11:10", 3))
    correct(store, usage("11:10", 3), usage("11:10", 2))
    steps.record(store, NOW, usage("11:10", 2), usage("11:10", 2))
    assert str(steps.pending_quantity(store, NOW)) == "4"
