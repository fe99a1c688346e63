"""Sealing: which usage goes into which window, and that it goes there once."""

from __future__ import annotations

from dataclasses import replace

from marketplace_metering.core.plan import Plan, plan
from marketplace_metering.core.policy import LateUsage, Scope
from marketplace_metering.core.views import EntryFilter
from marketplace_metering.jobs.correct import Repaired
from tests.worlds.stage import LICENSED, POLICY, WRONG, Stage


def a_plan(stage: Stage) -> Plan:
    """What a job that reads now would store."""
    [(book, groups)] = stage.opened().store.pending(stage.now(), POLICY)
    return plan(book, groups, stage.now(), POLICY, Scope.CLOSED_HOURS)


def usage_that_comes_while_a_job_plans(stage: Stage) -> None:
    """
    09:10  record 5
    10:06  seal: reads 5; before it stores its plan, an application records 2 more of 09:40
           the entry covers what it bills, and what it does not cover is billed by another one
    """
    stage.now_is("09:10")
    stage.use(5)
    stage.now_is("10:06")
    stage.before("append", lambda: stage.use(2, "09:40"))
    for hour in ("10:06", "11:06"):
        stage.now_is(hour)
        stage.seal()
        stage.look()
        stage.submit()
    assert sum(map(int, stage.billed().values())) == 7
    stage.end()


def two_jobs_that_read_the_same_book(stage: Stage) -> None:
    """
    09:10  record 5 by product code
    10:06  seal: reads 5; before it stores its plan, 4 more of the same hour are recorded by
           licence, and older: another job gives them the hour
           the first plan is refused: the hour is never metered under both identities
    """
    stage.now_is("09:10")
    stage.use(5)
    stage.now_is("10:06")

    def another_job() -> None:
        stage.use(4, "09:05", LICENSED)
        stage.seal()

    stage.before("append", another_job)
    stage.seal()
    stage.now_is("11:06")
    stage.seal()
    stage.submit()
    assert stage.billed(LICENSED) == {"20 09:00": "4"}
    assert stage.billed() == {"20 10:00": "5"}
    stage.end()


def usage_that_an_entry_holds_is_never_taken(stage: Stage) -> None:
    """
    09:10  record 5
    10:06  a job reads the group, and stands still while another one seals it
    11:06  what it read is stored with the book as it is by now: the group is not free
    """
    stage.now_is("09:10")
    stage.use(5)
    stage.now_is("10:06")
    stale = a_plan(stage)
    stage.seal()
    stage.use(1, "10:05")
    stage.now_is("11:06")
    fresh = a_plan(stage)
    [group] = [sealing.groups[0] for sealing in stale.sealings]
    moved = plan(fresh.book, [group], stage.now(), POLICY, Scope.CLOSED_HOURS)
    assert list(stage.opened().store.append([moved], stage.now())) == [False]
    stage.look()
    stage.end()


def a_window_is_sealed_once(stage: Stage) -> None:
    """
    10:06  09:00 is sealed with 5, and billed
    10:20  2 more of 09:40 are recorded; a planner that is wrong puts them into 09:00 again
           the store refuses a second live entry of a window
    """
    stage.now_is("09:10")
    stage.use(5)
    stage.now_is("10:06")
    stage.seal()
    stage.submit()
    stage.use(2, "09:40")
    [view] = stage.opened().reports.entries(EntryFilter())
    [(book, groups)] = stage.opened().store.pending(stage.now(), POLICY)
    blind = replace(book, live=frozenset(), released=(view.entry.key,))
    wrong = plan(blind, groups, stage.now(), POLICY, Scope.CLOSED_HOURS)
    [answer] = stage.opened().store.append([wrong], stage.now())
    stage.look()
    assert not answer
    stage.end()


def a_job_that_runs_again_at_once(stage: Stage) -> None:
    """
    10:06  09:00 is sealed with 5; nothing is sent yet
    10:07  the job runs again, and is asked to seal everything: there is nothing left
    """
    stage.now_is("09:10")
    stage.use(5)
    stage.now_is("10:06")
    stage.seal()
    stage.now_is("10:07")
    stage.everything()
    stage.look()
    stage.submit()
    assert stage.billed() == {"20 09:00": "5"}
    stage.end()


