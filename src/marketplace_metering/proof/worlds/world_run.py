"""How a world of one seed goes: some days with faults, then without, and the audit of it all."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta

from marketplace_metering.core.identity import BookKey
from marketplace_metering.core.policy import Scope
from marketplace_metering.proof.worlds.dynamodb_store import DynamoShop, draw_faults
from marketplace_metering.proof.worlds.fault_mix import Mix, draw
from marketplace_metering.proof.worlds.safety import Violation
from marketplace_metering.proof.worlds.sqlite_store import SqliteShop
from marketplace_metering.proof.worlds.stores import OpenShop
from marketplace_metering.proof.worlds.timeline import HOUR_US, Story, at, us
from marketplace_metering.proof.worlds.world import World

HOUR = timedelta(hours=1)
ROUNDS_TO_SEND = 4  # after so many hours without faults everything acceptable is sent
ROUNDS_TO_REST = 4  # and so many after every deadline has passed


@dataclass(slots=True)
class Counts:
    """How much happened in a world, or in many."""

    steps: int = 0
    requests: int = 0
    accepted: int = 0
    runs: Counter[str] = field(default_factory=Counter)
    faults: Counter[str] = field(default_factory=Counter)
    marks: Counter[str] = field(default_factory=Counter)


@dataclass(slots=True, kw_only=True)
class Life(Counts):
    """What became of a world."""

    seed: int
    store: str
    mix: list[str]
    violation: str | None = None
    digest: str = ""
    story: Story | None = None

    @property
    def lines(self) -> list[str]:
        """The timeline, to be read."""
        return [] if self.story is None else self.story.lines()


STORES: dict[str, OpenShop] = {
    "sqlite": lambda steps, _seed: SqliteShop(steps),
    "dynamodb": lambda steps, seed: DynamoShop(steps, seed, draw_faults(seed)),
}


def live(seed: int, store: str = "sqlite") -> Life:
    """The whole life of a seed's world; a violation is in it, never raised."""
    return live_in(draw(seed), store)


def live_in(mix: Mix, store: str = "sqlite") -> Life:
    """The life of a world with this mix."""
    world = World(mix, STORES[store])
    life = Life(seed=mix.seed, store=store, mix=mix.faults)
    try:
        plan(world)
        world.pass_until(us(mix.ends_at))
        heal(world)
        rest(world)
    except Violation as violation:
        world.tell(f"VIOLATION: {violation}")
        life.violation = str(violation)
    finally:
        world.shop.close()
    life.digest = world.story.digest()
    life.story = world.story
    life.steps = world.perils.count
    life.requests = world.aws.requests
    life.accepted = len(world.aws.simulator.accepted)
    life.runs = world.runs
    life.faults = sum(
        (world.faults, world.perils.faults, world.aws.faults, Counter(world.shop.faults())),
        Counter(),
    )
    life.marks = world.auditor.marks + Counter({"request halved": world.aws.halved})
    return life


