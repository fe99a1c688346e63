"""One licence, one product code (money rule 12): whoever seals first owns it, in every store."""

from __future__ import annotations

from dataclasses import replace

import pytest

from marketplace_metering.core.hours import UsageHour
from marketplace_metering.core.identity import Meter
from marketplace_metering.core.ledger import AlarmKind, State
from marketplace_metering.core.license_owners import Owner
from marketplace_metering.core.plan import Plan
from marketplace_metering.jobs.licenses import Given, NotGivenError, give
from marketplace_metering.ports import OpenStore, Store
from tests.support import steps
from tests.support.build import BUYER, DIMENSION, LICENSE, PRODUCT, hour, quantity, usage
from tests.support.clock import utc

NOW = utc("11:30")
OTHER = "prod-xyz789"
OWN = Meter(PRODUCT, BUYER, DIMENSION, LICENSE)
ELSEWHERE = Meter(OTHER, BUYER, DIMENSION, LICENSE)


def refused(opened: OpenStore) -> list[str]:
    """The products of the usage records that are listed."""
    opened.store.write_back(None)
    views = opened.reports.records_at(BUYER, 0, 2**62)
    return [view.record.product for view in views if view.failure is not None]


def test_who_seals_first_owns_a_licence(opened: OpenStore) -> None:
    store = opened.store
    assert opened.corrections.license_owner(LICENSE) is None
    steps.record(store, NOW, usage("10:10", 5, meter=ELSEWHERE))
    steps.seal(store, NOW)
    assert opened.corrections.license_owner(LICENSE) == Owner(OTHER)
    steps.record(store, NOW, usage("09:10", 7, meter=OWN))
    assert steps.seal(store, NOW) == []
    assert refused(opened) == [PRODUCT]
    [alarm] = steps.alarms(store)
    assert (alarm.kind, alarm.quantity) == (AlarmKind.REFUSED_INPUT, quantity(7))
    assert all(name in alarm.text for name in (PRODUCT, OTHER, LICENSE))
    [balance] = [each for each in opened.reports.balances() if each.product == PRODUCT]
    assert balance.is_balanced
    assert balance.refused.quantity == quantity(7)


def test_of_two_products_in_one_run_the_first_by_name_owns_a_licence(store: Store) -> None:
    """Whichever was recorded first: both stores do alike."""
    steps.record(store, NOW, usage("09:10", 7, meter=ELSEWHERE))
    steps.record(store, NOW, usage("10:10", 5, meter=OWN))
    first, second = steps.plans(store, NOW)
    assert (first.book.key.product, second.book.key.product) == (PRODUCT, OTHER)
    assert list(store.append([first, second], NOW)) == [True, False]
    [again] = steps.plans(store, NOW)
    assert (again.sealings, len(again.rejected)) == ((), 1)
    assert again.book.owners == {LICENSE: Owner(PRODUCT)}


def test_a_plan_for_a_licence_that_another_product_got_meanwhile_is_stale(
    opened: OpenStore,
) -> None:
    store = opened.store
    steps.record(store, NOW, usage("09:10", 7, meter=ELSEWHERE))
    [stale] = steps.plans(store, NOW)
    steps.record(store, NOW, usage("09:20", 5, meter=OWN))
    [made] = [each for each in steps.plans(store, NOW) if each.book.key.product == PRODUCT]
    assert list(store.append([made], NOW)) == [True]
    assert list(store.append([stale], NOW)) == [False]
    assert opened.corrections.license_owner(LICENSE) == Owner(PRODUCT)
    [balance] = [each for each in opened.reports.balances() if each.product == OTHER]
    assert balance.pending.quantity == quantity(7)


def test_a_plan_that_has_a_stale_licence_among_others_leaves_the_others_alone(
    store: Store,
) -> None:
    """Plans of one call are stored each by itself."""
    other_arn = replace(OWN, product="prod-middle", license_arn=f"{LICENSE}-2")
    steps.record(store, NOW, usage("09:10", 7, meter=ELSEWHERE), usage("09:11", 1, meter=other_arn))
    steps.record(store, NOW, usage("09:20", 5, meter=OWN))
    made = steps.plans(store, NOW)
    assert list(store.append(made, NOW)) == [True, True, False]


def held(made: Plan) -> Plan:
    """The same, for a person to decide on: nobody sends it."""
    [sealing] = made.sealings
    entry = replace(sealing.entry, state=State.UNRESOLVED, begun=1, reason="a restored copy")
    return replace(made, sealings=(replace(sealing, entry=entry),))


