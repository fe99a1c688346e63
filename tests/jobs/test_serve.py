"""The daemon: when it wakes, whatever a round or the machine's clock comes to."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest

from marketplace_metering.jobs.serve import TICK, Tick, serve
from tests.support.build import quantity, usage
from tests.support.clock import Clock, utc
from tests.support.world import MeteringWorld, new_world


@pytest.fixture
def world() -> Iterator[MeteringWorld]:
    with new_world("12:30") as opened:
        yield opened


class Pauses(threading.Event):
    """Sleeps on the world's clock, and is set after so many pauses."""

    def __init__(self, clock: Clock, count: int) -> None:
        super().__init__()
        self.clock = clock
        self.count = count
        self.seconds: list[float] = []

    def wait(self, timeout: float | None = None) -> bool:
        assert timeout is not None
        self.seconds.append(timeout)
        self.clock.sleep(max(timeout, 0.0))
        if len(self.seconds) == self.count:
            self.set()
        return self.is_set()


def served(world: MeteringWorld, count: int, on_tick: Callable[[Tick], None]) -> list[float]:
    pauses = Pauses(world.clock, count)
    serve(world.ports, world.policy, pauses, on_tick)
    return pauses.seconds


def test_it_wakes_every_few_minutes_and_when_an_hour_can_be_sealed(world: MeteringWorld) -> None:
    world.clock.at = utc("12:58")
    at = []
    served(world, 4, lambda tick: at.append(f"{world.clock.now():%H:%M:%S}"))
    assert at == ["12:58:00", "13:03:00", "13:05:01", "13:10:01"]


def test_an_hour_is_billed_as_soon_as_it_can_be(world: MeteringWorld) -> None:
    world.record(usage("12:20", 5))
    billed = []
    served(world, 8, lambda tick: billed.append((f"{world.clock.now():%H:%M}", world.billed())))
    assert ("13:00", quantity(0)) in billed
    assert ("13:05", quantity(5)) in billed


@pytest.mark.parametrize("jump", [timedelta(hours=-14), timedelta(minutes=-3), timedelta(days=2)])
def test_a_clock_that_jumps_during_a_round_does_not_keep_it_asleep(
    world: MeteringWorld, jump: timedelta
) -> None:
    """Until the clock shows again what it showed, deadlines would pass."""

    def on_tick(tick: Tick) -> None:
        world.clock.at += jump

    for pause_s in served(world, 3, on_tick):
        assert pause_s <= TICK.total_seconds()


def test_a_round_that_fails_is_followed_by_another(
    world: MeteringWorld, caplog: pytest.LogCaptureFixture
) -> None:
    rounds = 0

    def on_tick(tick: Tick) -> None:
        nonlocal rounds
        rounds += 1
        raise OSError("the terminal is gone")

    served(world, 3, on_tick)
    assert rounds == 3
    assert "this round failed; the next one continues from there" in caplog.text
