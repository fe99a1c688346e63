"""The metering processor: how a run goes on, slows down, passes over and ends (rules 5 to 8)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

import pytest

from marketplace_metering.core.batch import Batch
from marketplace_metering.core.identity import Meter
from marketplace_metering.core.ledger import EntryKey, State
from marketplace_metering.core.outcome import (
    Accepted,
    Answered,
    Deferred,
    Fault,
    Lost,
    NotSubscribed,
    Outcome,
    RequestRefused,
)
from marketplace_metering.jobs.submit import Stop, SubmitReport, submit
from tests.support.build import DIMENSION, PRODUCT, usage
from tests.support.script import Answer, Script, all_of
from tests.support.world import MeteringWorld, new_world

THROTTLED = RequestRefused(Fault.THROTTLED, "ThrottlingException", "Rate exceeded")
NO_ACCESS = RequestRefused(Fault.ACCOUNT, "AccessDeniedException", "not authorized")
NOT_OURS = RequestRefused(Fault.PRODUCT, "InvalidProductCodeException", "not yours")
BAD = RequestRefused(Fault.USAGE, "InvalidTagException", "a tag is bad")


@pytest.fixture
def world() -> Iterator[MeteringWorld]:
    with new_world("12:30") as opened:
        yield opened


def sealed(world: MeteringWorld, count: int = 1, product: str = PRODUCT) -> None:
    meters = [Meter(product, f"{number:012d}", DIMENSION) for number in range(count)]
    world.record(*[usage("11:10", 1, meter=meter) for meter in meters])
    world.seal()


def run(world: MeteringWorld, *answers: Answer) -> tuple[Script, SubmitReport]:
    script = Script(*answers)
    return script, submit(replace(world.ports, marketplace=script), world.policy)


def states(world: MeteringWorld) -> dict[State, int]:
    found = [entry.state for entry in world.entries()]
    return {state: found.count(state) for state in set(found)}


def test_everything_due_is_sent_in_full_requests(world: MeteringWorld) -> None:
    sealed(world, 60)
    script, report = run(world)
    assert script.sizes == [25, 25, 10]
    assert (report.requests, report.billed, report.stop) == (3, 60, Stop.DONE)
    assert script.turns == 3
    assert run(world)[1].requests == 0


@pytest.mark.parametrize("answer", [THROTTLED, Lost("timeout")])
def test_a_run_gives_up_after_five_failures_in_a_row(world: MeteringWorld, answer: Answer) -> None:
    """It slows down in between: 1, 2, 4, 8 seconds."""
    sealed(world, 200)
    before = world.clock.now()
    _script, report = run(world, *[answer] * 5)
    assert (report.requests, report.stop) == (5, Stop.NO_ANSWER)
    assert report.words in ("ThrottlingException: Rate exceeded", "timeout")
    assert world.clock.now() - before == timedelta(seconds=15)
    assert states(world) == {State.SEALED: 200}


def test_a_success_in_between_starts_the_count_again(world: MeteringWorld) -> None:
    sealed(world, 300)
    _script, report = run(world, *[THROTTLED] * 4, Script()._accept, *[THROTTLED] * 4)
    assert report.stop is Stop.DONE
    assert states(world) == {State.BILLED: 300}


def test_throttled_usage_is_never_marked_as_failed(world: MeteringWorld) -> None:
    sealed(world, 3)
    run(world, *[THROTTLED] * 5)
    assert {entry.begun - entry.refused for entry in world.entries()} == {0}
    assert world.told.alarms == []
    world.clock.advance(minutes=10)
    run(world)
    assert states(world) == {State.BILLED: 3}


def test_an_account_error_stops_the_run_at_once(world: MeteringWorld) -> None:
    sealed(world, 60)
    _script, report = run(world, NO_ACCESS)
    assert (report.requests, report.stop, report.words) == (
        1,
        Stop.ACCOUNT,
        "AccessDeniedException: not authorized",
    )
    assert states(world) == {State.SEALED: 60}


def test_a_product_error_passes_over_that_product_only(world: MeteringWorld) -> None:
    sealed(world, 30, "prod-broken")
    sealed(world, 30)

    def judge(batch: Batch) -> Answer:
        product = batch.entries[0].window.meter.product
        return NOT_OURS if product == "prod-broken" else all_of(batch, Accepted("id"))

    script, report = run(world, *[judge] * 10)
    assert report.blocked_products == {"prod-broken": "InvalidProductCodeException: not yours"}
    assert report.requests == 3
    assert states(world) == {State.SEALED: 30, State.BILLED: 30}
    assert len(script.sent) == 3


def test_a_run_waits_for_what_is_due_again_soon(world: MeteringWorld) -> None:
    sealed(world, 1)
    _script, report = run(world, lambda batch: all_of(batch, Deferred("busy")))
    assert (report.requests, report.stop) == (2, Stop.DONE)
    assert states(world) == {State.BILLED: 1}


def test_a_run_does_not_wait_longer_than_its_patience(world: MeteringWorld) -> None:
    sealed(world, 1)
    _script, report = run(world, lambda batch: all_of(batch, NotSubscribed()))
    assert (report.requests, report.stop) == (1, Stop.WAITING)


def test_a_run_does_not_wait_beyond_its_end(world: MeteringWorld) -> None:
    sealed(world, 1)
    script = Script(lambda batch: all_of(batch, Deferred("busy")))
    ports = replace(world.ports, marketplace=script)
    report = submit(ports, world.policy, until=world.clock.now() + timedelta(milliseconds=100))
    assert (report.requests, report.stop) == (1, Stop.WAITING)


def test_a_run_ends_at_its_time_and_the_next_one_goes_on(world: MeteringWorld) -> None:
    sealed(world, 60)

    def slow(batch: Batch) -> Answer:
        world.clock.advance(seconds=10)
        return all_of(batch, Accepted("id"))

    script = Script(slow, slow, slow)
    ports = replace(world.ports, marketplace=script)
    report = submit(ports, world.policy, until=world.clock.now() + timedelta(seconds=15))
    assert (report.requests, report.stop) == (2, Stop.BUDGET)
    assert run(world)[1].requests == 1


def test_a_run_can_be_told_to_stop(world: MeteringWorld) -> None:
    sealed(world, 60)
    script = Script()
    ports = replace(world.ports, marketplace=script)
    report = submit(ports, world.policy, should_stop=lambda: len(script.sent) == 1)
    assert (report.requests, report.stop) == (1, Stop.BUDGET)


@pytest.mark.parametrize("poison", [{0}, {24}, {12}, {3, 4}, {0, 8, 24}])
def test_poison_is_found_by_halving_and_the_rest_is_billed(
    world: MeteringWorld, poison: set[int]
) -> None:
    sealed(world, 25)
    accounts = {f"{number:012d}" for number in poison}

    def judge(batch: Batch) -> Answer:
        found = {entry.window.meter.account for entry in batch.entries} & accounts
        return BAD if found else all_of(batch, Accepted("id"))

    script, report = run(world, *[judge] * 60)
    assert states(world) == {State.BILLED: 25 - len(poison), State.PARKED: len(poison)}
    assert report.requests <= 1 + 10 * len(poison)
    parked = [each for each in world.entries() if each.state is State.PARKED]
    assert {each.window.meter.account for each in parked} == accounts
    assert all(each.begun == each.refused for each in parked)
    billed = [each for each in world.entries() if each.state is State.BILLED]
    assert all(each.begun - each.refused == 1 for each in billed)
    assert script.sizes[0] == 25


def test_a_request_of_poison_only_costs_at_most_49_calls(world: MeteringWorld) -> None:
    sealed(world, 25)
    _script, report = run(world, *[BAD] * 60)
    assert report.requests == 49
    assert states(world) == {State.PARKED: 25}


def test_halving_survives_a_lost_answer_in_the_middle(world: MeteringWorld) -> None:
    sealed(world, 4)
    _script, report = run(world, BAD, Lost("timeout"))
    assert report.stop is Stop.DONE
    assert states(world) == {State.BILLED: 4}


def test_a_run_that_dies_between_intent_and_answer_leaves_no_answer(world: MeteringWorld) -> None:
    sealed(world, 2)

    def die(batch: Batch) -> Answer:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(world, die)
    assert {(entry.begun, entry.refused) for entry in world.entries()} == {(1, 0)}
    script, _report = run(world)
    assert script.sizes == [2]
    assert states(world) == {State.BILLED: 2}


def test_what_another_run_settled_meanwhile_is_left_out(world: MeteringWorld) -> None:
    """Between reading what is due and logging the attempt the other run got its answers."""
    sealed(world, 3)
    script = Script()

    class Overtaken(Script):
        def take_turn(self) -> None:
            if not self.turns:
                submit(replace(world.ports, marketplace=script), world.policy)
            super().take_turn()

    late = Overtaken()
    report = submit(replace(world.ports, marketplace=late), world.policy)
    assert (report.requests, late.sizes, script.sizes) == (0, [], [3])


def test_nothing_is_sent_after_its_deadline_even_if_taking_a_turn_takes_long(
    world: MeteringWorld,
) -> None:
    sealed(world, 3)
    deadline = world.entries()[0].deadline

    class Slow(Script):
        def take_turn(self) -> None:
            world.clock.at = deadline
            super().take_turn()

    slow = Slow()
    report = submit(replace(world.ports, marketplace=slow), world.policy)
    assert (report.requests, slow.sent) == (0, [])
    assert states(world) == {State.RELEASED: 3}


def test_answers_are_taken_by_key_not_by_order(world: MeteringWorld) -> None:
    sealed(world, 3)

    def mixed(batch: Batch) -> Answer:
        kinds: dict[str, Outcome] = {
            "000000000000": Accepted("id"),
            "000000000001": NotSubscribed(),
            "000000000002": Accepted("id"),
        }
        return Answered(
            {entry.key: kinds[entry.window.meter.account] for entry in reversed(batch.entries)}
        )

    run(world, mixed)
    found: dict[EntryKey, State] = {entry.key: entry.state for entry in world.entries()}
    assert {key.window.meter.account: state for key, state in found.items()} == {
        "000000000000": State.BILLED,
        "000000000001": State.PARKED,
        "000000000002": State.BILLED,
    }


def test_progress_is_told_after_each_request(world: MeteringWorld) -> None:
    sealed(world, 60)
    seen: list[int] = []
    ports = replace(world.ports, marketplace=Script())
    submit(ports, world.policy, on_progress=lambda report: seen.append(report.requests))
    assert seen == [1, 2, 3]
