"""The metering job: repeatable, interruptible, safe beside others (money rules 2 and 3)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime

import pytest

from marketplace_metering.core.identity import Meter
from marketplace_metering.core.plan import Appended, Plan, Waits
from marketplace_metering.core.policy import LateUsage, Policy, Scope
from marketplace_metering.jobs.seal import seal
from tests.support.build import DIMENSION, PRODUCT, quantity, usage
from tests.support.world import MeteringWorld, new_world


@pytest.fixture
def world() -> Iterator[MeteringWorld]:
    with new_world("12:30") as opened:
        yield opened


def buyers(count: int) -> list[Meter]:
    return [Meter(PRODUCT, f"{number:012d}", DIMENSION) for number in range(count)]


def test_a_report_tells_what_was_sealed_and_what_waits(world: MeteringWorld) -> None:
    world.record(usage("09:10", 5), usage("11:10", 7), usage("11:20", 1), usage("12:10", 2))
    report = world.seal()
    assert (report.entries, report.records, report.quantity) == (2, 3, quantity(13))
    assert report.waiting_records == {Waits.OPEN_HOUR: 1}
    assert (report.contended_books, report.is_cut_short, report.rejected_records) == (0, False, 0)


def test_sealing_twice_seals_nothing_more(world: MeteringWorld) -> None:
    world.record(usage("09:10", 5))
    assert world.seal().entries == 1
    assert world.seal().entries == 0


def test_carried_and_rejected_usage_is_counted(world: MeteringWorld) -> None:
    world.record(usage("09:10", 5))
    world.seal()
    world.store.intake("late", world.clock.now()).add([usage("09:20", 2), usage("09:30", 1)])
    report = seal(world.ports, world.policy)
    assert (report.quantity, report.carried) == (quantity(3), quantity(3))
    world.store.intake("later", world.clock.now()).add([usage("09:40", 2)])
    report = seal(world.ports, Policy(late=LateUsage.REJECT))
    assert (report.entries, report.rejected_records) == (0, 1)


def test_everything_pending_is_sealed_on_request(world: MeteringWorld) -> None:
    """The guide's manual invocation: the current hour too."""
    world.record(usage("12:10", 2))
    assert world.seal().entries == 0
    assert world.seal(Scope.EVERYTHING).entries == 1


class Meddler:
    """A store in which somebody else records usage before the plans of a run are stored."""

    def __init__(self, world: MeteringWorld, times: int) -> None:
        self.world = world
        self.times = times
        self.calls = 0

    def __getattr__(self, name: str) -> object:
        return getattr(self.world.store, name)

    def append(self, plans: Sequence[Plan], now: datetime) -> Sequence[Appended]:
        self.calls += 1
        if self.calls <= self.times and plans:
            late = self.world.store.intake(f"meddler {self.calls}", now)
            late.add([usage(f"09:5{self.calls}", 1)])
        return self.world.store.append(plans, now)


@pytest.mark.parametrize(("times", "entries", "contended"), [(0, 2, 0), (2, 2, 0), (3, 1, 1)])
def test_a_book_that_others_change_is_planned_anew_up_to_three_times(
    world: MeteringWorld, times: int, entries: int, contended: int
) -> None:
    """The other book is sealed at once, and counted once."""
    [other, *_] = buyers(1)
    world.record(usage("09:10", 5), usage("09:10", 7, meter=other))
    ports = replace(world.ports, store=Meddler(world, times))  # type: ignore[arg-type]
    report = seal(ports, world.policy)
    assert (report.entries, report.contended_books) == (entries, contended)
    if contended:
        assert seal(world.ports, world.policy).entries == 1
    assert sum(entry.quantity.units for entry in world.entries()) == 5 + 7 + times


def test_a_run_ends_when_its_time_is_up_and_the_next_one_goes_on(world: MeteringWorld) -> None:
    world.record(*[usage("09:10", 1, meter=meter) for meter in buyers(1_200)])
    report = seal(world.ports, world.policy, until=world.clock.now())
    assert report.is_cut_short
    assert 0 < report.entries < 1_200
    assert report.entries + world.seal().entries == 1_200


def test_progress_is_told_step_by_step(world: MeteringWorld) -> None:
    world.record(*[usage("09:10", 1, meter=meter) for meter in buyers(1_200)])
    seen: list[int] = []
    seal(world.ports, world.policy, on_progress=lambda report: seen.append(report.entries))
    assert seen == sorted(seen)
    assert len(seen) > 1 and seen[-1] == 1_200
