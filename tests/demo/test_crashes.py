"""Crashes fire before, after and within calls, by seed, and a new process finds what was stored."""

from contextlib import closing
from datetime import timedelta
from random import Random
from types import SimpleNamespace
from typing import Any

import pytest

from marketplace_metering.files.json_lines import read_json
from marketplace_metering.jobs.record import record
from marketplace_metering.proof.demo.aws_over_http import over_http
from marketplace_metering.proof.demo.day import Day
from marketplace_metering.proof.demo.listings import DAY_BEGINS
from marketplace_metering.proof.demo.usage_file import read_lines
from marketplace_metering.proof.worlds.aws import ANSWERED, SENDING
from marketplace_metering.proof.worlds.fault_injection import (
    BEFORE_STORE,
    COMMITTED,
    INSIDE,
    Crash,
    Perils,
)
from marketplace_metering.proof.worlds.sqlite_store import SqliteShop
from marketplace_metering.proof.worlds.timeline import us
from tests.support.clock import Clock

LINES = read_lines()[:40]
NOBODY: Any = SimpleNamespace(tell=lambda text: None)
NOON = DAY_BEGINS + timedelta(hours=12)


class Once:
    """Kills the process the first time that it comes to a place, once it has passed it so often."""

    def __init__(self, place, passes=0):
        self.place = place
        self.passes = passes
        self.has_fired = False

    def between(self, place):
        if place == self.place and not self.has_fired:
            self.passes -= 1
            self.has_fired = self.passes < 0
            if self.has_fired:
                raise Crash(place)

    def inside(self, _place):
        self.between(INSIDE)


def write(shop):
    clock = Clock(NOON)
    return record(shop.open(clock).store, clock, "file", read_json(LINES))


def calm():
    return Perils(Random(1), {}, NOBODY)


def test_without_perils_everything_is_stored(tmp_path):
    with closing(SqliteShop(calm(), str(tmp_path / "a.db"))) as shop:
        done = write(shop)
        assert len(shop.books().usage) + len(shop.books().refused_inputs) == done.read == 40


@pytest.mark.parametrize(("place", "passes"), [(BEFORE_STORE, 0), (INSIDE, 0), (INSIDE, 9)])
def test_a_crash_before_the_commit_keeps_it_from_the_file(tmp_path, place, passes):
    path = str(tmp_path / "a.db")
    with closing(SqliteShop(Once(place, passes), path)) as shop, pytest.raises(Crash, match=place):
        write(shop)
    with closing(SqliteShop(calm(), path)) as shop:  # another process
        assert shop.books().usage == []


def test_a_crash_after_the_commit_leaves_it_there_and_repeating_adds_nothing(tmp_path):
    steps = Once(COMMITTED)
    with closing(SqliteShop(steps, str(tmp_path / "a.db"))) as shop:
        with pytest.raises(Crash, match=COMMITTED):
            write(shop)
        stored = shop.books().usage
        assert stored
        assert write(shop).already_there == len(stored)
        assert len(shop.books().usage) == len(stored)


@pytest.mark.parametrize(("place", "is_sent_twice"), [(SENDING, False), (ANSWERED, True)])
def test_a_request_around_which_the_process_dies_bills_once(tmp_path, place, is_sent_twice):
    day = Day(1, str(tmp_path / "a.db"), LINES)
    day.perils.is_calm = day.aws.is_calm = True
    with closing(day.shop), over_http(day) as line:
        line._steps = steps = Once(place)
        day.process.marketplace = day.line = line
        day.pass_until(us(NOON))
        day.record()
        day.seal()
        day.check(day.audit)
        assert steps.has_fired
        assert day.violations == set()
        times = [sent.times for _w, [sent] in day.aws.simulator.audit.sent()]
        assert (max(times) == 2) is is_sent_twice
        assert {entry.state for entry in day.books.entries} == {"billed"}
        assert len(day.aws.simulator.accepted) == len(day.books.entries)


def crashes(seed, one_in):
    perils, found = Perils(Random(seed), {"crash": one_in}, NOBODY), []
    for number in range(300):
        for step, place in ((perils.between, BEFORE_STORE), (perils.inside, "a statement")):
            try:
                step(place)
            except Crash as crash:
                found.append((number, str(crash)))
    assert perils.crashes.total() == perils.faults["crash"] == len(found)
    return found


def test_the_same_seed_crashes_at_the_same_steps_outside_and_inside_of_transactions():
    assert crashes(3, 5) == crashes(3, 5) != crashes(4, 5)
    assert {place for _number, place in crashes(3, 5)} == {BEFORE_STORE, f"{INSIDE}, a statement"}


def test_no_handler_of_ordinary_errors_survives_a_crash():
    assert not issubclass(Crash, Exception)
