"""An event counts once also where an application puts it into the guide's table itself.

A plain PutItem asks nobody, and stands where the application put it. That it is the same event is
found when it is sealed, at the latest: what is not billed is listed with the reason, and told.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import permutations
from typing import Any

import pytest

from marketplace_metering.core.hours import NS_PER_HOUR, NS_PER_MS, NS_PER_S
from marketplace_metering.core.quantity import ZERO, Quantity, total
from marketplace_metering.core.record import UsageRecord
from marketplace_metering.core.views import EntryFilter
from marketplace_metering.ports import OpenStore
from tests.contract.conftest import Fresh
from tests.contract.test_events import (
    ANOTHER_USE,
    EVENT,
    NOW,
    OTHER_BUYER,
    WAYS,
    Way,
    as_written,
    of,
    usage_of,
)
from tests.support import steps
from tests.support.build import BUYER, tags

LATER = replace(EVENT, created_ns=EVENT.created_ns + 400 * NS_PER_MS)  # in the same second


def put_itself(fresh: Fresh, event: UsageRecord) -> None:
    """The guide's PutItem, with an id."""
    assert fresh.put_plainly is not None
    fresh.put_plainly(as_written(event))


def plainly(fresh: Fresh, _opened: OpenStore, event: UsageRecord) -> None:
    put_itself(fresh, event)


def plainly_elsewhere(fresh: Fresh, _opened: OpenStore, event: UsageRecord) -> None:
    """A second try of the application, with the time of the try."""
    put_itself(fresh, replace(event, created_ns=event.created_ns + 400 * NS_PER_MS))


@dataclass
class Books:
    """What became of a buyer's usage."""

    sealed: Quantity
    refused: Quantity
    why: list[str]


def books(opened: OpenStore, account: str) -> Books:
    views = usage_of(opened, account)
    sealed = total(view.record.quantity for view in views if view.entry is not None)
    listed = [view for view in views if view.failure is not None]
    assert all(view.entry is not None or view.failure is not None for view in views), views
    refused = total(view.record.quantity for view in listed)
    return Books(sealed, refused, [str(view.failure) for view in listed])


def seal(opened: OpenStore) -> None:
    steps.seal(opened.store, NOW)


Order = tuple[Callable[..., object], ...]
ORDERS: tuple[Order, ...] = tuple(permutations((*WAYS, plainly)))
TWICE: tuple[Order, ...] = tuple(permutations((WAYS[0], WAYS[2], plainly, plainly_elsewhere)))


@pytest.mark.parametrize("is_sealed_between", [True, False], ids=["sealed between", "sealed after"])
@pytest.mark.parametrize("orders", [ORDERS, TWICE], ids=["one plain put", "two plain puts"])
def test_in_every_order_of_the_ways_an_event_counts_once(
    request: pytest.FixtureRequest,
    guide_table: Fresh,
    orders: tuple[Order, ...],
    is_sealed_between: bool,
) -> None:
    if "emulator" in request.node.name:
        orders = orders[::11]  # it is slow
    with guide_table.open() as opened:
        for number, order in enumerate(orders):
            event = replace(EVENT, account=f"{number:012d}")
            for way in (*order, *(way for way in order if way in WAYS)):
                way(guide_table, opened, event)
                if is_sealed_between:
                    seal(opened)
            seal(opened)
            names = " → ".join(way.__name__ for way in order)
            found = books(opened, event.account)
            assert found.sealed == EVENT.quantity, names
            standing = len(usage_of(opened, event.account))
            assert found.refused == total([EVENT.quantity] * (standing - 1)), names
            assert all("an event counts once" in why for why in found.why), names
        [balance] = opened.reports.balances()
        assert balance.is_balanced
        assert len(steps.alarms(opened.store)) == balance.listed.records


