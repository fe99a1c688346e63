"""Late usage: what was recorded late is refused or held; what was delayed here is billed."""

from __future__ import annotations

from marketplace_metering.core.policy import LateUsage
from marketplace_metering.jobs.correct import Repaired
from tests.worlds.stage import WRONG, Stage, crash


def usage_after_a_run_within_its_hour(stage: Stage) -> None:
    """
    09:20  somebody runs metering by hand: 09:00 is sealed with 1
    09:40  50 more: they are on time
    10:06  no later hour is over yet
    10:30  2 of 09:50 are recorded; nobody can tell them from the 50
    11:06  all 52 are billed in 10:00, although the setting is to reject late usage
    11:30  3 of 09:55 are recorded: these are late
    """
    stage.policy(late=LateUsage.REJECT)
    stage.now_is("09:10")
    stage.use(1)
    stage.now_is("09:20")
    stage.everything()
    stage.submit()
    stage.now_is("09:40")
    stage.use(50)
    stage.now_is("10:06")
    stage.seal()
    stage.now_is("10:30")
    stage.use(2, "09:50")
    stage.seal()
    stage.now_is("11:06")
    stage.seal()
    stage.submit()
    assert stage.listed() == []
    assert stage.billed() == {"20 09:00": "1", "20 10:00": "52"}
    stage.now_is("11:30")
    stage.use(3, "09:55")
    stage.seal()
    assert [row.micros for row in stage.listed()] == [3_000_000]
    stage.end()
    assert stage.billed() == {"20 09:00": "1", "20 10:00": "52"}


def usage_that_an_outage_delayed(stage: Stage) -> None:
    """
    09:10  record 40; the account is refused until the deadline of 09:00 has passed
    10:30  record 3 of 09:30: they are late, and held
    21 10:06  the 40 are given back, and carried: only the 3 wait for a person
    """
    stage.policy(late=LateUsage.HOLD)
    stage.now_is("09:10")
    stage.use(40)
    stage.now_is("10:06")
    stage.seal()
    stage.always = ["account refused"]
    stage.submit()
    stage.now_is("10:30")
    stage.use(3, "09:30")
    stage.seal()
    stage.now_is("21 10:06")
    stage.submit()
    stage.always = []
    stage.seal()
    stage.submit()
    assert stage.billed() == {"21 09:00": "40"}
    stage.end()
    assert stage.billed() == {"21 09:00": "40"}


def usage_of_days_without_a_run(stage: Stage) -> None:
    """
    09:10  record 5; nothing runs for more than a day
    21 13:06  the window has expired long ago; the usage is carried, for nobody looked before
    21 13:30  record 2 of 20 09:20: these are late
    """
    stage.policy(late=LateUsage.REJECT)
    stage.now_is("09:10")
    stage.use(5)
    stage.now_is("21 13:06")
    stage.seal()
    stage.submit()
    assert stage.billed() == {"21 12:00": "5"}
    stage.now_is("21 13:30")
    stage.use(2, "20 09:20")
    stage.seal()
    assert [row.micros for row in stage.listed()] == [2_000_000]
    stage.end()


def a_run_that_is_killed_has_seen_nothing(stage: Stage) -> None:
    """
    09:20  09:00 is sealed on request
    09:40  record 5
    11:06  the job reads it, and is killed before it stores a plan
    12:06  the next one carries it
    """
    stage.policy(late=LateUsage.REJECT)
    stage.now_is("09:10")
    stage.use(1)
    stage.now_is("09:20")
    stage.everything()
    stage.submit()
    stage.now_is("09:40")
    stage.use(5)
    stage.now_is("11:06")
    stage.before("append", crash)
    stage.seal()
    stage.now_is("12:06")
    stage.seal()
    stage.submit()
    assert stage.billed() == {"20 09:00": "1", "20 11:00": "5"}
    stage.end()


def a_run_that_left_a_book_to_others_has_not_seen_it(stage: Stage) -> None:
    """
    09:20  09:00 is sealed on request
    09:40  record 5
    11:06  whenever the job has planned them, 1 more of 10:00 comes: it gives the book up
    12:06  the next one carries them
    """
    stage.policy(late=LateUsage.REJECT)
    stage.now_is("09:10")
    stage.use(1)
    stage.now_is("09:20")
    stage.everything()
    stage.submit()
    stage.now_is("09:40")
    stage.use(5)
    stage.now_is("10:30")
    stage.use(1)
    stage.now_is("11:06")
    for _try in range(3):
        stage.before("append", lambda: stage.use(1, "10:40"))
    stage.seal()
    stage.now_is("12:06")
    stage.seal()
    stage.submit()
    assert stage.listed() == []
    assert sum(map(int, stage.billed().values())) == 10
    stage.end()


