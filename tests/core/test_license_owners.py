"""Which product code a licence is metered under (money rule 12)."""

from __future__ import annotations

from dataclasses import replace

from marketplace_metering.core.hours import UsageHour
from marketplace_metering.core.ledger import AlarmKind, State
from marketplace_metering.core.license_owners import Owner, handed_over, to_be_claimed
from marketplace_metering.core.plan import Book, Waits
from tests.core.test_plan import placed, planned
from tests.support.build import (
    LICENSE,
    METER,
    book,
    entry,
    group,
    hour,
    licensed,
    quantity,
    tags,
    window,
)
from tests.support.clock import utc

OTHER = "arn:aws:license-manager::444455556666:license:l-other"


def owned(product: str, since: str = "2016-01-01 00:00") -> Book:
    """A book of ordinary usage, and a licence that belongs to a product code."""
    return replace(book(), owners={LICENSE: Owner(product, hour(since))})


def test_usage_of_a_licence_that_is_another_products_is_refused_with_both_names() -> None:
    groups = [
        group("09:00", 2, meter=licensed()),
        group("09:00", 3, meter=licensed(), tagged=tags(team="a")),
        group("12:00", 7, meter=licensed()),  # an hour that is not over: at once
    ]
    made = planned([*groups, group("09:00", 1)], "12:10", owned("prod-first"))
    assert placed(made) == {"11-20T09:00": "1"}
    assert [each for each, _why in made.rejected] == groups
    assert made.waiting == ()
    first, second = made.alarms
    assert (first.kind, first.quantity) == (AlarmKind.REFUSED_INPUT, quantity(5))
    assert (first.window, second.window) == (
        window("09:00", licensed()),
        window("12:00", licensed()),
    )
    for _group, why in made.rejected:
        assert why == first.text == second.text
        assert "is metered under product prod-first, and this usage names product" in why
        assert f"metering license {LICENSE} --product {METER.product}" in why


def test_usage_of_a_licence_that_is_its_products_is_planned_as_ever() -> None:
    made = planned([group("09:00", 2, meter=licensed())], "12:10", owned(METER.product))
    assert placed(made) == {"11-20T09:00 licensed": "2"}
    assert made.rejected == ()


def test_a_licence_fills_no_hour_before_it_was_given_to_its_product() -> None:
    groups = [group("09:00", 2, meter=licensed()), group("10:00", 1)]
    given = owned(METER.product, "11:00")
    made = planned(groups, "11:10", given)
    assert placed(made) == {"11-20T10:00": "1"}
    assert [why for _group, why in made.waiting] == [Waits.NO_WINDOW]
    assert placed(planned(groups[:1], "12:10", given)) == {"11-20T11:00 licensed": "2"}


def test_a_licence_that_nobody_owns_is_claimed_once_for_what_is_sent() -> None:
    sent = [entry(f"{number:02d}:00", meter=licensed()) for number in (9, 10)]
    held = entry("11:00", meter=licensed(arn=OTHER), state=State.UNRESOLVED, begun=1)
    entries = [*sent, entry("12:00"), held]
    assert to_be_claimed(METER.product, entries, {}) == [LICENSE]
    assert to_be_claimed(METER.product, entries, {LICENSE: Owner(METER.product)}) == []
    given = {LICENSE: Owner(METER.product, hour("09:00"))}
    assert to_be_claimed(METER.product, entries, given) == []
    assert to_be_claimed(METER.product, entries, {LICENSE: Owner("prod-first")}) == [LICENSE]


def test_a_licence_is_given_from_the_first_hour_on_that_no_other_product_fills() -> None:
    now = utc("10:59:59")
    assert handed_over("prod-b", now, None) == Owner("prod-b", hour("12:00"))
    assert handed_over("prod-b", now, hour("09:00")) == Owner("prod-b", hour("12:00"))
    assert handed_over("prod-b", now, hour("14:00")) == Owner("prod-b", hour("15:00"))
    assert Owner("prod-b").since == UsageHour(0)
