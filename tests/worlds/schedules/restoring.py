"""Copies: what a restored store may not send, and how it comes to go on."""

from __future__ import annotations

from decimal import Decimal

from marketplace_metering.core.copies import Standing
from tests.worlds.stage import ARN, LICENSED, LICENSED_ELSEWHERE, STORAGE, Stage


def _copied_then_billed(stage: Stage) -> None:
    """
    09:10  usage of 100
    10:02  the store is copied: 100 are pending
    10:06  they are billed
    """
    stage.now_is("09:10")
    stage.use(100)
    stage.now_is("10:02")
    stage.back_up()
    stage.now_is("10:06")
    stage.seal()
    stage.submit()
    assert stage.billed() == {"20 09:00": "100"}


def pending_in_the_copy_billed_since(stage: Stage) -> None:
    """
    10:02  the store is copied with 100 pending; 10:06 they are billed
    next day, 11:00  the copy is restored: it neither seals nor sends, and people are told
    next day, 12:00  a person says of when it is: the 100 are unresolved, and new usage is billed
    """
    _copied_then_billed(stage)
    stage.now_is("21 11:00")
    stage.restore()
    stage.seal()
    stage.submit()
    assert stage.billed() == {"20 09:00": "100"}
    assert [kind for kind, *_rest in stage.pager.heard] == ["restored copy"]
    stage.now_is("21 12:00")
    stage.use(7)
    stage.say_restored()
    held = stage.entry("09:00")
    assert (held.state, held.micros) == ("unresolved", 100_000_000)
    stage.now_is("21 13:06")
    stage.seal()
    stage.submit()
    assert stage.billed() == {"20 09:00": "100", "21 12:00": "7"}
    stage.resolve(billed=True)
    stage.end()


def listed_in_the_copy_billed_since(stage: Stage) -> None:
    """
    10:06  5 of a licence are billed under the product code prod-a; 11:06  3 under prod-b: refused
    11:08  the store is copied: the 3 are listed
    11:10  the licence is given to prod-b, and the 3 are tried again: billed at 14:06
    next day, 11:00  the copy is restored, and a person says so: the 3 are unresolved
    next day, 11:10  the licence is given and the 3 are tried once more: they are not billed again
    """
    stage.now_is("09:10")
    stage.use(5, meter=LICENSED)
    stage.now_is("10:06")
    stage.seal()
    stage.submit()
    stage.use(3, "09:30", LICENSED_ELSEWHERE)
    stage.now_is("11:06")
    stage.seal()
    assert [row.micros for row in stage.listed()] == [3_000_000]
    stage.now_is("11:08")
    stage.back_up()
    stage.now_is("11:10")
    stage.give_the_licence("prod-b")
    stage.now_is("14:06")
    stage.seal()
    stage.submit()
    assert stage.billed(LICENSED_ELSEWHERE) == {"20 13:00": "3"}
    stage.now_is("21 11:00")
    stage.restore()
    stage.say_restored()
    held = stage.entry("09:00", LICENSED_ELSEWHERE)
    assert (held.state, held.micros) == ("unresolved", 3_000_000)
    stage.now_is("21 11:10")
    stage.give_the_licence("prod-b")
    for hour in ("21 12:06", "21 13:06", "21 14:06"):
        stage.now_is(hour)
        stage.seal()
        stage.submit()
    assert stage.billed(LICENSED_ELSEWHERE) == {"20 13:00": "3"}
    stage.resolve(billed=True)
    stage.end()


def sealed_in_the_copy_billed_since(stage: Stage) -> None:
    """
    10:06  an hour is sealed, and the store is copied; 10:10 it is billed
    next day, 11:00  the copy is restored, its deadline has passed: it is not given back
    """
    stage.now_is("09:10")
    stage.use(100)
    stage.now_is("10:06")
    stage.seal()
    stage.back_up()
    stage.now_is("10:10")
    stage.submit()
    stage.now_is("21 11:00")
    stage.restore()
    stage.submit()
    stage.say_restored()
    stage.submit()
    stage.seal()
    stage.submit()
    assert stage.billed() == {"20 09:00": "100"}
    assert stage.entry("09:00").state == "unresolved"
    stage.resolve(billed=True)
    stage.end()


def a_copy_of_the_middle_of_a_run(stage: Stage) -> None:
    """
    10:06  a run sends two requests; AWS has answered the first one when the store is copied
    next day, 11:00  the copy is restored: it knows nothing of the second request, and holds it
    """
    other = STORAGE._replace(license_arn=ARN)
    stage.now_is("09:10")
    stage.use(5)
    stage.now_is("09:20")
    stage.use(8, meter=other)
    stage.now_is("10:06")
    stage.seal()
    stage.when_answered(stage.back_up)
    stage.submit()
    assert (stage.billed(), stage.billed(other)) == ({"20 09:00": "5"}, {"20 09:00": "8"})
    stage.now_is("21 11:00")
    stage.restore()
    for _run in range(2):
        stage.submit()
        stage.seal()
        stage.submit()
        stage.say_restored()
    assert (stage.billed(), stage.billed(other)) == ({"20 09:00": "5"}, {"20 09:00": "8"})
    assert {entry.state for entry in stage.books.entries} == {"unresolved"}
    stage.resolve(billed=True)
    stage.end()


def the_intent_is_copied(stage: Stage) -> None:
    """
    10:06  the store is copied when an attempt is stored and its request has not left
    10:10  the copy is restored at once: it is behind its mark, and holds what may be billed
    """
    stage.now_is("09:10")
    stage.use(5)
    stage.now_is("10:06")
    stage.seal()
    stage.when_stored("change", stage.back_up)
    stage.submit()
    assert stage.billed() == {"20 09:00": "5"}
    stage.now_is("10:10")
    stage.restore()
    stage.submit()
    stage.say_restored()
    assert stage.entry("09:00").state == "unresolved"
    stage.resolve(billed=True)
    stage.end()


