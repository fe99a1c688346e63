"""Reports tell the same of both stores."""

from __future__ import annotations

import pytest

from marketplace_metering.core.balance import Balance, Sum
from marketplace_metering.core.identity import Meter
from marketplace_metering.core.ledger import State
from marketplace_metering.core.outcome import Accepted, NotSubscribed
from marketplace_metering.core.record import Problem, RefusedInput
from marketplace_metering.core.views import EntryFilter
from marketplace_metering.ports import OpenStore
from tests.support import steps
from tests.support.build import BUYER, DIMENSION, LICENSE, PRODUCT, hour, licensed, quantity, usage
from tests.support.clock import utc

NOW = utc("12:30")
OTHER = Meter("prod-def456", BUYER, DIMENSION)


@pytest.fixture
def sealed(opened: OpenStore) -> OpenStore:
    """Entries by product code and by licence, in different hours of one book; and of another."""
    uses = usage("09:10", 1), usage("10:10", 2, meter=licensed()), usage("11:10", 4, meter=OTHER)
    steps.record(opened.store, NOW, *uses)
    steps.seal(opened.store, NOW)
    return opened


@pytest.mark.parametrize(
    ("which", "amounts"),
    [
        (EntryFilter(), ["1", "2", "4"]),
        (EntryFilter(license_arn=""), ["1", "4"]),
        (EntryFilter(license_arn=LICENSE), ["2"]),
        (EntryFilter(product=PRODUCT, account=BUYER, dimension=DIMENSION), ["1", "2"]),
        (
            EntryFilter(product=PRODUCT, account=BUYER, dimension=DIMENSION, license_arn=""),
            ["1"],
        ),
        (EntryFilter(hour=hour("11:00")), ["4"]),
        (EntryFilter(account="9" * 12), []),
        (EntryFilter(state=State.SEALED, product=PRODUCT), ["1", "2"]),
        (EntryFilter(state=State.BILLED), []),
        (EntryFilter(limit=2), ["1", "2"]),
    ],
)
def test_entries_by_what_is_asked_for(
    sealed: OpenStore, which: EntryFilter, amounts: list[str]
) -> None:
    found = [str(view.entry.quantity) for view in sealed.reports.entries(which)]
    assert sorted(found) == amounts


def test_only_what_is_asked_for_is_retried(sealed: OpenStore) -> None:
    for view in list(sealed.reports.entries(EntryFilter())):
        steps.attempt(sealed.store, view.entry.key, NotSubscribed(), NOW)
    later = utc("2026-11-22 12:30")
    for key in sealed.store.expired(later):
        steps.expire(sealed.store, key, later)
    for which, count in (
        (EntryFilter(license_arn="", hour=hour("09:00")), 1),
        (EntryFilter(license_arn=LICENSE, hour=hour("09:00")), 0),
        (EntryFilter(product=OTHER.product), 1),
        (EntryFilter(license_arn=LICENSE), 1),
    ):
        assert sealed.corrections.retry_refused(which) == count, which


def test_the_balance_of_each_product(sealed: OpenStore) -> None:
    """What names no product that can be read comes last."""
    [first] = sealed.reports.entries(EntryFilter(license_arn="", product=PRODUCT))
    steps.attempt(sealed.store, first.entry.key, Accepted("id-1"), NOW)
    steps.record(sealed.store, NOW, usage("12:10", 8))
    problem = Problem.of("the line", "{", "it is not JSON", "write one JSON object a line")
    intake = sealed.store.intake("usage.jsonl", NOW)
    unreadable = RefusedInput("line 1", "{", (problem,))
    readable = RefusedInput("line 2", "[", (problem,), PRODUCT, quantity(16))
    intake.refuse([unreadable, readable], NOW)
    sealed.store.write_back(None)
    one, two, four, eight, sixteen = (Sum(quantity(2**n), 1) for n in range(5))
    assert list(sealed.reports.balances()) == [
        Balance(
            product=PRODUCT,
            recorded=Sum(quantity(27), 4),
            billed=one,
            sealed=two,
            pending=eight,
            refused_input=sixteen,
        ),
        Balance(product=OTHER.product, recorded=four, sealed=four),
        Balance(product=None, unreadable_inputs=1),
    ]