def test_what_is_held_for_a_person_claims_no_licence(opened: OpenStore) -> None:
    """Of a restored store nobody knows who owned it since."""
    steps.record(opened.store, NOW, usage("09:10", 7, meter=ELSEWHERE))
    steps.record(opened.store, NOW, usage("10:10", 5, meter=OWN))
    made = [held(each) for each in steps.plans(opened.store, NOW)]
    assert list(opened.store.append(made, NOW)) == [True, True]
    assert opened.corrections.license_owner(LICENSE) is None


def test_a_licence_is_given_to_another_product_from_a_later_hour_on(opened: OpenStore) -> None:
    store = opened.store
    steps.record(store, NOW, usage("10:10", 5, meter=ELSEWHERE))
    steps.seal(store, NOW)
    given = give(opened, LICENSE, PRODUCT, NOW)
    assert given == Given(Owner(OTHER), Owner(PRODUCT, hour("13:00")))
    assert opened.corrections.license_owner(LICENSE) == given.now
    steps.record(store, NOW, usage("10:20", 7, meter=OWN), usage("10:30", 1, meter=ELSEWHERE))
    [made] = steps.plans(store, NOW)  # that of the old owner
    assert (made.book.key.product, len(made.rejected)) == (OTHER, 1)
    later = utc("14:06")
    [entry] = steps.seal(store, later)
    assert (entry.window.meter, entry.window.hour) == (OWN, hour("13:00"))
    assert refused(opened) == [OTHER]


def test_giving_a_licence_again_never_moves_it_to_a_later_hour(opened: OpenStore) -> None:
    steps.record(opened.store, NOW, usage("10:10", 5, meter=ELSEWHERE))
    steps.seal(opened.store, NOW)
    ahead = give(opened, LICENSE, PRODUCT, utc("20:30")).now  # a clock that is hours ahead
    assert ahead == Owner(PRODUCT, hour("22:00"))
    assert give(opened, LICENSE, PRODUCT, NOW).now == Owner(PRODUCT, hour("13:00"))
    assert give(opened, LICENSE, PRODUCT, utc("12:30")).now == Owner(PRODUCT, hour("13:00"))


def test_a_clock_that_is_set_back_gives_no_hour_that_another_product_has_filled(
    opened: OpenStore,
) -> None:
    steps.record(opened.store, NOW, usage("10:10", 5, meter=ELSEWHERE))
    steps.seal(opened.store, NOW)
    assert give(opened, LICENSE, PRODUCT, utc("02:30")).now == Owner(PRODUCT, hour("11:00"))


def test_a_licence_that_nobody_owns_is_given_for_every_hour(opened: OpenStore) -> None:
    assert give(opened, LICENSE, PRODUCT, NOW) == Given(None, Owner(PRODUCT))
    assert give(opened, LICENSE, PRODUCT, NOW) == Given(Owner(PRODUCT), Owner(PRODUCT))


def test_a_licence_that_nobody_owns_is_given_no_hour_that_another_product_has_filled(
    opened: OpenStore,
) -> None:
    """As in a ledger from before licences had owners, where both products filled its hours."""
    steps.record(opened.store, NOW, usage("10:10", 5, meter=ELSEWHERE))
    [made] = steps.plans(opened.store, NOW)
    assert list(opened.store.append([held(made)], NOW)) == [True]
    assert give(opened, LICENSE, PRODUCT, NOW) == Given(None, Owner(PRODUCT, hour("13:00")))


def test_an_owner_takes_the_place_of_the_one_that_was_read_only(opened: OpenStore) -> None:
    owners = opened.corrections
    first, second = Owner(PRODUCT), Owner(OTHER, UsageHour(7))
    assert owners.set_license_owner(LICENSE, first, None)
    assert owners.set_license_owner(LICENSE, first, None)  # its answer was lost
    assert not owners.set_license_owner(LICENSE, second, None)
    assert owners.set_license_owner(LICENSE, second, first)
    assert owners.set_license_owner(LICENSE, second, first)
    assert not owners.set_license_owner(LICENSE, first, Owner(OTHER))
    assert owners.license_owner(LICENSE) == second


def test_of_two_persons_at_once_one_is_told(
    opened: OpenStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The other has given it away between reading and writing."""
    owners = opened.corrections
    monkeypatch.setattr(owners, "license_owner", lambda arn: None)
    assert owners.set_license_owner(LICENSE, Owner(OTHER), None)
    with pytest.raises(NotGivenError):
        give(opened, LICENSE, PRODUCT, NOW)
