"""Sending: what goes into a request, when, and what an attempt leaves behind."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from marketplace_metering.core.policy import InvalidSettingError, Policy
from marketplace_metering.simulator.faults import Lost, Shuffled, Throttle
from tests.worlds.stage import LICENSED, STORAGE, WRONG, Stage, crash

DAY_S = 24 * 3_600


def _nine_is_sealed(stage: Stage, amount: int = 5) -> None:
    stage.now_is("09:10")
    stage.use(amount)
    stage.now_is("10:06")
    stage.seal()


def the_stamp_of_a_resend(stage: Stage) -> None:
    """
    10:06  09:00 is sent, AWS accepts it, the answer is lost
    10:10  it is sent again with the stamp of the first time: AWS knows it
           (under the reading that a duplicate has the same time stamp, not only the same hour)
    """
    stage.reads(same_time="timestamp")
    _nine_is_sealed(stage)
    stage.aws_will("answer lost")
    stage.submit()
    stage.now_is("10:10")
    stage.submit()
    assert stage.billed() == {"20 09:00": "5"}
    stage.end()


def the_quantity_of_a_resend(stage: Stage) -> None:
    """
    10:06  09:00 is sent with 5, and nobody knows whether AWS accepted it
    10:08  2 more of 09:40 are recorded
    10:10  09:00 is sent again, with 5
    11:06  the 2 are billed in 10:00
    """
    _nine_is_sealed(stage)
    stage.aws_will("request lost")
    stage.submit()
    stage.now_is("10:08")
    stage.use(2, "09:40")
    stage.now_is("10:10")
    stage.submit()
    stage.now_is("11:06")
    stage.seal()
    stage.submit()
    assert stage.billed() == {"20 09:00": "5", "20 10:00": "2"}
    stage.end()


def a_process_that_dies_after_the_call(stage: Stage) -> None:
    """
    10:06  09:00 is sent and accepted; the process dies before it stores the answer
           AWS is not reached until the deadline
    next day, 10:06: the attempt is on record, so the usage is not given back
    """
    _nine_is_sealed(stage)
    stage.when_answered(crash)
    stage.submit()
    stage.always = ["unreachable"]
    stage.now_is("21 10:06")
    stage.submit()
    stage.seal()
    stage.always = []
    stage.submit()
    assert stage.billed() == {"20 09:00": "5"}
    assert stage.entry("09:00").state == "unresolved"
    stage.end()


def time_runs_out_between_reading_and_sending(stage: Stage) -> None:
    """
    next day, 08:55  09:00 is due; before its attempt is stored, the process stands still for
                     a quarter of an hour: the deadline is over and AWS would refuse it
    09:40  its usage is billed in another hour
    """
    _nine_is_sealed(stage)
    stage.now_is("21 08:55")
    stage.after("due", lambda: stage.pass_s(900))
    stage.submit()
    assert stage.entry("09:00").begun == 0
    stage.now_is("21 09:40")
    stage.submit()
    stage.seal()
    stage.submit()
    assert list(stage.billed().values()) == ["5"]
    stage.end()


def a_clock_that_is_slow(stage: Stage) -> None:
    """
    next day, 09:12  the clock of the machine says 09:08, and 09:10 is the deadline of 09:00
           within five minutes of the deadline nothing is sent: AWS would refuse it for good
    """
    _nine_is_sealed(stage)
    stage.clocks_are_off_by(-4 * 60)
    stage.now_is("21 09:12")
    stage.submit()
    assert stage.entry("09:00").begun == 0
    stage.now_is("21 09:40")
    stage.submit()
    stage.seal()
    stage.submit()
    assert list(stage.billed().values()) == ["5"]
    stage.end()


def a_clock_that_is_days_ahead(stage: Stage) -> None:
    """
    10:06  the clock of the machine says the 22nd: the 5 of 09:10 are late, and carried into a
           window of that day. AWS refuses its time stamp; the date of its answer shows why
           the clock says the 24th: the window's deadline has passed, its usage is pending again
           the clock is set, and the usage is billed
    """
    stage.sends_through_boto3(Shuffled())
    stage.now_is("09:10")
    stage.use(5)
    stage.now_is("10:06")
    stage.clocks_are_off_by(2 * DAY_S)
    stage.seal()
    stage.submit()
    stage.clocks_are_off_by(4 * DAY_S)
    stage.submit()
    stage.clocks_are_off_by(0)
    stage.seal()
    stage.submit()
    assert stage.billed() == {"20 09:00": "5"}
    assert not stage.listed()
    stage.end()


def two_months_in_one_request(stage: Stage) -> None:
    """
    01 06:02  the clock of the machine is eight minutes slow: November seems to be open
              December is sent in a request of its own, which November does not take with it
    """
    stage.now_is("30 23:10")
    stage.use(5)
    stage.now_is("12-01 00:10")
    stage.use(3)
    stage.now_is("12-01 01:20")
    stage.seal()
    stage.clocks_are_off_by(-8 * 60)
    stage.now_is("12-01 06:02")
    stage.submit()
    december = stage.entry("12-01 00:00")
    assert (december.state, december.refused) == ("billed", 0)
    stage.end()


def two_identities_in_one_request(stage: Stage) -> None:
    """
    10:06  usage by product code and usage by licence are due: a request for each
    """
    stage.now_is("09:10")
    stage.use(5, meter=STORAGE)
    stage.use(4, meter=LICENSED)
    stage.now_is("10:06")
    stage.seal()
    stage.submit()
    assert stage.billed(STORAGE) == {"20 09:00": "5"}
    assert stage.billed(LICENSED) == {"20 09:00": "4"}
    assert stage.aws.requests == 2
    stage.end()


def a_poison_record_among_others(stage: Stage) -> None:
    """
    10:06  of two records in a request AWS does not know the dimension of one: it refuses both
           the request is halved, until the poison stands alone; the other one is billed
    """
    stage.now_is("09:10")
    stage.use(5)
    stage.use(7, meter=WRONG)
    stage.now_is("10:06")
    stage.seal()
    stage.submit()
    assert stage.billed() == {"20 09:00": "5"}
    assert stage.entry("09:00", WRONG).state == "parked"
    stage.end()


def a_parked_record_travels_alone(stage: Stage) -> None:
    """
    10:06  a poison record is parked
    11:06  it is tried again, and a new record is due as well: the new one is never refused
    """
    stage.now_is("09:10")
    stage.use(7, meter=WRONG)
    stage.now_is("10:06")
    stage.seal()
    stage.submit()
    stage.use(5, "10:05")
    stage.now_is("11:07")
    stage.seal()
    stage.submit()
    good = stage.entry("10:00")
    assert (good.state, good.refused) == ("billed", 0)
    assert stage.entry("09:00", WRONG).begun == 2
    stage.end()


def a_parked_record_waits(stage: Stage) -> None:
    """
    10:06  a poison record is parked: it is tried every hour, not at every run
    """
    stage.now_is("09:10")
    stage.use(7, meter=WRONG)
    stage.now_is("10:06")
    stage.seal()
    for minute in range(7, 50, 7):
        stage.now_is(f"10:{minute:02d}")
        stage.submit()
    assert stage.entry("09:00", WRONG).begun == 1
    stage.end()


def a_client_that_retries_by_itself(stage: Stage) -> None:
    """
    10:06  09:00 is sent through boto3 and accepted, and the answer is lost. Were boto3 to try
           again by itself and be throttled, the last thing it says is "not processed"
    next day  nobody knows whether 09:00 is billed: its usage is not billed again
    """
    _nine_is_sealed(stage)
    stage.sends_through_boto3(Lost(after_acceptance=True), Throttle(), Throttle())
    stage.submit()
    stage.sends_through_boto3()
    stage.always = ["unreachable"]
    stage.now_is("21 10:06")
    stage.submit()
    stage.seal()
    stage.always = []
    stage.submit()
    assert stage.billed() == {"20 09:00": "5"}
    stage.end()


def two_processes_send_the_same(stage: Stage) -> None:
    """
    10:06  09:00 is sent by one process, and by another before the first one has its answer
           both attempts count; AWS bills once, whoever hears of it first
    """
    stage.reads(identical_retry="duplicate")
    _nine_is_sealed(stage)

    def another() -> None:
        stage.pass_s(400)
        stage.submit()

    stage.when_answered(another)
    stage.submit()
    entry = stage.entry("09:00")
    assert (entry.state, entry.begun) == ("billed", 2)
    assert stage.auditor.marks["presumed → billed"] == 1
    assert stage.billed() == {"20 09:00": "5"}
    stage.end()


def the_shortest_window_that_there_may_be(stage: Stage) -> None:
    """
    09:00  usage is recorded, and the settings say that AWS takes usage for a short time only: the
           shortest that they accept
    10:04  09:00 is over, but not its grace: the run of this hour comes a minute too early
    11:04  the next run: 09:00 is billed as it was recorded, in time
    """
    stage.policy(window_length=_shortest_window(stage.mix.policy))
    stage.now_is("09:00")
    stage.use(5)
    for hour in ("10", "11", "12"):
        stage.now_is(f"{hour}:04")
        stage.seal()
        stage.submit()
    assert stage.billed() == {"20 09:00": "5"}
    stage.end()


def _shortest_window(policy: Policy) -> timedelta:
    for minutes in range(60, 24 * 60, 5):
        length = timedelta(minutes=minutes)
        try:
            replace(policy, window_length=length)
        except InvalidSettingError:
            continue
        return length
    raise AssertionError("a day is long enough for all settings")