def test_what_is_listed_names_the_usage_record_that_counts(guide_table: Fresh) -> None:
    with guide_table.open() as opened:
        put_itself(guide_table, EVENT)
        put_itself(guide_table, LATER)
        seal(opened)
        ms = EVENT.created_ns // NS_PER_MS
        words = (
            f"event_id 'order-4711' refused: it is recorded already, as usage record {BUYER} {ms}, "
            "and an event counts once; there is nothing to do, unless this is another use: then "
            "give it an id of its own."
        )
        assert books(opened, BUYER) == Books(EVENT.quantity, EVENT.quantity, [words])
        [alarm] = steps.alarms(opened.store)
        assert alarm.text == f"usage record {BUYER} {ms + 400}: {words}"
        assert alarm.quantity == EVENT.quantity
        seal(opened)
        assert len(steps.alarms(opened.store)) == 1


@pytest.mark.parametrize(
    ("changes", "before"),
    [
        ({"micros": 7_000_000}, "with quantity 5"),
        ({"product": "prod-def456"}, ANOTHER_USE),
        ({"dimension": "users"}, ANOTHER_USE),
        ({"tags": tags(team="red")}, ANOTHER_USE),
    ],
    ids=["quantity", "product", "dimension", "tags"],
)
@pytest.mark.parametrize("way", [None, *WAYS], ids=lambda way: of(way) if way else "plainly")
def test_other_usage_under_its_id_is_listed(
    guide_table: Fresh, way: Way | None, changes: dict[str, Any], before: str
) -> None:
    """Also in another book, and whichever of them is the first."""
    other = replace(LATER, **changes)
    with guide_table.open() as opened:
        if way is None:
            put_itself(guide_table, EVENT)
            seal(opened)
        else:
            assert way(guide_table, opened, EVENT).added == 1
        put_itself(guide_table, other)
        seal(opened)
        found = books(opened, BUYER)
        assert (found.sealed, found.refused) == (EVENT.quantity, other.quantity)
        assert f"refused: it was recorded before {before}, and an event counts once" in found.why[0]
        if way is not None:
            again = way(guide_table, opened, EVENT)
            assert (again.added, again.already_there, again.problems) == (0, 1, ())


@pytest.mark.parametrize("way", WAYS, ids=of)
def test_other_usage_that_comes_after_a_plain_put_is_refused(guide_table: Fresh, way: Way) -> None:
    with guide_table.open() as opened:
        put_itself(guide_table, EVENT)
        seal(opened)
        said = way(guide_table, opened, replace(EVENT, micros=7_000_000))
        assert (said.added, said.already_there, len(said.problems)) == (0, 0, 1)
        assert "it was recorded before with quantity 5" in str(said.problems[0])
        assert books(opened, BUYER).sealed == EVENT.quantity


def test_another_buyer_second_or_id_is_another_event(guide_table: Fresh) -> None:
    others = [
        replace(EVENT, account=OTHER_BUYER),
        replace(EVENT, created_ns=EVENT.created_ns + NS_PER_S),
        replace(EVENT, created_ns=EVENT.created_ns + NS_PER_HOUR),
        replace(LATER, event_id="order-4712"),
    ]
    with guide_table.open() as opened:
        for event in (EVENT, *others):
            put_itself(guide_table, event)
        seal(opened)
        assert [books(opened, each).refused for each in (BUYER, OTHER_BUYER)] == [ZERO, ZERO]
        assert [len(usage_of(opened, each)) for each in (BUYER, OTHER_BUYER)] == [4, 1]


def test_an_event_that_was_moved_away_and_back_counts_once(guide_table: Fresh) -> None:
    with guide_table.open() as opened:
        put_itself(guide_table, EVENT)
        assert steps.pending(opened.store, NOW)  # what a run reads that seals nothing
        for account, to in ((BUYER, OTHER_BUYER), (OTHER_BUYER, BUYER)):
            [view] = usage_of(opened, account)
            assert opened.corrections.replace(view, replace(view.record, account=to), NOW)
            for way in WAYS:
                assert way(guide_table, opened, EVENT).already_there == 1, of(way)
        put_itself(guide_table, LATER)
        seal(opened)
        assert books(opened, BUYER).sealed == books(opened, BUYER).refused == EVENT.quantity
        assert usage_of(opened, OTHER_BUYER) == []


