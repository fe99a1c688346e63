"""The law under faults drawn by seed: recorded = billed + presumed + … + pending, at every step.

A run lives a day and a half around the end of a month. Usage comes on time, late and repeated; AWS
throttles, fails, forgets and loses answers; processes overlap in the middle of each other's steps
and die at any of them; an index that lags shows nothing new until time passes. Then everything
heals, and what can still be billed must be.

`METERING_TEST_SEARCH=10000 pytest tests/money_rules/test_the_law.py` tries that many seeds.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from random import Random
from typing import Any

import pytest

from marketplace_metering.core.identity import Meter
from marketplace_metering.core.ledger import State
from marketplace_metering.core.policy import Policy, Scope
from marketplace_metering.core.record import UsageRecord
from marketplace_metering.jobs.deliver_alarms import deliver_alarms
from marketplace_metering.jobs.seal import seal
from marketplace_metering.jobs.submit import submit
from marketplace_metering.simulator import Readings
from marketplace_metering.simulator.faults import (
    Chance,
    Lost,
    Missing,
    ServerError,
    Shuffled,
    Throttle,
    Unprocessed,
)
from tests.support.build import DIMENSION, PRODUCT, licensed, tags, usage
from tests.support.direct import DirectMarketplace
from tests.support.stores import DYNAMODB, LAGGING, SQLITE
from tests.support.world import LONG_AGO, MeteringWorld, OpenWorld

SEARCH = int(os.environ.get("METERING_TEST_SEARCH", "0"))
SEEDS = SEARCH or 160
PER_TEST = 40
# A request to the simulated DynamoDB takes twice as long as a statement: fewer seeds, unless asked.
PER_TEST_OF_STORE = {SQLITE: 40, DYNAMODB: 5, LAGGING: 10}
METERS = [Meter(PRODUCT, f"{number:012d}", DIMENSION) for number in range(2)]
METERS += [licensed(METERS[0]), Meter("prod-def456", METERS[0].account, DIMENSION)]
FAULTS = (
    Throttle(),
    ServerError(),
    ServerError(after_acceptance=True),
    Lost(after_acceptance=False),
    Lost(after_acceptance=True),
    Unprocessed(),
    Missing(),
    Shuffled(),
)


class PowerCutError(BaseException):
    """No handler can swallow it."""


class Perilous:
    """A port at which a process may die before or after each call, or be overtaken in between."""

    def __init__(self, port: object, peril: Callable[[], None]) -> None:
        self._port = port
        self._peril = peril

    def __getattr__(self, name: str) -> Any:
        call = getattr(self._port, name)

        def perilous(*args: Any, **named: Any) -> Any:
            self._peril()
            answer = call(*args, **named)
            self._peril()
            return answer

        return perilous


class Run:
    """One seed."""

    def __init__(self, seed: int, world: MeteringWorld) -> None:
        self.dice = Random(seed)
        self.world = world
        self.recorded: Counter[str] = Counter()
        self.inputs: list[list[UsageRecord]] = []
        self.depth = 0
        self.crash = self.dice.choice((0.0, 0.01, 0.05))
        self.overlap = self.dice.choice((0.0, 0.02, 0.1))
        mix = [Chance(fault, self.dice.choice((0.0, 0.0, 0.1, 0.4))) for fault in FAULTS]
        world.aws.plan((), mix, seed)
        world.clock.advance(hours=self.dice.randint(0, 20), minutes=self.dice.randint(0, 59))
        for meter in METERS:
            world.simulator.declare(meter.product, {DIMENSION: None})
        for meter in METERS:
            world.simulator.subscribe(
                meter.product,
                meter.account,
                starts_at=LONG_AGO,
                license_arn=meter.license_arn,
            )
        self.direct = DirectMarketplace(world.aws, world.clock)
        self.ports = replace(
            world.ports,
            store=Perilous(world.store, self.peril),
            marketplace=Perilous(self.direct, self.peril),
        )

    def peril(self) -> None:
        if self.dice.random() < self.crash:
            raise PowerCutError
        if self.depth < 2 and self.dice.random() < self.overlap:
            self.depth += 1
            try:
                self.dice.choice((self.record, self.seal, self.submit))()
            finally:
                self.depth -= 1

    def survive(self, step: Callable[[], object]) -> None:
        with suppress(PowerCutError):
            step()

    def record(self) -> None:
        """New usage, now or late; an input that was cut off is repeated, and sometimes any is."""
        now = self.world.clock.now()
        if self.inputs and self.dice.random() < 0.2:
            uses = self.dice.choice(self.inputs)
        else:
            uses = [
                usage(
                    now
                    - timedelta(minutes=self.dice.choice((1, 9, 50, 70, 300)))
                    - timedelta(milliseconds=len(self.inputs) * 20 + number),
                    self.dice.choice((0, 1, 7, "0.5", "0.000001")),
                    meter=self.dice.choice(METERS),
                    tagged=self.dice.choice(((), (), tags(team="red"), tags(team="blue"))),
                )
                for number in range(self.dice.randint(1, 6))
            ]
            self.inputs.append(uses)
            for each in uses:
                self.recorded[each.product] += each.micros
        while True:
            try:
                Perilous(self.world.store.intake("app", now), self.peril).add(uses)
            except PowerCutError:
                continue
            return

    def seal(self) -> None:
        scope = Scope.EVERYTHING if self.dice.random() < 0.1 else Scope.CLOSED_HOURS
        self.survive(lambda: seal(self.ports, self.world.policy, scope))

    def submit(self) -> None:
        self.survive(lambda: submit(self.ports, self.world.policy))

    def tell(self) -> None:
        self.survive(lambda: deliver_alarms(self.ports))

    def wait(self) -> None:
        self.world.clock.advance(minutes=self.dice.choice((1, 7, 20, 60, 60, 60, 200)))
        self.world.catch_up()

    def live(self) -> None:
        """Safety: whatever happens, the law holds after every step."""
        steps = (self.record, self.record, self.seal, self.submit, self.submit, self.tell)
        for number in range(40):
            self.dice.choice(steps)()
            if self.dice.random() < 0.5:
                self.wait()
            self.check_books()
            if number % 10 == 9:
                self.world.assert_law()

    def heal(self) -> None:
        """Liveness: without faults everything ends within a day."""
        self.crash = self.overlap = 0.0
        self.world.aws.plan()
        for _hour in range(28):
            self.world.clock.advance(hours=1)
            self.seal()
            self.submit()
            self.world.catch_up()
        self.tell()
        self.check_books()
        self.world.assert_law()
        left = {entry.state for entry in self.world.entries()}
        assert not left & {State.SEALED, State.PARKED}, left
        assert not any(balance.pending.records for balance in self.world.balances())

    def check_books(self) -> None:
        """Balanced, and of exactly what was recorded."""
        in_books: Counter[str | None] = Counter()
        for balance in self.world.balances():
            assert balance.is_balanced, balance
            in_books[balance.product] += balance.recorded.quantity.micros
        assert in_books == self.recorded


def readings(dice: Random) -> Readings:
    """Where AWS's sources disagree, any of them may be right."""
    return Readings(
        same_time=dice.choice(("hour", "timestamp")),
        identical_retry=dice.choice(("success", "duplicate")),
        month_end_grace=dice.choice(("cuts", "extends")),
        retried_allocations=dice.choice(("ignored", "compared")),
        results_order=dice.choice(("as-sent", "reversed")),
        echoed_quantity=dice.choice(("as-sent", "decimal")),
    )


@pytest.mark.parametrize("first", range(0, SEEDS, PER_TEST))
def test_every_recorded_unit_is_billed_once_or_listed(
    first: int, store_kind: str, open_world: OpenWorld
) -> None:
    count = PER_TEST if SEARCH else PER_TEST_OF_STORE[store_kind]
    for seed in range(first, first + count):
        policy = Policy(patience=timedelta(0))
        with open_world("2026-11-30 00:00", policy, readings(Random(seed))) as world:
            run = Run(seed, world)
            try:
                run.live()
                run.heal()
            except Exception as error:
                error.add_note(f"seed {seed}")
                raise
