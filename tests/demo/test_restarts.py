"""The demo's application is killed for real, and every order is billed once all the same."""

from dataclasses import replace
from pathlib import Path

import pytest

from marketplace_metering.proof.demo.application import ORDERS
from marketplace_metering.proof.demo.restarts import KILLED_AT, Restarts, restarts


def test_every_order_is_billed_once_through_three_kills(tmp_path: Path) -> None:
    found = restarts(tmp_path)
    assert (found.orders, found.kills) == (ORDERS, len(KILLED_AT))
    assert found.used == found.recorded == found.billed == 3_999_000_000
    assert found.is_exact


@pytest.mark.parametrize("amount", ["recorded", "billed"])
def test_one_unit_too_many_is_noticed(amount: str) -> None:
    found = Restarts(3_000_000, 3_000_000, 3_000_000)
    assert found.is_exact
    assert not replace(found, **{amount: 4_000_000}).is_exact
