"""AWS's answers: what is billed, what certainly is not, and what nobody knows."""

from __future__ import annotations

from marketplace_metering.proof.worlds.broken_calls import NEVER_SENT
from tests.worlds.stage import METER, WRONG, Stage


def _nine_is_sealed(stage: Stage) -> None:
    stage.now_is("09:10")
    stage.use(5)
    stage.now_is("10:06")
    stage.seal()


def _the_deadline_passes_unreached(stage: Stage) -> None:
    """AWS is not reached any more, until the window has expired and its usage was planned."""
    stage.always = ["unreachable"]
    stage.now_is("21 10:06")
    stage.submit()
    stage.seal()
    stage.always = []
    stage.submit()


def an_answer_that_is_lost(stage: Stage) -> None:
    """
    10:06  09:00 is sent and accepted, the answer is lost; then AWS is not reached
    next day  nobody knows whether it is billed: it is unresolved, and its usage is not billed again
    """
    _nine_is_sealed(stage)
    stage.aws_will("answer lost")
    stage.submit()
    _the_deadline_passes_unreached(stage)
    assert stage.billed() == {"20 09:00": "5"}
    assert stage.entry("09:00").state == "unresolved"
    stage.end()


def a_server_error(stage: Stage) -> None:
    """
    10:06  09:00 is sent, AWS answers 500, and has accepted it; then AWS is not reached
    next day  a 500 says nothing: the window is unresolved
    """
    _nine_is_sealed(stage)
    stage.aws_will("error after the work")
    stage.submit()
    _the_deadline_passes_unreached(stage)
    assert stage.billed() == {"20 09:00": "5"}
    assert stage.entry("09:00").state == "unresolved"
    stage.end()


def a_result_that_is_missing(stage: Stage) -> None:
    """
    10:06  AWS accepts 09:00, and its answer does not mention it; then AWS is not reached
    next day  the window is unresolved
    """
    _nine_is_sealed(stage)
    stage.aws_will("results missing")
    stage.submit()
    assert stage.entry("09:00").state == "sealed"
    _the_deadline_passes_unreached(stage)
    assert stage.entry("09:00").state == "unresolved"
    stage.end()


def a_status_that_nobody_knows(stage: Stage) -> None:
    """
    10:06  AWS accepts 09:00, and answers a status that no document names
    next day  the window is unresolved
    """
    _nine_is_sealed(stage)
    stage.aws_will("unknown status")
    stage.submit()
    assert stage.entry("09:00").state == "sealed"
    _the_deadline_passes_unreached(stage)
    assert stage.entry("09:00").state == "unresolved"
    stage.end()


def a_200_that_is_not_billed(stage: Stage) -> None:
    """
    10:06  AWS answers 200: the buyer is not subscribed
    11:07  he is again, and is billed
    """
    _nine_is_sealed(stage)
    stage.aws_will("suspended")
    stage.submit()
    stage.look()
    assert stage.entry("09:00").state == "parked"
    stage.now_is("11:07")
    stage.submit()
    assert stage.billed() == {"20 09:00": "5"}
    stage.end()


def a_record_that_was_not_processed(stage: Stage) -> None:
    """
    10:06  AWS answers 200 and lists 09:00 in UnprocessedRecords
    10:20  it is sent again, and billed
    """
    _nine_is_sealed(stage)
    stage.aws_will("records unprocessed")
    stage.submit()
    stage.look()
    assert stage.entry("09:00").state == "sealed"
    stage.now_is("10:20")
    stage.submit()
    assert stage.billed() == {"20 09:00": "5"}
    stage.end()


def usage_that_aws_certainly_has_not(stage: Stage) -> None:
    """
    10:06  AWS lists 09:00 in UnprocessedRecords; then it is not reached until the deadline
    next day  it is certain that nothing was billed: the usage is billed in another hour
    """
    _nine_is_sealed(stage)
    stage.aws_will("records unprocessed")
    stage.submit()
    _the_deadline_passes_unreached(stage)
    assert stage.entry("09:00").state == "released"
    assert list(stage.billed().values()) == ["5"]
    stage.end()


