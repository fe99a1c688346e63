"""The law of the books."""

from __future__ import annotations

from dataclasses import fields, replace

import pytest

from marketplace_metering.core.balance import NOTHING, Balance, Sum
from tests.support.build import quantity

PARTS = [
    "pending",
    "sealed",
    "parked",
    "billed",
    "presumed",
    "unresolved",
    "refused",
    "written_off",
    "refused_input",
]


def test_the_parts_are_all_that_a_balance_has() -> None:
    others = {"product", "recorded", "carried", "unreadable_inputs", "missing"}
    assert {field.name for field in fields(Balance)} == others | set(PARTS)


@pytest.mark.parametrize("part", PARTS)
def test_every_part_counts_once(part: str) -> None:
    seven = Sum(quantity(7), 2)
    balance = replace(Balance(product="prod-abc123"), **{part: seven})  # type: ignore[arg-type]
    assert balance.accounted == quantity(7)
    assert not balance.is_balanced
    assert replace(balance, recorded=seven).is_balanced


def test_listed_is_what_is_not_billed_with_a_reason() -> None:
    one = Sum(quantity(1), 1)
    balance = Balance(product=None, refused=one, written_off=one, refused_input=one, billed=one)
    assert balance.listed == Sum(quantity(3), 3)
    assert NOTHING.plus(one) == one
