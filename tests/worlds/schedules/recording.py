"""Recording: what an application repeats counts once, and what is wrong is kept."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

from marketplace_metering.files.json_lines import Piece
from marketplace_metering.jobs.correct import Repaired
from marketplace_metering.proof.worlds.applications import Input
from marketplace_metering.proof.worlds.fault_injection import COMMITTED
from marketplace_metering.recorder.place import Place
from tests.recorder.build import ListSink, kill, recorder
from tests.worlds.stage import METER, STORAGE, WRONG, Stage, crash

SELLER = "999900001111"


def an_input_that_is_repeated(stage: Stage) -> None:
    """
    09:10  record 5 and 5 in one input: two uses; the process dies when they are stored
    09:20  the application does not know, and repeats the input: nothing is added
    """
    stage.now_is("09:10")
    drawn = stage.made(5)
    drawn.pieces.append(replace(drawn.pieces[0], place="line 2"))
    drawn.good.append(drawn.good[0])
    stage.when_at(COMMITTED, crash)
    stage.write(drawn)
    assert not drawn.is_confirmed
    stage.now_is("09:20")
    stage.write(drawn)
    stage.now_is("10:06")
    stage.seal()
    stage.submit()
    assert stage.billed() == {"20 09:00": "10"}
    stage.end()


def equal_usage_of_two_inputs(stage: Stage) -> None:
    """
    09:10  two hosts record 5 of one buyer in the same millisecond, with nothing to tell them apart
    09:20  each repeats its input: nothing is added
    10:06  both are billed
    """
    stage.now_is("09:10")
    one, other = stage.made(5), stage.made(5)
    other.pieces[:] = one.pieces
    for drawn in (one, other):
        stage.write(drawn)
    stage.now_is("09:20")
    for drawn in (other, one):
        stage.write(drawn)
    stage.now_is("10:06")
    stage.seal()
    stage.submit()
    assert stage.billed() == {"20 09:00": "10"}
    stage.end()


def usage_of_one_instant(stage: Stage) -> None:
    """
    09:10  two applications record usage of one buyer in the same millisecond
    10:06  both are billed
    """
    stage.now_is("09:10")
    stage.use(5, "09:10")
    stage.use(7, "09:10", STORAGE)
    stage.look()
    stage.now_is("10:06")
    stage.seal()
    stage.submit()
    assert stage.billed() == {"20 09:00": "5"}
    assert stage.billed(STORAGE) == {"20 09:00": "7"}
    stage.end()


def an_event_that_comes_twice(stage: Stage) -> None:
    """
    09:10  record the event e-1 with 5
    09:20  another application records e-1, too: an event counts once
    """
    stage.now_is("09:10")
    stage.use(5, event_id="e-1")
    again = stage.made(5, "09:10", event_id="e-1")
    again.good.clear()
    stage.write(again)
    stage.now_is("10:06")
    stage.seal()
    stage.submit()
    assert stage.billed() == {"20 09:00": "5"}
    stage.end()


def an_input_that_comes_again_after_a_repair(stage: Stage) -> None:
    """
    10:06  AWS knows no such dimension as the application wrote: parked
    10:20  the operator corrects the usage record, and it is billed
    10:30  the application repeats its input: what it wrote then is known, and is not metered again
    """
    stage.now_is("09:10")
    drawn = stage.use(5, meter=WRONG)
    stage.now_is("10:06")
    stage.seal()
    stage.submit()
    stage.now_is("10:20")
    assert stage.repair("09:10", WRONG) == Repaired()
    stage.seal()
    stage.submit()
    stage.write(drawn)
    stage.look()
    assert stage.billed() == {"20 09:00": "5"}
    stage.end()


def an_input_that_comes_again_after_two_repairs(stage: Stage) -> None:
    """
    10:20  the operator corrects the dimension; AWS refuses that one, too
    10:40  he corrects the quantity, and it is billed
    10:50  the application repeats its input: what it wrote at first is known, too
    """
    _repaired_twice(stage, stage.made(8, "09:10", WRONG))


def an_event_that_comes_again_after_two_repairs(stage: Stage) -> None:
    """The same with an event id: it is no clash either."""
    _repaired_twice(stage, stage.made(8, "09:10", WRONG, event_id="e-1"))
    assert not stage.books.refused_inputs


def _repaired_twice(stage: Stage, drawn: Input) -> None:
    stage.now_is("09:20")
    stage.write(drawn)
    stage.now_is("10:06")
    stage.seal()
    stage.submit()
    stage.now_is("10:20")
    assert stage.repair("09:10", WRONG) == Repaired()
    stage.seal()
    stage.aws_will("suspended")
    stage.submit()
    stage.now_is("10:40")
    assert stage.repair("09:10") == Repaired()
    stage.seal()
    stage.submit()
    stage.now_is("10:50")
    stage.write(drawn)
    stage.look()
    assert stage.billed() == {"20 09:00": "4"}
    stage.end()


def an_event_that_comes_again_after_a_repair(stage: Stage) -> None:
    """The same with an event id: it is no clash either."""
    stage.now_is("09:10")
    drawn = stage.use(5, meter=WRONG, event_id="e-1")
    stage.now_is("10:06")
    stage.seal()
    stage.submit()
    assert stage.repair("09:10", WRONG) == Repaired()
    stage.seal()
    stage.submit()
    stage.write(drawn)
    stage.look()
    assert stage.billed() == {"20 09:00": "5"}
    assert not stage.books.refused_inputs
    stage.end()


def a_crash_while_usage_is_recorded(stage: Stage) -> None:
    """
    09:10  record 5 and something that is no usage record; the process dies in between
    09:20  the application repeats it: one is there, the other is refused with a reason, and told
    """
    stage.now_is("09:10")
    drawn = stage.made(5)
    wrong = Piece("line 2", "-1 of something", {"quantity": -1})
    drawn.pieces.append(wrong)
    drawn.bad.append(wrong.text)
    stage.when_at(COMMITTED, crash)
    stage.write(drawn)
    stage.now_is("09:20")
    stage.write(drawn)
    assert stage.alarms() == ["refused input"]
    stage.end()


def a_spool_under_another_region(stage: Stage) -> None:
    """
    09:10  a recorder puts a sum of 5 into its table, and is killed before it hears so
    09:20  the application is started in a shell with another region, where a stack of the same
           name has a table as well: the sum stays in the spool
    09:30  it is started in its own region: the sum is there, and the spool is empty
    """
    stage.now_is("09:10")
    table, namesake = ListSink(), ListSink()
    table.at, namesake.at = Place("us-east-1", SELLER), Place("eu-west-1", SELLER)
    with TemporaryDirectory() as folder:
        table.is_deaf = True
        first = recorder(table, Path(folder))
        first.record(METER.account, METER.dimension, 5)
        assert not first.flush(timeout=0.0)
        kill(first)
        stage.now_is("09:20")
        with recorder(namesake, Path(folder)) as second:
            assert second.flush()
        stage.now_is("09:30")
        table.is_deaf = False
        with recorder(table, Path(folder)) as third:
            assert third.flush()
        assert list(Path(folder).iterdir()) == []
    assert (table.micros, namesake.micros) == (5_000_000, 0)
