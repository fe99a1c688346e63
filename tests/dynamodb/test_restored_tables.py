"""Both tables restored, one of them, or each to an instant of its own: each has its answer."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from decimal import Decimal

import pytest

from marketplace_metering.core.balance import Balance
from marketplace_metering.core.copies import Standing
from marketplace_metering.jobs.copies import RestoredStoreError
from marketplace_metering.jobs.restored import RestoreReport, restored
from marketplace_metering.jobs.seal import seal
from marketplace_metering.jobs.submit import submit
from marketplace_metering.ports import Ports
from marketplace_metering.proof.worlds.timeline import at
from tests.worlds.stage import STORES, Stage


class Shop:
    """A day in the simulated tables, without the auditor, who knows one history only."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        self.copies: dict[str, object] = {}

    def copy(self, name: str) -> None:
        self.copies[name] = self.stage.shop.copy()

    def put_back(self, name: str, only: str | None = None) -> None:
        self.stage.shop.restore(self.copies[name], only)

    def run(self) -> None:
        """One run of a new process."""
        opened, clock = self.stage.opened(), self.stage.processes[0].clock
        line = self.stage.processes[0].marketplace
        ports = Ports(opened.store, line, clock, self.stage.pager, opened.mark)
        seal(ports, self.stage.mix.policy)
        submit(ports, self.stage.mix.policy)

    def say_restored(self) -> RestoreReport:
        opened, clock = self.stage.opened(), self.stage.processes[0].clock
        now = at(self.stage.now_us)
        copied_at = now.replace(hour=10, minute=2, second=0, microsecond=0, day=20)
        return restored(opened, clock, self.stage.mix.policy, copied_at)

    def balance(self) -> Balance:
        [balance] = self.stage.opened().reports.balances()
        return balance

    def billed(self) -> Decimal:
        accepted = self.stage.aws.simulator.accepted
        return Decimal(sum(each.content.quantity for each in accepted)) / 1_000_000


@pytest.fixture
def shop() -> Iterator[Shop]:
    """
    09:10  usage of 100; 10:02 both tables are copied
    10:06  billed, and marked; 10:20 usage of 7; 10:40 both are copied again; 11:06 billed
    next day, 12:00  something is restored
    """
    with closing(Stage(STORES["dynamodb"])) as stage:
        shop = Shop(stage)
        stage.now_is("09:10")
        stage.use(100)
        stage.now_is("10:02")
        shop.copy("pending")
        stage.now_is("10:06")
        shop.run()
        stage.now_is("10:20")
        stage.use(7)
        stage.now_is("10:40")
        shop.copy("billed once")
        stage.now_is("11:06")
        shop.run()
        assert shop.billed() == 107
        stage.now_is("21 12:00")
        yield shop


def test_both_to_one_instant(shop: Shop) -> None:
    shop.put_back("pending")
    with pytest.raises(RestoredStoreError, match="metering restored --at"):
        shop.run()

    report = shop.say_restored()

    assert (report.stood, str(report.quantity), report.gone) == (Standing.BEHIND, "100", [])
    shop.run()
    assert shop.billed() == 107
    assert str(shop.balance().unresolved.quantity) == "100"
    assert shop.balance().is_balanced


def test_the_ledger_alone(shop: Shop) -> None:
    """The usage records are marked as billed by entries that the ledger has lost."""
    shop.put_back("pending", "ledger")
    with pytest.raises(RestoredStoreError):
        shop.run()
    assert not shop.balance().is_balanced

    report = shop.say_restored()

    assert (str(report.quantity), report.gone) == ("107", [])
    shop.run()
    assert shop.billed() == 107
    assert str(shop.balance().unresolved.quantity) == "107"
    assert shop.balance().is_balanced


def test_the_usage_records_alone(shop: Shop) -> None:
    """The ledger knows all that was sent: nothing is held, and what is gone is named."""
    shop.put_back("pending", "records")
    shop.run()
    assert shop.billed() == 107

    report = shop.say_restored()

    assert (report.stood, report.windows) == (Standing.LEVEL, {})
    assert str(report.gone_quantity) == "7"
    shop.run()
    assert shop.billed() == 107


def test_the_ledger_to_an_earlier_instant_than_the_usage_records(shop: Shop) -> None:
    shop.put_back("pending", "ledger")
    shop.put_back("billed once", "records")
    with pytest.raises(RestoredStoreError):
        shop.run()

    report = shop.say_restored()

    assert str(report.quantity) == "107"
    shop.run()
    assert shop.billed() == 107
    assert shop.balance().is_balanced


def test_the_usage_records_to_an_earlier_instant_than_the_ledger(shop: Shop) -> None:
    shop.put_back("billed once", "ledger")
    shop.put_back("pending", "records")
    with pytest.raises(RestoredStoreError):
        shop.run()

    report = shop.say_restored()

    assert not report.windows  # the ledger has billed the 100, and the 7 are no more
    shop.run()
    assert shop.billed() == 107


def test_saying_it_again_changes_nothing(shop: Shop) -> None:
    shop.put_back("pending")
    shop.say_restored()

    again = shop.say_restored()

    assert (again.stood, again.windows) == (Standing.LEVEL, {})


@pytest.mark.parametrize("written", range(1, 12))
def test_a_word_that_is_cut_short_is_said_again(shop: Shop, written: int) -> None:
    """The process dies after so many writes; nothing is sent before it is said to its end."""
    shop.put_back("pending", "ledger")

    class PowerCutError(BaseException):
        pass

    left = written

    def die(place: str) -> None:
        nonlocal left
        if place == "after a call to the store":
            left -= 1
            if left == 0:
                raise PowerCutError

    steps = shop.stage.shop.client.steps  # type: ignore[attr-defined]
    between = steps.between
    steps.between = die
    try:
        shop.say_restored()
    except PowerCutError:
        pass
    finally:
        steps.between = between
    shop.say_restored()
    shop.run()

    assert shop.billed() == 107
    assert shop.balance().is_balanced
