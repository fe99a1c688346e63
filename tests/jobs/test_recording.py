"""Recording an input: what is right is stored, what is wrong is kept and listed (rule 11)."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from marketplace_metering.adapters.sqlite.intake import SqliteIntake
from marketplace_metering.core.hours import epoch_ns
from marketplace_metering.core.ledger import AlarmKind
from marketplace_metering.core.quantity import total
from marketplace_metering.core.record import UsageRecord
from marketplace_metering.core.record_rules import read_record
from marketplace_metering.files.json_lines import Piece, read_json
from marketplace_metering.jobs import record as record_job
from marketplace_metering.jobs.record import RecordReport, record
from tests.support import steps
from tests.support.build import DIMENSION, PRODUCT, item, quantity
from tests.support.clock import utc
from tests.support.world import MeteringWorld, new_world

NINE_MS = epoch_ns(utc("09:10")) // 1_000_000


@pytest.fixture
def world() -> Iterator[MeteringWorld]:
    with new_world("12:30") as opened:
        yield opened


def recorded(
    world: MeteringWorld, *items: dict[str, object], source: str = "usage.jsonl"
) -> RecordReport:
    text = [json.dumps(each) for each in items]
    return record(world.store, world.clock, source, read_json(text))


def test_a_report_tells_what_became_of_an_input(world: MeteringWorld) -> None:
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


def test_a_clash_is_refused_input_with_its_quantity(world: MeteringWorld) -> None:
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


def test_refused_input_is_told_once_however_often_it_is_repeated(world: MeteringWorld) -> None:
    for _ in range(3):
        assert recorded(world, item(quantity="5")).refused == 1
    assert len(steps.alarms(world.store)) == 1


def test_what_can_be_read_of_refused_input_is_counted(world: MeteringWorld) -> None:
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


def test_an_input_whose_name_is_not_utf_8_can_be_recorded(world: MeteringWorld) -> None:
    """A file name comes with surrogate escapes."""
    report = recorded(world, item(), item(quantity=-1), source="caf\udce9.jsonl")
    assert (report.added, report.refused) == (1, 1)
    assert report.refusals[0].source == "caf\\udce9.jsonl, line 2"


class PowerCutError(BaseException):
    """No handler can swallow it."""


def test_an_interrupted_input_is_completed_by_recording_it_again(
    world: MeteringWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The process dies after the second of three steps of five thousand."""
    monkeypatch.setattr(record_job, "PIECES_PER_STEP", 5_000)
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


