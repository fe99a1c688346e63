"""People: what an operator may do, what he is told, and what he may never bring about."""

from __future__ import annotations

from marketplace_metering.core.ledger import State
from marketplace_metering.core.views import EntryFilter
from marketplace_metering.jobs.correct import NotRepairable, write_off
from tests.worlds.stage import WRONG, Stage, crash


def _parked_with_an_answer_lost(stage: Stage) -> None:
    """
    10:06  the buyer is not subscribed: parked
    11:07  it is sent again and accepted, and the answer is lost
    """
    stage.now_is("09:10")
    stage.use(5)
    stage.now_is("10:06")
    stage.seal()
    stage.aws_will("suspended", "answer lost")
    stage.submit()
    stage.now_is("11:07")
    stage.submit()
    assert stage.entry("09:00").state == "parked"


def a_repair_of_what_may_be_billed(stage: Stage) -> None:
    """
    11:07  09:00 is parked, and its latest attempt has no answer
    11:10  the operator wants to correct the usage record: AWS may hold it, so it stays
    """
    _parked_with_an_answer_lost(stage)
    stage.now_is("11:10")
    assert isinstance(stage.repair("09:10"), NotRepairable)
    stage.seal()
    stage.submit()
    stage.now_is("12:10")
    stage.submit()
    assert stage.billed() == {"20 09:00": "5"}
    stage.end()


def a_write_off_of_what_may_be_billed(stage: Stage) -> None:
    """
    11:07  09:00 is parked, and its latest attempt has no answer
    11:10  the operator wants to give it up: it may be billed, so it cannot be given up
    """
    _parked_with_an_answer_lost(stage)
    which = EntryFilter(state=State.PARKED)
    write_off(stage.opened(), which, "me", "too little", stage.now())
    stage.look()
    assert stage.entry("09:00").state == "parked"
    stage.end()


def a_write_off_of_what_is_settled_meanwhile(stage: Stage) -> None:
    """
    11:07  09:00 is parked, and its latest attempt has no answer
    21 10:06  the operator gives up what is parked. While the command runs, the window expires: it
              is unresolved, and nobody has looked for that one at AWS: it stays
    """
    _parked_with_an_answer_lost(stage)
    stage.now_is("21 10:06")
    stage.before("change", stage.submit)
    which = EntryFilter(state=State.PARKED)
    assert not write_off(stage.opened(), which, "me", "too little", stage.now())
    stage.look()
    assert stage.entry("09:00").state == "unresolved"
    stage.end()


def a_release_decided_on_a_copy(stage: Stage) -> None:
    """
    10:06  09:00 is sealed; AWS is not reached all day
    next day, 09:03  a process reads 09:00: two minutes and it has expired, never sent
                     before it stores that, its clock stands still; another process sends 09:00
                     at the last moment, AWS accepts it, and the answer is lost
    next day, 10:06  what is stored counts, not what was read: the usage is not given back
    """
    stage.policy(safety_margin=stage.mix.policy.grace * 0)
    stage.now_is("09:10")
    stage.use(5)
    stage.now_is("10:06")
    stage.seal()
    stage.now_is("21 09:09")
    stage.clocks_are_off_by(120)

    def another_process_sends_it() -> None:
        stage.clocks_are_off_by(0)
        stage.aws_will("answer lost")
        stage.submit()

    stage.after("expired", another_process_sends_it)
    stage.submit()
    stage.now_is("21 10:06")
    stage.submit()
    stage.seal()
    stage.submit()
    assert stage.billed() == {"20 09:00": "5"}
    stage.end()


def a_crash_after_usage_was_given_up(stage: Stage) -> None:
    """
    10:06  AWS knows no such dimension; the process dies as soon as that is stored
    10:20  the next run tells people: the alarm was stored together with the refusal
    """
    stage.now_is("09:10")
    stage.use(5, meter=WRONG)
    stage.now_is("10:06")
    stage.seal()
    stage.when_stored("change", crash, calls=2)  # the intent, then the answer
    stage.submit()
    assert stage.entry("09:00", WRONG).state == "parked"
    assert not stage.pager.heard
    stage.look()
    stage.now_is("10:20")
    stage.submit()
    assert [kind for kind, *_rest in stage.pager.heard] == ["parked"]
    stage.end()


def a_crash_while_people_are_told(stage: Stage) -> None:
    """
    10:06  AWS knows no such dimension; the process dies when it tells people
    10:20  they are told by the next run, perhaps twice, but not never
    """
    stage.now_is("09:10")
    stage.use(5, meter=WRONG)
    stage.now_is("10:06")
    stage.seal()
    stage.when_at("before a call to the pager", crash)
    stage.submit()
    assert not stage.pager.heard
    stage.now_is("10:20")
    stage.submit()
    assert [kind for kind, *_rest in stage.pager.heard] == ["parked"]
    stage.end()
