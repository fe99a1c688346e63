"""A ledger has one place and one policy: shells with other settings, moves to other regions."""

from __future__ import annotations

from marketplace_metering.core.charter import Charter, charter_in
from marketplace_metering.core.policy import LateUsage
from marketplace_metering.proof.worlds.shells import ELSEWHERE, HOME, OTHER_SELLER, shell
from tests.worlds.stage import Stage, crash


def _charter(stage: Stage) -> Charter:
    charter = charter_in(stage.opened().store.facts())
    assert charter is not None
    return charter


def _sealed_and_lost(stage: Stage) -> None:
    """
    09:10  usage of 5
    10:06  it is sealed and sent, and the answer is lost
    """
    stage.now_is("09:10")
    stage.use(5)
    stage.now_is("10:06")
    stage.seal()
    stage.aws_will("answer lost")
    stage.submit()
    stage.now_is("10:10")


def a_shell_with_another_region(stage: Stage) -> None:
    """
    10:06  the stack sends 5 to its region, and the answer is lost
    10:10  somebody sends what is due from a shell of another region: refused, nothing leaves
    10:11  the stack sends it again, and AWS knows it
    """
    _sealed_and_lost(stage)
    requests = stage.aws.requests
    stage.shell = shell(ELSEWHERE)
    stage.submit()
    assert stage.aws.requests == requests
    stage.now_is("10:11")
    stage.submit()
    assert stage.entry("09:00").state == "billed"
    assert stage.billed() == {"20 09:00": "5"}
    stage.end()


def a_shell_with_another_account(stage: Stage) -> None:
    """
    10:06  the stack sends 5 as its seller account, and the answer is lost
    10:10  somebody sends what is due with another account's credentials: refused, nothing leaves
    """
    _sealed_and_lost(stage)
    requests = stage.aws.requests
    stage.shell = shell(account=OTHER_SELLER)
    stage.submit()
    assert stage.aws.requests == requests
    stage.submit()
    assert stage.billed() == {"20 09:00": "5"}
    stage.end()


def an_account_that_is_learned(stage: Stage) -> None:
    """
    09:00  a run whose account STS did not say writes where the ledger is billed
    09:30  the first run that knows the account says it; from then on another one is refused
    """
    stage.now_is("09:00")
    stage.stack.account = None
    stage.seal()
    assert _charter(stage).account is None
    stage.shell = shell(account=OTHER_SELLER)
    stage.seal()
    assert _charter(stage).account == OTHER_SELLER


def _late_usage(stage: Stage) -> None:
    """
    10:06  the hour of 09:00 is billed, by a stack that holds late usage
    10:30  late usage of 2 is recorded
    """
    stage.policy(late=LateUsage.HOLD)
    stage.now_is("09:10")
    stage.use(5)
    stage.now_is("10:06")
    stage.seal()
    stage.submit()
    stage.now_is("10:30")
    stage.use(2, "09:20")
    stage.now_is("11:06")


def late_usage_that_the_ledger_holds(stage: Stage) -> None:
    """
    10:30  late usage is recorded; the ledger holds it for a person
    11:06  somebody runs metering from a shell that says nothing of late usage: it is held
    """
    _late_usage(stage)
    for run in (stage.seal, stage.submit):
        stage.shell = shell()
        run()
    assert stage.billed() == {"20 09:00": "5"}
    stage.end()


def a_shell_that_says_another_policy(stage: Stage) -> None:
    """
    10:30  late usage is recorded; the ledger holds it for a person
    11:06  a shell says that late usage is carried: refused, and the ledger says what it said
    """
    _late_usage(stage)
    for run in (stage.seal, stage.submit):
        stage.shell = shell(late=LateUsage.CARRY)
        run()
    assert stage.billed() == {"20 09:00": "5"}
    assert _charter(stage).late is LateUsage.HOLD
    stage.end()


def a_template_that_changes(stage: Stage) -> None:
    """
    10:30  late usage is recorded; the ledger holds it
    11:06  the stack is deployed with LateUsage=carry: its next run brings it to the ledger
    11:07  and a shell that says nothing of late usage bills it
    """
    _late_usage(stage)
    stage.policy(late=LateUsage.CARRY)
    stage.submit()
    for run in (stage.seal, stage.submit):
        stage.shell = shell()
        run()
    assert stage.billed() == {"20 09:00": "5", "20 10:00": "2"}
    stage.end()


def a_move_while_usage_is_unsettled(stage: Stage) -> None:
    """
    10:06  5 are sent, and the answer is lost
    10:10  somebody moves the ledger to another region: refused, the 5 may be billed where it is
    """
    _sealed_and_lost(stage)
    stage.move()
    assert _charter(stage).region == HOME
    stage.submit()
    assert stage.billed() == {"20 09:00": "5"}
    stage.move()
    assert _charter(stage).region == stage.stack.region == ELSEWHERE
    stage.end()


def a_move_under_a_run(stage: Stage) -> None:
    """
    10:06  a run begins, and finds nothing to send; before it looks again the ledger is moved,
           and 5 are sealed
           the run has them in its hands: they do not leave for the old region
    10:10  the stack bills them where the ledger is now
    """
    stage.now_is("09:10")
    stage.seal()
    stage.use(5)
    stage.now_is("10:06")

    def moved_and_sealed() -> None:
        stage.move()
        stage.seal()

    stage.before("due", moved_and_sealed)
    stage.aws_will("answer lost")
    stage.submit()
    stage.now_is("10:10")
    stage.submit()
    stage.submit()
    assert stage.billed() == {"20 09:00": "5"}
    assert {each.region for each in stage.auditor.accepted.values()} == {ELSEWHERE}
    stage.end()


def a_run_under_a_move(stage: Stage) -> None:
    """
    10:06  somebody moves the ledger: nothing is unsettled; before that is written, the stack
           wants to seal and send 5 to the old region: it is not admitted meanwhile
    10:10  the stack bills them where the ledger is now
    """
    stage.now_is("09:10")
    stage.seal()
    stage.use(5)
    stage.now_is("10:06")

    def sealed_and_sent() -> None:
        stage.aws_will("answer lost")
        stage.seal()
        stage.submit()

    stage.before("set_fact", lambda: None)
    stage.before("set_fact", sealed_and_sent)
    stage.move()
    assert _charter(stage).region == ELSEWHERE
    stage.now_is("10:10")
    for _again in range(2):
        stage.seal()
        stage.submit()
    assert stage.billed() == {"20 09:00": "5"}
    stage.end()


def a_move_that_breaks_off(stage: Stage) -> None:
    """
    10:06  somebody moves the ledger, and the command dies in the middle: nobody is admitted
    10:10  it is said again
    """
    stage.now_is("09:10")
    stage.seal()
    stage.use(5)
    stage.now_is("10:06")
    stage.before("set_fact", lambda: None)
    stage.before("set_fact", crash)
    stage.move()
    assert _charter(stage).changing is not None
    stage.seal()
    assert stage.books.entries == []
    stage.now_is("10:10")
    stage.move()
    stage.seal()
    stage.submit()
    assert stage.billed() == {"20 09:00": "5"}
    stage.end()