def usage_that_comes_while_a_run_reads(stage: Stage) -> None:
    """
    09:20  09:00 is sealed on request
    09:59  a job begins; it has read what is pending when 5 more come, and halts
    10:10  it ends: of 09:00 it saw what there was at its beginning
    11:06  the 5 are carried
    """
    stage.policy(late=LateUsage.REJECT)
    stage.now_is("09:10")
    stage.use(1)
    stage.now_is("09:20")
    stage.everything()
    stage.submit()
    stage.now_is("09:40")
    stage.use(2, "08:40")
    stage.now_is("09:59")

    def more() -> None:
        stage.use(5)
        stage.now_is("10:10")

    stage.after("pending", more)
    stage.seal()
    stage.now_is("11:06")
    stage.seal()
    stage.submit()
    assert stage.listed() == []
    assert stage.billed() == {"20 08:00": "2", "20 09:00": "1", "20 10:00": "5"}
    stage.end()


def usage_that_is_repaired_after_its_window(stage: Stage) -> None:
    """
    09:10  record 5 of a dimension that AWS does not know
    21 11:06  the window's deadline has passed: they are listed
    21 11:30  the operator corrects them: they were on time, and are carried
    """
    stage.policy(late=LateUsage.REJECT)
    stage.now_is("09:10")
    stage.use(5, meter=WRONG)
    for now in ("10:06", "21 11:06"):
        stage.now_is(now)
        stage.seal()
        stage.submit()
    assert [row.micros for row in stage.listed()] == [5_000_000]
    stage.now_is("21 11:30")
    assert stage.repair("09:10", WRONG) == Repaired()
    stage.seal()
    stage.submit()
    assert stage.listed() == []
    assert stage.billed() == {"21 10:00": "5"}
    stage.end()


def late_usage_that_is_repaired_is_late(stage: Stage) -> None:
    """
    10:20  2 of 09:40 are recorded late, of a dimension that AWS does not know: they are listed
    10:30  the operator corrects the dimension, not the setting; 09:00 of that meter is billed
    """
    stage.policy(late=LateUsage.REJECT)
    stage.now_is("09:10")
    stage.use(5, meter=WRONG)
    stage.use(5)
    stage.now_is("10:06")
    stage.seal()
    stage.submit()
    stage.now_is("10:20")
    stage.use(2, "09:40", WRONG)
    stage.seal()
    assert 2_000_000 in [row.micros for row in stage.listed()]
    stage.now_is("10:30")
    assert stage.repair("09:40", WRONG) == Repaired()
    stage.seal()
    assert 2_000_000 in [row.micros for row in stage.listed()]
    stage.end()
    assert stage.billed() == {"20 09:00": "5"}


def a_run_whose_clock_is_hours_ahead(stage: Stage) -> None:
    """
    09:20  a job whose clock shows 12:20 seals 09:00, and says that it has looked through 11:00
    09:40  the clock is right again; 5 more
    10:06  the job does not believe that 09:00 was looked through, and says so
    11:06  the 5 are carried
    13:06  5 of 11:40 are on time as well
    """
    stage.policy(late=LateUsage.REJECT)
    stage.auditor.may_seal_open_hours = True
    stage.now_is("09:10")
    stage.use(1)
    stage.clocks_are_off_by(3 * 3_600)
    stage.now_is("09:20")
    stage.seal()
    stage.clocks_are_off_by(0)
    stage.now_is("09:40")
    stage.use(5)
    for hour in ("10:06", "11:06"):
        stage.now_is(hour)
        stage.seal()
        stage.submit()
    assert stage.listed() == []
    assert stage.billed() == {"20 09:00": "1", "20 10:00": "5"}
    stage.now_is("11:20")
    stage.use(1)
    stage.now_is("11:25")
    stage.everything()
    stage.now_is("11:40")
    stage.use(7)
    stage.now_is("13:06")
    stage.seal()
    stage.submit()
    assert stage.listed() == []
    assert stage.billed() == {"20 09:00": "1", "20 10:00": "5", "20 11:00": "1", "20 12:00": "7"}
    stage.end()


def a_run_whose_clock_is_hours_behind(stage: Stage) -> None:
    """
    14:30  2 of 13:40 are recorded late, and held
    15:20  the clock of one job shows 11:20: it forgets nothing, and tells nothing
    16:06  they are held still
    """
    stage.policy(late=LateUsage.HOLD)
    for hour in ("10:06", "11:06", "12:06"):
        stage.now_is(hour)
        stage.seal()
    stage.now_is("13:10")
    stage.use(5)
    stage.now_is("14:06")
    stage.seal()
    stage.submit()
    stage.now_is("14:30")
    stage.use(2, "13:40")
    stage.now_is("15:06")
    stage.seal()
    stage.now_is("15:20")
    stage.clocks_are_off_by(-4 * 3_600)
    stage.seal()
    stage.clocks_are_off_by(0)
    stage.now_is("16:06")
    stage.seal()
    stage.submit()
    assert stage.billed() == {"20 13:00": "5"}
    stage.end()
    assert stage.billed() == {"20 13:00": "5"}
