"""Usage records that are not there any more as they were sealed: what the books say of them."""

from __future__ import annotations

from marketplace_metering.core.balance import Balance
from tests.worlds.stage import STORAGE, Stage


def _balance(stage: Stage) -> Balance:
    """What `metering status` reports."""
    [balance] = stage.shop.open(stage.processes[0].clock).reports.balances()
    return balance


def _billed(stage: Stage) -> None:
    stage.now_is("09:10")
    stage.put(5)
    stage.now_is("10:06")
    stage.seal()
    stage.submit()
    assert stage.billed() == {"20 09:00": "5"}


def usage_of_another_meter_over_what_was_billed(stage: Stage) -> None:
    """
    10:06  5 requests are billed
    10:30  7 storage are put in their millisecond
    11:06  both are billed, and both are recorded: the books say so, and name the 5
    """
    _billed(stage)
    stage.now_is("10:30")
    stage.put(7, used_at="09:10", meter=STORAGE)
    stage.now_is("11:06")
    stage.seal()
    stage.submit()
    assert stage.billed(STORAGE) == {"20 09:00": "7"}
    balance = _balance(stage)
    assert balance.is_balanced
    assert (str(balance.recorded.quantity), str(balance.billed.quantity)) == ("12", "12")
    assert len(balance.missing) == 1
    [missing] = balance.missing
    assert (missing.meter.dimension, str(missing.quantity)) == ("requests", "5")
    assert missing.there == "storage-gb 7 of product prod-a"
    stage.end()


def usage_over_what_was_billed_of_the_same_meter(stage: Stage) -> None:
    """
    10:06  5 requests are billed
    10:30  7 requests are put in their millisecond
    11:06  the 7 are listed, the 5 are billed: 12 were recorded
    """
    _billed(stage)
    stage.now_is("10:30")
    stage.put(7, used_at="09:10")
    stage.now_is("11:06")
    stage.seal()
    balance = _balance(stage)
    assert balance.is_balanced
    assert (str(balance.billed.quantity), str(balance.refused.quantity)) == ("5", "7")
    assert [str(each.quantity) for each in balance.missing] == ["5"]
    stage.end()


def usage_over_what_is_sealed(stage: Stage) -> None:
    """
    10:06  5 requests are sealed
    10:07  7 storage are put in their millisecond, before anything is sent
           12 were recorded: 5 are sealed, and 7 are pending until a job looks
    """
    stage.now_is("09:10")
    stage.put(5)
    stage.now_is("10:06")
    stage.seal()
    stage.now_is("10:07")
    stage.put(7, used_at="09:10", meter=STORAGE)
    balance = _balance(stage)
    assert balance.is_balanced
    assert (str(balance.sealed.quantity), str(balance.pending.quantity)) == ("5", "7")
    assert [each.state for each in balance.missing] == ["sealed"]
    stage.submit()
    stage.end()