def late_usage_leaves_a_sealed_window_alone(stage: Stage) -> None:
    """
    10:06  09:00 is sealed with 5, and billed
    10:20  2 more of 09:40 are recorded
    11:06  they are billed in 10:00
    """
    stage.now_is("09:10")
    stage.use(5)
    stage.now_is("10:06")
    stage.seal()
    stage.submit()
    stage.now_is("10:20")
    stage.use(2, "09:40")
    stage.seal()
    stage.now_is("11:06")
    stage.seal()
    stage.submit()
    assert stage.billed() == {"20 09:00": "5", "20 10:00": "2"}
    stage.end()


def one_hour_under_both_identities(stage: Stage) -> None:
    """
    09:05  record 4 by licence
    09:10  record 5 by product code, for the same buyer and dimension
    10:06  the older usage takes 09:00
    11:06  the other is billed in 10:00: AWS would bill both in one hour
    """
    stage.now_is("09:05")
    stage.use(4, meter=LICENSED)
    stage.now_is("09:10")
    stage.use(5)
    for hour in ("10:06", "11:06"):
        stage.now_is(hour)
        stage.seal()
        stage.submit()
    assert stage.billed(LICENSED) == {"20 09:00": "4"}
    assert stage.billed() == {"20 10:00": "5"}
    stage.end()


def an_hour_that_is_not_over(stage: Stage) -> None:
    """
    09:10  record 5
    09:20  seal: the hour is open, nothing is sealed
    09:40  record 2
    10:06  09:00 is sealed with 7
    """
    stage.now_is("09:10")
    stage.use(5)
    stage.now_is("09:20")
    stage.seal()
    stage.submit()
    stage.now_is("09:40")
    stage.use(2)
    stage.now_is("10:06")
    stage.seal()
    stage.submit()
    assert stage.billed() == {"20 09:00": "7"}
    stage.end()


def late_usage_stays_in_its_month(stage: Stage) -> None:
    """
    30 21:06  20:00 is sealed and billed; 22:00 and 23:00 have no usage
    01 01:06  3 more of 30 20:10 are recorded: billed in November, though December has free hours
    """
    stage.now_is("30 20:10")
    stage.use(5)
    stage.now_is("30 21:06")
    stage.seal()
    stage.submit()
    stage.now_is("12-01 01:06")
    stage.use(3, "30 20:40")
    stage.seal()
    stage.submit()
    assert stage.billed() == {"30 20:00": "5", "30 23:00": "3"}
    assert "carried into another month" not in stage.alarms()
    stage.end()


def more_than_one_window_can_bill(stage: Stage) -> None:
    """
    09:10  record 9999999999 and 5: AWS takes at most 9999999999.999999 in one record
    10:06  one of them is sealed in 09:00
    11:06  the other in 10:00
    """
    stage.now_is("09:10")
    stage.use(9_999_999_999)
    stage.use(5, "09:20", tags={"team": "a"})
    for hour in ("10:06", "11:06"):
        stage.now_is(hour)
        stage.seal()
        stage.submit()
    assert stage.billed() == {"20 09:00": "9999999999", "20 10:00": "5"}
    stage.end()


def a_window_that_was_given_back_is_sealed_again(stage: Stage) -> None:
    """
    10:06  09:00 is sealed with usage of a dimension that AWS does not know: parked
    10:30  the operator corrects one of the two: the entry is given back
    11:06  what is left of it is sealed in the same window, as another entry
    """
    stage.now_is("09:10")
    stage.use(5, meter=WRONG)
    stage.use(3, "09:20", WRONG)
    stage.now_is("10:06")
    stage.seal()
    stage.submit()
    stage.now_is("10:30")
    assert stage.repair("09:10", WRONG) == Repaired()
    stage.submit()  # writes what was given back onto the usage records
    stage.seal()
    stage.submit()
    assert stage.billed() == {"20 09:00": "5"}
    assert stage.entry("09:00", WRONG).serial == 1
    assert stage.entry("09:00", WRONG).micros == 3_000_000
    stage.end()


def late_usage_that_is_rejected_says_so(stage: Stage) -> None:
    """
    10:06  09:00 is sealed
    10:20  2 more of 09:40 are recorded; the setting is to reject late usage
           they are listed, with an alarm
    """
    stage.policy(late=LateUsage.REJECT)
    stage.now_is("09:10")
    stage.use(5)
    stage.now_is("10:06")
    stage.seal()
    stage.submit()
    stage.use(2, "09:40")
    stage.seal()
    assert [row.micros for row in stage.listed()] == [2_000_000]
    assert "late usage rejected" in stage.alarms()
    stage.end()