def plan(world: World) -> None:
    """Fill the agenda with what the world has in store, faults of the schedule included."""
    mix, random = world.mix, world.random
    start_us, end_us = us(mix.starts_at), us(mix.ends_at)

    def some(count: int, what: Callable[[], None]) -> None:
        for _number in range(count):
            world.at(random.randint(start_us, end_us), what)

    some(random.randint(8, 20), world.write)
    first_hour = start_us // HOUR_US
    for hour in range(first_hour, end_us // HOUR_US + 1):
        due_us = hour * HOUR_US + random.randint(330, 420) * 1_000_000
        if mix.no_seals is not None and mix.no_seals.covers(at(due_us)):
            world.faults["nothing is sealed"] += 1
            continue
        for delay_s in world._wakes():
            world.at(due_us + int(delay_s * 1_000_000), world.seal)
    some(random.randint(2, mix.hours // 2), world.submit)
    some(random.choice((0, 0, 1, 3)), lambda: world.seal(Scope.EVERYTHING))
    if mix.person_every_h:
        some(mix.hours // mix.person_every_h, world.correct)
    if world.is_edited:
        some(mix.edits, world.edit)
    if mix.repeat_percent:
        some(mix.repeat_percent // 5, lambda: _repeat(world))
    if mix.restores:
        some(mix.restores * 3, world.back_up)
        # A person's corrections lie half in the one table and half in the other.
        is_apart = world.shop.table is not None and not mix.person_every_h
        which = (None, "ledger") if is_apart else (None,)
        some(mix.restores, lambda: world.restore(random.choice(which)))
        some(mix.restores * 4, world.say_restored)
    some(mix.shells, world.run_in_a_shell)
    some(mix.moves, world.move)
    if mix.shared_events:
        some(mix.shared_events, world.share_an_event)
    some(mix.full_books, lambda: _fill_a_book(world))
    some(mix.foreign_windows, lambda: _meter_elsewhere(world))
    for buyer in world.cast.buyers:
        if buyer.ends_at is not None:
            # The agreement's end flushes what is left, with an hour to report it.
            flush_us = us(buyer.ends_at) + random.randint(1, 2_000) * 1_000_000
            world.at(flush_us, lambda: world.seal(Scope.EVERYTHING))


def _repeat(world: World) -> None:
    """An application that does not remember hands an old input over once more."""
    if world.writers.inputs:
        world.write(world.random.choice(world.writers.inputs))


def _meter_elsewhere(world: World) -> None:
    _buyer, meter = world.random.choice(world.cast.meters)
    hour = world.now_us // HOUR_US - world.random.randint(1, 3)
    if (meter, hour) not in world.auditor.accepted:
        world.aws.meter_elsewhere(meter, hour)


def _fill_a_book(world: World) -> None:
    """There is no room for one book for some hours: that is to cost this book alone."""
    if world.aws.is_calm:
        return
    _buyer, meter = world.random.choice(world.cast.meters)
    book = BookKey(meter.product, meter.account, meter.dimension)
    world.faults["no room for a book"] += 1
    world.tell(f"there is no room for the book of {meter}")
    world.shop.fill(book)
    world.endings.full_books.add(book)
    world.later(HOUR * world.random.choice((1, 3, 8, 20)), lambda: world.shop.fill(None))


def heal(world: World) -> None:
    """The faults end. Within a few hours everything that AWS can accept is sent and answered."""
    world.tell("the faults end")
    world.perils.is_calm = True
    world.aws.is_calm = True
    world.limit.seconds = 0
    world.clocks.heal(process.clock for process in world.processes)
    world.shop.heal()
    world.say_restored()
    world.move(only_deploy=True)
    until_due = 1 + world.mix.ahead_s // 3_600  # a clock ahead said when to try again
    for number in range(until_due + ROUNDS_TO_SEND - 1):
        _round(world)
        if number >= until_due:
            books = world.shop.books()
            world.endings.check_settled(books, world.now_us // 1_000_000)


def rest(world: World) -> None:
    """Every deadline passes. Then nothing is open but what policy holds."""
    world.pass_s((world.mix.policy.window_length + 2 * HOUR).total_seconds())
    for _number in range(ROUNDS_TO_REST):
        _round(world)
    unconfirmed = [each.source for each in world.writers.inputs if not each.is_confirmed]
    if unconfirmed:
        raise Violation(f"inputs were never recorded: {unconfirmed}")
    world.audit_at_rest(world.shop.books())


def _round(world: World) -> None:
    """What the schedule does every hour."""
    hour_us = (world.now_us // HOUR_US + 1) * HOUR_US
    grace_us = world.mix.policy.grace // timedelta(microseconds=1)
    late_us = (world.mix.skew_s + 60) * 1_000_000  # every clock has passed the grace
    world.pass_until(hour_us + grace_us + late_us)
    world.seal()
    world.submit()
