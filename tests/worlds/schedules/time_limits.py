"""Time: a function that is killed has sent what was due, and the next one goes on where it was."""

from __future__ import annotations

from marketplace_metering.jobs import deliver_alarms, submit
from tests.worlds.stage import STORAGE, Stage, crash


def a_processor_that_is_killed_while_it_settles_what_expired(stage: Stage) -> None:
    """
    09:10  record 5, sealed at 10:06 and not sent for a day
    20:10  of the next day: record 7 GB, sealed an hour later
    21:06  the processor is killed as soon as it looks for what has expired: the GB are sent
    """
    stage.now_is("09:10")
    stage.use(5)
    stage.now_is("10:06")
    stage.seal()
    stage.now_is("21 20:10")
    stage.use(7, meter=STORAGE)
    stage.now_is("21 21:06")
    stage.seal()
    stage.before("expired", crash)
    stage.submit()
    assert stage.billed(STORAGE) == {"21 20:00": "7"}
    stage.end()


def a_processor_whose_time_is_over_while_it_settles(stage: Stage) -> None:
    """
    20 windows have expired; a run takes 5 of them in a step, and each step takes a minute
           a run ends by itself in time, and the next one goes on
    """
    step, submit.EXPIRED_PER_STEP = submit.EXPIRED_PER_STEP, 5
    try:
        for hour in range(10):
            stage.now_is(f"{9 + hour:02d}:10")
            stage.use(5)
            stage.use(7, meter=STORAGE)
        stage.now_is("19:06")
        stage.seal()
        stage.now_is("21 20:10")
        for left in (15, 10, 5, 0):
            for _step in range(4):
                stage.after("change", lambda: stage.pass_s(60))
            began_us = stage.now_us
            stage.limit.seconds = 60
            stage.submit()
            stage.limit.seconds = 0
            assert stage.now_us - began_us < 90_000_000
            stage.hooks.after["change"].clear()
            assert sum(entry.state == "sealed" for entry in stage.books.entries) == left
    finally:
        submit.EXPIRED_PER_STEP = step
    stage.end()


def alarms_for_more_than_there_is_time(stage: Stage) -> None:
    """
    12 windows have expired: 12 alarms, of which a page has 5
           the process is killed after each page that it has told: none is told twice
    """
    page, deliver_alarms.ALARMS_PER_PAGE = deliver_alarms.ALARMS_PER_PAGE, 5
    try:
        for hour in range(6):
            stage.now_is(f"{9 + hour:02d}:10")
            stage.use(5)
            stage.use(7, meter=STORAGE)
        stage.now_is("15:06")
        stage.seal()
        stage.now_is("21 20:10")
        for told in (5, 10, 12):
            if told < 12:
                stage.after("alarms_delivered", crash)
            stage.submit()
            assert stage.pager.heard.total() == told
    finally:
        deliver_alarms.ALARMS_PER_PAGE = page
    stage.end()