@pytest.mark.parametrize("first", [*WAYS, plainly], ids=lambda way: way.__name__)
def test_an_event_that_was_moved_to_another_buyer_counts_once(
    guide_table: Fresh, first: Callable[..., object]
) -> None:
    """The application puts it once more for the wrong buyer, and then for the right one."""
    with guide_table.open() as opened:
        first(guide_table, opened, EVENT)
        assert steps.pending(opened.store, NOW)  # what a run reads that seals nothing
        [view] = usage_of(opened, BUYER)
        moved = replace(view.record, account=OTHER_BUYER)
        assert opened.corrections.replace(view, moved, NOW)
        for account in (BUYER, OTHER_BUYER):
            put_itself(guide_table, replace(LATER, account=account))
        seal(opened)
        found = [books(opened, account) for account in (BUYER, OTHER_BUYER)]
        assert sum(each.sealed.micros for each in found) == EVENT.micros
        assert all(each.refused == EVENT.quantity for each in found)
        for way in WAYS:
            assert way(guide_table, opened, EVENT).already_there == 1, of(way)


@pytest.mark.parametrize("is_seen", [True, False], ids=["seen by a run", "seen by nobody"])
@pytest.mark.parametrize("way", WAYS, ids=of)
def test_an_event_that_was_moved_to_another_buyer_is_known_to_each_way(
    guide_table: Fresh, way: Way, is_seen: bool
) -> None:
    with guide_table.open() as opened:
        _put_and_moved(guide_table, opened, is_seen)
        said = way(guide_table, opened, EVENT)
        assert (said.added, said.already_there, said.problems) == (0, 1, ())
        seal(opened)
        assert usage_of(opened, BUYER) == []
        assert books(opened, OTHER_BUYER).sealed == EVENT.quantity


@pytest.mark.parametrize("is_seen", [True, False], ids=["seen by a run", "seen by nobody"])
@pytest.mark.parametrize("is_sealed_between", [True, False], ids=["sealed between", "sealed after"])
@pytest.mark.parametrize("again", [EVENT, LATER], ids=["the same PutItem", "another one"])
def test_an_event_that_was_moved_to_another_buyer_is_put_again(
    guide_table: Fresh, again: UsageRecord, is_sealed_between: bool, is_seen: bool
) -> None:
    """A retry of the same PutItem overwrites what stays where the event was put first."""
    with guide_table.open() as opened:
        _put_and_moved(guide_table, opened, is_seen)
        if is_sealed_between:
            seal(opened)
        put_itself(guide_table, again)
        seal(opened)
        found = books(opened, BUYER)
        assert (found.sealed, found.refused) == (ZERO, EVENT.quantity)
        assert "it is recorded already" in found.why[0]
        assert books(opened, OTHER_BUYER) == Books(EVENT.quantity, ZERO, [])


def _put_and_moved(fresh: Fresh, opened: OpenStore, is_seen: bool) -> None:
    put_itself(fresh, EVENT)
    if is_seen:
        assert steps.pending(opened.store, NOW)  # what a run reads that seals nothing
    [view] = usage_of(opened, BUYER)
    assert opened.corrections.replace(view, replace(view.record, account=OTHER_BUYER), NOW)


def test_an_event_is_not_moved_to_where_it_is_recorded_already(guide_table: Fresh) -> None:
    """A repair would count twice what the application has put for the right buyer meanwhile."""
    with guide_table.open() as opened:
        put_itself(guide_table, EVENT)
        put_itself(guide_table, replace(LATER, account=OTHER_BUYER))
        assert steps.pending(opened.store, NOW)
        [view] = usage_of(opened, BUYER)
        assert not opened.corrections.replace(view, replace(view.record, account=OTHER_BUYER), NOW)


def test_a_repetition_is_metered_once_it_has_an_id_of_its_own(guide_table: Fresh) -> None:
    """A retry of it is refused again; the repair says that it is another use."""
    with guide_table.open() as opened:
        for event in (EVENT, LATER):
            put_itself(guide_table, event)
        seal(opened)
        assert opened.corrections.retry_refused(EntryFilter()) == 1
        seal(opened)
        assert books(opened, BUYER).refused == EVENT.quantity
        [view] = [view for view in usage_of(opened, BUYER) if view.failure is not None]
        own = replace(view.record, event_id="order-4712")
        assert opened.corrections.replace(view, own, NOW)
        seal(opened)
        assert books(opened, BUYER) == Books(Quantity(10_000_000), ZERO, [])