def a_store_that_was_merely_down(stage: Stage) -> None:
    """
    10:06  an hour is billed, and the machine is switched off for three days
    next days  it goes on by itself: it is level with its mark
    """
    stage.now_is("09:10")
    stage.use(5)
    stage.now_is("10:06")
    stage.seal()
    stage.submit()
    stage.now_is("10:20")
    stage.use(3)
    stage.now_is("23 11:06")
    stage.seal()
    stage.submit()
    assert sum(map(Decimal, stage.billed().values())) == 8
    stage.end()


def a_restore_under_a_run(stage: Stage) -> None:
    """
    10:06  an hour is being sent when a copy takes the place of the store
    10:10  what was on its way is held, and whoever sent it sends nothing more
    """
    stage.now_is("09:10")
    stage.use(5)
    stage.now_is("10:02")
    stage.back_up()
    stage.now_is("10:06")
    stage.seal()
    stage.when_answered(stage.restore)
    stage.submit()
    stage.now_is("10:10")
    stage.seal()
    stage.submit()
    stage.say_restored()
    stage.seal()
    stage.submit()
    assert stage.billed() == {"20 09:00": "5"}
    assert stage.entry("09:00").state == "unresolved"
    stage.resolve(billed=True)
    stage.end()


def a_mark_that_is_missing(stage: Stage) -> None:
    """
    10:06  an hour is billed; the mark is lost, and usage of 10:00 is open at 11:06: it asks
    11:10  a person says that it is no copy: it is billed
    """
    stage.now_is("09:10")
    stage.use(5)
    stage.now_is("10:06")
    stage.seal()
    stage.submit()
    stage.now_is("10:20")
    stage.use(3)
    stage.lose_the_mark()
    stage.now_is("11:06")
    stage.seal()
    stage.submit()
    assert stage.billed() == {"20 09:00": "5"}
    assert [kind for kind, *_rest in stage.pager.heard] == ["restored copy"]
    stage.now_is("11:10")
    assert stage.say_not_a_copy() is Standing.UNMARKED
    stage.seal()
    stage.submit()
    assert stage.billed() == {"20 09:00": "5", "20 10:00": "3"}
    stage.end()


def what_the_copy_released_is_not_carried(stage: Stage) -> None:
    """
    next day, 09:05  AWS was down all day, and the store is copied; at 09:08 the hour is billed
    third day  the copy is restored: its window has expired unsent, and it is not carried
    """
    stage.policy(safety_margin=stage.mix.policy.grace * 0)
    stage.now_is("09:10")
    stage.use(5)
    stage.now_is("10:06")
    stage.seal()
    stage.aws_will("unreachable")
    stage.submit()
    stage.now_is("21 09:05")
    stage.back_up()
    stage.now_is("21 09:08")
    stage.submit()
    assert stage.billed() == {"20 09:00": "5"}
    stage.now_is("22 11:00")
    stage.restore()
    stage.submit()
    stage.say_restored()
    stage.submit()
    stage.seal()
    stage.submit()
    assert stage.billed() == {"20 09:00": "5"}
    stage.resolve(billed=True)
    stage.end()


def late_usage_in_the_copy(stage: Stage) -> None:
    """
    10:06  an hour is billed; 10:30 late usage of it is recorded, and the store is copied
    11:06  the late usage is billed with the hour of 10:00
    15:00  the copy is restored: the late usage is held in another window than its own
    """
    stage.now_is("09:10")
    stage.use(5)
    stage.now_is("10:06")
    stage.seal()
    stage.submit()
    stage.now_is("10:30")
    stage.use(2, "09:20")
    stage.back_up()
    stage.now_is("11:06")
    stage.seal()
    stage.submit()
    billed = dict(stage.billed())
    assert sum(map(Decimal, billed.values())) == 7
    stage.now_is("15:00")
    stage.restore()
    stage.seal()
    stage.submit()
    stage.say_restored()
    stage.seal()
    stage.submit()
    assert stage.billed() == billed
    stage.resolve(billed=True)
    stage.end()


def a_restore_between_store_and_mark(stage: Stage) -> None:
    """
    10:06  a process has counted its request in the store, and halts before it raises the mark
           a copy takes the place of the store: it is level with its mark
           the process goes on: the store does not know its count any more, and nothing is sent
    """
    stage.now_is("09:10")
    stage.use(5)
    stage.now_is("10:02")
    stage.back_up()
    stage.now_is("10:06")
    stage.seal()
    stage.after("set_fact", stage.restore)
    stage.submit()
    assert stage.billed() == {}
    stage.now_is("10:10")
    stage.say_restored()
    stage.seal()
    stage.submit()
    assert stage.billed() == {}
    assert stage.entry("09:00").state == "unresolved"
    stage.resolve(billed=False)
    stage.end()


def a_copy_under_a_process_that_records(stage: Stage) -> None:
    """
    09:05  an empty store is copied
    09:10  a process records usage of two dimensions; 09:20 the copy takes the place of the store
    09:30  the same process records usage: it looks its meter up again, and finds none
    """
    stage.now_is("09:05")
    stage.back_up()
    stage.now_is("09:10")
    stage.use(5)
    stage.use(3, meter=STORAGE)
    stage.now_is("09:20")
    stage.restore()
    stage.now_is("09:30")
    stage.use(4, meter=STORAGE)
    stage.now_is("10:06")
    stage.seal()
    stage.submit()
    assert (stage.billed(), stage.billed(STORAGE)) == ({}, {"20 09:00": "4"})
    stage.end()