def a_duplicate_of_our_own(stage: Stage) -> None:
    """
    10:06  09:00 is sent and accepted, the answer is lost
    10:20  it is sent again, and AWS answers DuplicateRecord: it is presumed to be billed
    """
    stage.reads(identical_retry="duplicate")
    _nine_is_sealed(stage)
    stage.aws_will("answer lost")
    stage.submit()
    stage.now_is("10:20")
    stage.submit()
    assert stage.entry("09:00").state == "presumed"
    stage.end()


def a_duplicate_of_what_we_never_sent(stage: Stage) -> None:
    """
    10:00  another program of the seller meters 09:00
    10:06  AWS answers DuplicateRecord to our first attempt: unresolved, and somebody is told
    """
    stage.now_is("09:10")
    stage.use(5)
    stage.now_is("10:06")
    stage.aws.meter_elsewhere(METER, stage.now_us // 3_600_000_000 - 1)
    stage.seal()
    stage.submit()
    assert stage.entry("09:00").state == "unresolved"
    assert "unresolved" in stage.alarms()
    stage.end()


def two_duplicates_of_what_we_never_sent(stage: Stage) -> None:
    """
    10:00  another program of the seller has metered 09:00
    10:06  09:00 is sent, and the process stands still before it stores the answer
           another process sends it again, and AWS has a record: it seems to be the first one
    10:07  the first process goes on: its answer was DuplicateRecord as well, so none of the two
           was accepted: unresolved, and somebody is told
    """
    _nine_is_sealed(stage)
    stage.aws.meter_elsewhere(METER, stage.now_us // 3_600_000_000 - 1)

    def another_process_sends_it() -> None:
        stage.submit()
        assert stage.entry("09:00").state == "presumed"

    stage.when_answered(another_process_sends_it)
    stage.submit()
    assert stage.entry("09:00").state == "unresolved"
    assert stage.alarms() == ["unresolved"]
    stage.end()


def a_success_that_comes_late(stage: Stage) -> None:
    """
    10:06  09:00 is sent and accepted; the process stands still before it stores the answer
    next day  another process finds the deadline passed and an answer outstanding: unresolved
    next day, 11:00  the first process goes on: AWS said Success, the window is billed
    """
    _nine_is_sealed(stage)

    def a_day_passes() -> None:
        stage.now_is("21 10:06")
        stage.submit()
        assert stage.entry("09:00").state == "unresolved"
        stage.now_is("21 11:00")

    stage.when_answered(a_day_passes)
    stage.submit()
    assert stage.entry("09:00").state == "billed"
    stage.end()


def a_refusal_that_comes_late(stage: Stage) -> None:
    """
    10:06  09:00 is sent, AWS is throttling; the process stands still before it stores the answer
    next day  the window is unresolved, for an answer is outstanding; six hours later the operator
              finds nothing of it in CloudTrail: its usage is free, and is billed
    next day, 18:00  the first process goes on, and what it was told changes nothing
    """
    _nine_is_sealed(stage)
    stage.aws_will("throttled")

    def the_operator_finds_out() -> None:
        stage.now_is("21 16:06")
        stage.submit()
        assert stage.entry("09:00").state == "unresolved"
        stage.resolve(billed=False)
        stage.submit()  # writes what was given back onto the usage records
        stage.seal()
        stage.submit()
        stage.now_is("21 18:00")

    stage.when_answered(the_operator_finds_out)
    stage.submit()
    assert list(stage.billed().values()) == ["5"]
    stage.end()


def a_refusal_that_ends_a_doubt(stage: Stage) -> None:
    """
    10:06  09:00 is sent, AWS is throttling; the process stands still before it stores the answer
    next day, 10:06  the window is unresolved, for an answer is outstanding
    next day, 11:00  the first process goes on: AWS has none of it, and the usage is billed late
    """
    _nine_is_sealed(stage)
    stage.aws_will("throttled")

    def the_deadline_passes() -> None:
        stage.now_is("21 10:06")
        stage.submit()
        assert stage.entry("09:00").state == "unresolved"
        stage.now_is("21 11:00")

    stage.when_answered(the_deadline_passes)
    stage.submit()
    assert stage.entry("09:00").state == "released"
    stage.seal()
    stage.submit()
    assert list(stage.billed().values()) == ["5"]
    stage.end()


def a_refusal_that_ends_a_presumption(stage: Stage) -> None:
    """
    10:00  another program of the seller has metered 09:00
    10:06  09:00 is sent, AWS is throttling; the process stands still before it stores the answer
           another process sends it again, and AWS has a record: it seems to be the first one
    10:07  the first process goes on: AWS refused it, so AWS holds what we never sent
    """
    _nine_is_sealed(stage)
    stage.aws.meter_elsewhere(METER, stage.now_us // 3_600_000_000 - 1)
    stage.aws_will("throttled")

    def another_process_sends_it() -> None:
        stage.submit()
        assert stage.entry("09:00").state == "presumed"

    stage.when_answered(another_process_sends_it)
    stage.submit()
    assert stage.entry("09:00").state == "unresolved"
    assert stage.alarms() == ["unresolved"]
    stage.end()


def usage_that_aws_refused(stage: Stage) -> None:
    """
    10:06  AWS knows no such dimension: parked, and somebody is told
    next day  its usage is listed with AWS's words, and is not sent for ever
    """
    stage.now_is("09:10")
    stage.use(5, meter=WRONG)
    stage.now_is("10:06")
    stage.seal()
    stage.submit()
    assert stage.alarms() == ["parked"]
    stage.now_is("21 10:06")
    stage.submit()
    [row] = stage.listed()
    assert row.failure is not None
    assert "InvalidUsageDimensionException" in row.failure
    assert stage.alarms() == ["parked", "released"]
    stage.end()


def a_proxy_that_is_dead_and_its_kin(stage: Stage) -> None:
    """
    10:06  09:00 cannot be sent: the proxy is dead, asks for a password, has no way to AWS; the
           handshake is cut; a name is not found. Until the deadline it gets no better
    next day  it is certain that nothing was sent: the usage is billed in another hour
    """
    _nine_is_sealed(stage)
    for hour, way in enumerate(NEVER_SENT, 10):
        stage.now_is(f"{hour}:10")
        stage.always = ["unreachable", way]
        stage.submit()
    stage.look()
    assert stage.entry("09:00").begun == stage.entry("09:00").refused >= len(NEVER_SENT)
    _the_deadline_passes_unreached(stage)
    assert stage.entry("09:00").state == "released"
    stage.end()


def a_proxy_that_hangs_up(stage: Stage) -> None:
    """
    10:06  a proxy passes 09:00 on and hangs up: AWS has accepted it
           botocore says "failed to connect to proxy", as it does when nothing was sent
    next day  nobody knows whether it is billed: it is unresolved, and its usage is not billed again
    """
    _nine_is_sealed(stage)
    stage.scripted.append(["answer lost", "proxy hangs up after passing on"])
    stage.submit()
    _the_deadline_passes_unreached(stage)
    assert stage.billed() == {"20 09:00": "5"}
    assert stage.entry("09:00").state == "unresolved"
    stage.end()


def a_proxy_that_dies_after_it_hung_up(stage: Stage) -> None:
    """
    10:06  a connection is closed after AWS has accepted 09:00
    10:20  the proxy is dead: that attempt was refused, the earlier one was not
    next day  the window is unresolved
    """
    _nine_is_sealed(stage)
    stage.scripted.append(["answer lost", "connection closed"])
    stage.submit()
    stage.always = ["unreachable", "proxy dead"]
    stage.now_is("10:20")
    stage.submit()
    _the_deadline_passes_unreached(stage)
    assert stage.billed() == {"20 09:00": "5"}
    assert stage.entry("09:00").state == "unresolved"
    stage.end()