def test_an_input_that_breaks_off_while_it_is_read_keeps_what_was_read(
    world: MeteringWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(record_job, "PIECES_PER_STEP", 5_000)

    def pieces() -> Iterator[Piece]:
        yield from read_json([json.dumps(item())] * 6_000)
        raise OSError("the disk went away")

    with pytest.raises(OSError, match="the disk went away"):
        record(world.store, world.clock, "usage.jsonl", pieces())
    assert recorded(world, *[item()] * 6_000).added == 1_000


def test_a_report_holds_the_first_thousand_refusals(world: MeteringWorld) -> None:
    report = recorded(world, *[item(quantity=-1)] * 1_200)
    assert (report.refused, len(report.refusals)) == (1_200, 1_000)
    both = report.plus(report)
    assert (both.read, both.refused, len(both.refusals)) == (2_400, 2_400, 1_000)
    assert report.refusals[0].source == "usage.jsonl, line 1"


def written(*items: dict[str, object]) -> list[str]:
    return [json.dumps(each) + "\n" for each in items]


def test_lines_of_every_kind_in_one_input_are_all_recorded(world: MeteringWorld) -> None:
    """Plain lines, lines to look at, empty ones and wrong ones, in any order."""
    good = [
        item(quantity=1),
        item(quantity=2, tags={"team": "red"}),
        item(quantity=4, event_id="e"),
        item(quantity=8, own=[1, 2]),
        item(quantity=16, dimension="Größe"),
    ]
    lines = written(*good, item(quantity=-1), *good)
    lines.insert(3, "\n")
    report = record(world.store, world.clock, "usage.jsonl", read_json(lines))
    assert (report.read, report.added, report.already_there, report.refused) == (11, 9, 1, 1)
    assert report.added_quantity == quantity(2 * 31 - 4)
    assert [each.source for each in report.refusals] == ["usage.jsonl, line 7"]
    again = record(world.store, world.clock, "usage.jsonl", read_json(lines))
    assert (again.added, again.already_there) == (0, 10)


def test_a_plain_line_that_clashes_is_refused_with_its_place_and_text(world: MeteringWorld) -> None:
    lines = written(item(event_id="e"), item(event_id="f"), item(event_id="e", quantity=7))
    report = record(world.store, world.clock, "usage.jsonl", read_json(lines))
    assert (report.added, report.refused) == (2, 1)
    [refused] = report.refusals
    assert (refused.source, refused.text) == ("usage.jsonl, line 3", lines[2].rstrip())
    [balance] = world.balances()
    assert balance.is_balanced


def test_usage_that_comes_after_a_seal_of_the_same_input_is_new_usage(
    world: MeteringWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The tally that took the first step is sealed by somebody else before the second."""
    monkeypatch.setattr(record_job, "PIECES_PER_STEP", 2)
    lines = written(*[item(quantity=1, create_timestamp=NINE_MS + n) for n in range(6)])
    sealed: list[int] = []

    def seal(report: RecordReport) -> None:
        if not sealed:
            sealed.append(world.seal().records)

    report = record(world.store, world.clock, "usage.jsonl", read_json(lines), seal)
    assert (report.added, sealed) == (6, [2])
    [group] = steps.groups(world.store, world.clock.now())
    assert (group.record_count, group.quantity) == (4, quantity(4))
    world.assert_law()


def test_a_step_that_cannot_be_stored_leaves_nothing_that_a_later_one_builds_on(
    world: MeteringWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The numbers that a rolled-back transaction gave out are given to somebody else."""
    intake = world.store.intake("usage.jsonl", world.clock.now())
    first = steps_of(item(quantity=1))
    with monkeypatch.context() as patch:
        patch.setattr(SqliteIntake, "_store_tallies", fail)
        with pytest.raises(OSError, match="disk"):
            intake.add(first)
    other = steps_of(item(quantity=5, dimension="other"))
    assert world.store.intake("another", world.clock.now()).add(other).added == 1
    assert intake.add(first).added == 1
    found = steps.groups(world.store, world.clock.now())
    assert {group.meter.dimension: str(group.quantity) for group in found} == {
        DIMENSION: "1",
        "other": "5",
    }


def fail(intake: object) -> None:
    raise OSError("the disk is full")


def steps_of(*items: dict[str, object]) -> list[UsageRecord]:
    now = utc("12:30")
    found = [read_record(each, now) for each in items]
    return [each for each in found if isinstance(each, UsageRecord)]


ATTRIBUTES = st.fixed_dictionaries(
    {"quantity": st.sampled_from([1, 2, 0, -1, 9_999_999_999])},
    optional={
        "tags": st.sampled_from([{"team": "red"}, {"team": ""}]),
        "event_id": st.sampled_from(["e", "f"]),
        "create_timestamp": st.sampled_from([NINE_MS, NINE_MS + 1, 5]),
        "own": st.sampled_from(["x", "y", [1]]),
        "dimension": st.sampled_from(["d", "é"]),
    },
)


@given(st.lists(st.lists(ATTRIBUTES, max_size=6), max_size=3), st.integers(1, 4))
def test_an_input_in_steps_is_recorded_as_one_that_comes_piece_by_piece(
    inputs: list[list[dict[str, object]]], size: int
) -> None:
    """The same input through the short and through the careful way leaves the same store."""
    reports, groups = [], []
    for is_quick in (True, False):
        with new_world("12:30") as world, pytest.MonkeyPatch.context() as patch:
            patch.setattr(record_job, "PIECES_PER_STEP", size if is_quick else 1)
            for number, items in enumerate(inputs):
                pieces = read_json(written(*[item(**each) for each in items]))
                given_as = pieces if is_quick else list(pieces)
                reports.append(record(world.store, world.clock, f"input {number}", given_as))
            found = steps.groups(world.store, world.clock.now())
            groups.append(sorted((str(g.meter), g.hour, g.tags, g.quantity) for g in found))
            world.assert_law()
    quick, careful = reports[: len(inputs)], reports[len(inputs) :]
    for one, other in zip(quick, careful, strict=True):
        assert (one.read, one.added, one.already_there) == (
            other.read,
            other.added,
            other.already_there,
        )
    if not any("event_id" in each for items in inputs for each in items):
        assert groups[0] == groups[1]
