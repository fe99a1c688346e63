"""Recording an input: what is right is stored, what is wrong is kept and listed (rule 11)."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from marketplace_metering.core.ledger import AlarmKind
from marketplace_metering.core.quantity import total
from marketplace_metering.formats import Piece, read_json
from marketplace_metering.recording import RecordReport, record
from tests.support import steps
from tests.support.build import PRODUCT, item, quantity
from tests.support.world import World, new_world


@pytest.fixture
def world() -> Iterator[World]:
    with new_world("12:30") as opened:
        yield opened


def recorded(world: World, *items: dict[str, object], source: str = "usage.jsonl") -> RecordReport:
    text = [json.dumps(each) for each in items]
    return record(world.store, world.clock, source, read_json(text))


def test_a_report_tells_what_became_of_an_input(world: World) -> None:
    report = recorded(
        world, item(quantity=5), item(quantity=-1), item(event_id="e"), item(event_id="e")
    )
    assert (report.read, report.added, report.already_there, report.refused) == (4, 2, 1, 1)
    assert report.added_quantity == quantity(10)
    [refused] = report.refusals
    assert (refused.source, refused.product, refused.quantity) == (
        "usage.jsonl, line 2",
        PRODUCT,
        None,
    )
    assert refused.text == json.dumps(item(quantity=-1))


def test_a_clash_is_refused_input_with_its_quantity(world: World) -> None:
    recorded(world, item(event_id="e", quantity=5))
    report = recorded(world, item(event_id="e", quantity=7), source="again.jsonl")
    assert (report.added, report.refused) == (0, 1)
    [alarm] = steps.alarms(world.store)
    assert (alarm.kind, alarm.quantity) == (AlarmKind.REFUSED_INPUT, quantity(7))
    assert alarm.text.startswith(
        "again.jsonl, line 1: event_id 'e' refused: it was recorded before"
    )
    [balance] = world.balances()
    assert balance.is_balanced
    assert balance.recorded.quantity == quantity(12)


def test_refused_input_is_told_once_however_often_it_is_repeated(world: World) -> None:
    for _ in range(3):
        assert recorded(world, item(quantity="5")).refused == 1
    assert len(steps.alarms(world.store)) == 1


def test_what_can_be_read_of_refused_input_is_counted(world: World) -> None:
    recorded(
        world,
        item(quantity=5, dimension=None),
        item(quantity=7, productCode="not a code"),
        item(quantity=True),
        item(quantity=10**30, dimension=None),
    )
    balances = {balance.product: balance for balance in world.balances()}
    assert balances[PRODUCT].refused_input.quantity == quantity(5)
    assert balances[PRODUCT].unreadable_inputs == 2
    assert balances[None].refused_input.quantity == quantity(7)
    assert all(balance.is_balanced for balance in balances.values())


def test_an_input_whose_name_is_not_utf_8_can_be_recorded(world: World) -> None:
    """A file name comes with surrogate escapes."""
    report = recorded(world, item(), item(quantity=-1), source="caf\udce9.jsonl")
    assert (report.added, report.refused) == (1, 1)
    assert report.refusals[0].source == "caf\\udce9.jsonl, line 2"


class PowerCutError(BaseException):
    """No handler can swallow it."""


def test_an_interrupted_input_is_completed_by_recording_it_again(world: World) -> None:
    """The process dies after the second of three steps of five thousand."""
    text = [json.dumps(item(quantity=1, own=number % 7)) for number in range(12_000)]
    progress: list[int] = []

    def die(report: RecordReport) -> None:
        progress.append(report.added)
        if len(progress) == 2:
            raise PowerCutError

    with pytest.raises(PowerCutError):
        record(world.store, world.clock, "usage.jsonl", read_json(text), die)
    assert progress == [5_000, 10_000]
    again = record(world.store, world.clock, "usage.jsonl", read_json(text))
    assert (again.added, again.already_there) == (2_000, 10_000)
    found = steps.groups(world.store, world.clock.now())
    assert total(group.quantity for group in found) == quantity(12_000)


def test_an_input_that_breaks_off_while_it_is_read_keeps_what_was_read(world: World) -> None:
    def pieces() -> Iterator[Piece]:
        yield from read_json([json.dumps(item())] * 6_000)
        raise OSError("the disk went away")

    with pytest.raises(OSError, match="the disk went away"):
        record(world.store, world.clock, "usage.jsonl", pieces())
    assert recorded(world, *[item()] * 6_000).added == 1_000


def test_a_report_holds_the_first_thousand_refusals(world: World) -> None:
    report = recorded(world, *[item(quantity=-1)] * 1_200)
    assert (report.refused, len(report.refusals)) == (1_200, 1_000)
    both = report.plus(report)
    assert (both.read, both.refused, len(both.refusals)) == (2_400, 2_400, 1_000)
    assert report.refusals[0].source == "usage.jsonl, line 1"
