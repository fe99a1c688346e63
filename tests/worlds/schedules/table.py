"""The guide's table as applications and people use it themselves: PutItem, retry, repair in place.

These are about the store on AWS; the embedded one has no such table.
"""

from __future__ import annotations

from marketplace_metering.jobs.correct import Repaired
from marketplace_metering.proof.worlds.snapshot import UsageRow
from tests.worlds.stage import METER, OTHER_BUYER, STORAGE, WRONG, Stage


def _put_and_bill(stage: Stage) -> None:
    stage.now_is("09:10")
    stage.put(5)
    _hour(stage, "10:06")


def _hour(stage: Stage, when: str) -> None:
    stage.now_is(when)
    stage.seal()
    stage.submit()


def _row(stage: Stage) -> UsageRow:
    """The usage record of 09:10 as it stands in the table."""
    return stage.books.usage[-1]


def a_put_over_pending_usage(stage: Stage) -> None:
    """
    09:10  the application puts 5, and 7 in the same millisecond: DynamoDB keeps the later one
    10:06  7 is billed; nobody can know of the 5
    """
    stage.now_is("09:10")
    stage.put(5)
    stage.put(7, used_at="09:10")
    _hour(stage, "10:06")
    assert stage.billed() == {"20 09:00": "7"}
    stage.end()


def a_put_that_is_repeated_after_it_was_billed(stage: Stage) -> None:
    """
    10:06  5 is billed
    10:30  the application puts the very same again, pending: its mark is written again
    11:06  nothing is billed twice
    """
    _put_and_bill(stage)
    stage.now_is("10:30")
    stage.put(5, used_at="09:10")
    _hour(stage, "11:06")
    assert stage.billed() == {"20 09:00": "5"}
    assert stage.listed() == []
    stage.end()


def a_put_over_what_was_billed(stage: Stage) -> None:
    """
    10:06  5 is billed
    10:30  the application puts 7 in the same millisecond
    11:06  what was sent never changes: the 7 are listed, with the reason, and people are told
    """
    _put_and_bill(stage)
    stage.now_is("10:30")
    stage.put(7, used_at="09:10")
    _hour(stage, "11:06")
    assert stage.billed() == {"20 09:00": "5"}
    assert [row.micros for row in stage.listed()] == [7_000_000]
    assert "was changed after it was sealed" in str(stage.listed()[0].failure)
    assert stage.alarms() == ["refused input"]
    stage.end()


def a_put_over_usage_that_waits_for_its_mark(stage: Stage) -> None:
    """
    10:06  5 is billed; before its mark is written, the application puts 7 in its place
           the mark is for what was sealed, not for what stands there now: 7 stay pending
    11:06  they are listed
    """
    stage.now_is("09:10")
    stage.put(5)
    stage.now_is("10:06")
    stage.seal()
    stage.before("write_back", lambda: stage.put(7, used_at="09:10"))
    stage.submit()
    assert (_row(stage).micros, _row(stage).failure) == (7_000_000, None)
    _hour(stage, "11:06")
    assert [row.micros for row in stage.listed()] == [7_000_000]
    stage.end()


def a_put_over_another_meters_usage(stage: Stage) -> None:
    """
    10:06  5 requests are billed
    10:30  the application puts 7 of another dimension in the same millisecond: it is other usage
    11:06  both are billed
    """
    _put_and_bill(stage)
    stage.now_is("10:30")
    stage.put(7, used_at="09:10", meter=STORAGE)
    _hour(stage, "11:06")
    assert stage.billed() == {"20 09:00": "5"}
    assert stage.billed(STORAGE) == {"20 09:00": "7"}
    stage.end()


def a_put_while_a_job_plans(stage: Stage) -> None:
    """
    10:06  a job has read 5 as pending; before it stores its plan, the application puts 7 there
           5 are sealed and billed, as they were recorded when the job looked
    11:06  the 7 are listed: never both
    """
    stage.now_is("09:10")
    stage.put(5)
    stage.now_is("10:06")
    stage.after("pending", lambda: stage.put(7, used_at="09:10"))
    stage.seal()
    stage.submit()
    assert stage.billed() == {"20 09:00": "5"}
    _hour(stage, "11:06")
    assert [row.micros for row in stage.listed()] == [7_000_000]
    stage.end()


def a_put_that_is_repeated_after_a_repair(stage: Stage) -> None:
    """
    10:06  AWS knows no such dimension: parked
    10:20  the operator repairs it: 4 requests
    10:30  the application, which does not know, puts the old one again: it is there again
    11:06  the repaired one is billed, the old one is refused again, and visible
    """
    stage.now_is("09:10")
    stage.put(4, meter=WRONG)
    _hour(stage, "10:06")
    stage.now_is("10:20")
    assert stage.repair("09:10", WRONG) == Repaired()
    stage.seal()
    stage.submit()
    assert stage.billed() == {"20 09:00": "4"}
    stage.now_is("10:30")
    stage.put(4, used_at="09:10", meter=WRONG)
    _hour(stage, "11:06")
    assert stage.entry("09:00", WRONG).state == "parked"
    stage.end()
    assert stage.billed() == {"20 09:00": "4"}


def a_put_that_is_repeated_after_its_quantity_was_repaired(stage: Stage) -> None:
    """
    10:06  the buyer is not subscribed: parked
    10:20  the operator corrects 8 to 4; it is billed
    10:30  the application puts the 8 again: what was sent never changes, so it is listed
    """
    stage.now_is("09:10")
    stage.put(8)
    stage.now_is("10:06")
    stage.seal()
    stage.aws_will("suspended")
    stage.submit()
    stage.now_is("10:20")
    assert stage.repair("09:10") == Repaired()
    stage.seal()
    stage.submit()
    assert stage.billed() == {"20 09:00": "4"}
    stage.now_is("10:30")
    stage.put(8, used_at="09:10")
    _hour(stage, "11:06")
    assert [row.micros for row in stage.listed()] == [8_000_000]
    stage.end()
    assert stage.billed() == {"20 09:00": "4"}


def a_billed_record_that_is_set_pending(stage: Stage) -> None:
    """
    10:06  5 is billed
    10:30  somebody sets `metering_pending` back to "true", as the guide has it for failed ones
    11:06  the ledger is the truth: the mark is written again, nothing is billed twice
    """
    _put_and_bill(stage)
    stage.now_is("10:30")
    stage.set_pending(_row(stage))
    _hour(stage, "11:06")
    assert stage.billed() == {"20 09:00": "5"}
    stage.end()
    assert stage.listed() == []


def a_parked_record_that_is_set_pending(stage: Stage) -> None:
    """
    10:06  the buyer is not subscribed: parked, tried again in an hour
    10:20  he subscribes, and somebody sets `metering_pending` back
    10:21  it is due at once, and billed
    """
    stage.now_is("09:10")
    stage.put(5)
    stage.now_is("10:06")
    stage.seal()
    stage.aws_will("suspended")
    stage.submit()
    assert stage.entry("09:00").state == "parked"
    stage.now_is("10:20")
    stage.set_pending(_row(stage))
    _hour(stage, "10:21")
    assert stage.billed() == {"20 09:00": "5"}
    stage.end()


def a_record_that_is_repaired_in_place(stage: Stage) -> None:
    """
    10:06  AWS knows no such dimension: parked, failed
    10:20  somebody corrects the dimension in the table and sets it pending
    10:21  the window is given back, and the usage billed as what it is
    """
    stage.now_is("09:10")
    stage.put(5, meter=WRONG)
    _hour(stage, "10:06")
    assert [row.meter for row in stage.books.usage] == [WRONG]
    stage.now_is("10:20")
    stage.correct_in_place(_row(stage))
    _hour(stage, "10:21")
    assert stage.entry("09:00", WRONG).state == "released"
    assert stage.billed(METER) == {"20 09:00": "5"}
    stage.end()
    assert stage.listed() == []


def a_record_that_is_repaired_while_its_answer_is_lost(stage: Stage) -> None:
    """
    10:06  the buyer is not subscribed: parked
    11:07  it is sent again, AWS accepts it, and the answer is lost
    11:20  somebody puts 7 in its place: AWS may hold the 5, so the 7 are listed
    """
    stage.now_is("09:10")
    stage.put(5)
    stage.now_is("10:06")
    stage.seal()
    stage.aws_will("suspended", "answer lost")
    stage.submit()
    stage.now_is("11:07")
    stage.submit()
    stage.now_is("11:20")
    stage.put(7, used_at="09:10")
    _hour(stage, "12:10")
    assert stage.billed() == {"20 09:00": "5"}
    assert [row.micros for row in stage.listed()] == [7_000_000]
    stage.end()


def a_refusal_whose_write_is_repeated(stage: Stage) -> None:
    """
    10:06  09:00 is sent, and AWS asks to slow down. That is stored, and DynamoDB's answer is lost
           before the SDK repeats the write, another process sends 09:00: AWS accepts it, and the
           answer is lost
    next day  one of two attempts was refused, not both: the usage is not given back
    """
    stage.now_is("09:10")
    stage.use(5)
    stage.now_is("10:06")
    stage.seal()
    stage.aws_will("throttled", "answer lost")

    def another_process_sends_it() -> None:
        stage.pass_s(2)
        stage.submit()

    stage.when_written_twice(2, another_process_sends_it)  # the intent, then the answer
    stage.submit()
    stage.always = ["unreachable"]
    stage.now_is("21 10:06")
    stage.submit()
    stage.seal()
    assert (stage.entry("09:00").begun, stage.entry("09:00").refused) == (2, 1)
    assert stage.billed() == {"20 09:00": "5"}
    stage.end()


EVENT_AT = "09:10:07"


def an_event_that_is_put_as_well(stage: Stage) -> None:
    """
    09:11  an application puts the event e-1 of 5 into the table, and later in its second again
    09:12  another application records e-1, too
    10:06  it is billed once, and the two others are listed
    """
    stage.now_is("09:11")
    stage.put(5, EVENT_AT + ".100", event_id="e-1")
    stage.put(5, EVENT_AT + ".700", event_id="e-1")
    stage.now_is("09:12")
    stage.use(5, EVENT_AT, event_id="e-1")
    _hour(stage, "10:06")
    assert stage.billed() == {"20 09:00": "5"}
    assert len(stage.listed()) == 2
    stage.end()


def an_event_that_is_recorded_after_its_put_was_billed(stage: Stage) -> None:
    """
    10:06  e-1 was put, and is billed
    10:20  it is put again within its second, and another application records it
    11:06  the one is listed, the other is known: nothing is billed again
    """
    stage.now_is("09:11")
    stage.put(5, EVENT_AT + ".100", event_id="e-1")
    _hour(stage, "10:06")
    stage.now_is("10:20")
    stage.put(5, EVENT_AT + ".700", event_id="e-1")
    again = stage.made(5, EVENT_AT, event_id="e-1")
    again.good.clear()
    stage.write(again)
    _hour(stage, "11:06")
    assert stage.billed() == {"20 09:00": "5"}
    assert len(stage.listed()) == 1
    stage.end()


def a_release_while_another_job_seals(stage: Stage) -> None:
    """
    10:06  5 are sealed; AWS is out of reach for a day
    next day, 10:06  the window has expired; before that is stored, another job seals 2 more
           the release is decided again: the book's head knows of both
    10:07  the 5 are sealed again, and both are billed
    """
    stage.now_is("09:10")
    stage.put(5)
    stage.now_is("10:06")
    stage.seal()
    stage.now_is("21 09:50")
    stage.put(2)
    stage.now_is("21 10:06")
    client = stage.shop.client  # type: ignore[attr-defined]
    transact = client.transact_write_items

    def another_job_seals(**wanted: object) -> object:
        del client.transact_write_items
        stage.seal()
        return transact(**wanted)

    client.transact_write_items = another_job_seals
    stage.always = ["unreachable"]
    stage.submit()
    assert stage.entry("09:00").state == "released"
    stage.always = []
    stage.now_is("21 10:07")
    stage.seal()
    stage.submit()
    assert sorted(stage.billed().values()) == ["2", "5"]
    stage.end()


def an_event_that_was_moved_to_another_buyer(stage: Stage) -> None:
    """
    09:11  an application puts e-1 into the table, for the wrong buyer
    09:20  a person moves it to the right one, before any run has seen it
    10:06  it is billed to the right one
    10:20  the application retries its PutItem, and another one records e-1
    11:06  the one is listed, the other is known: the wrong buyer is billed nothing
    """
    stage.now_is("09:11")
    stage.put(5, EVENT_AT + ".100", event_id="e-1")
    stage.now_is("09:20")
    assert stage.move_to_buyer(EVENT_AT + ".100", OTHER_BUYER) == Repaired()
    _hour(stage, "10:06")
    _it_is_sent_again(stage)
    _hour(stage, "11:06")
    _only_the_right_buyer_is_billed(stage)
    stage.end()


def _it_is_sent_again(stage: Stage) -> None:
    stage.now_is("10:20")
    stage.put(5, EVENT_AT + ".100", event_id="e-1")
    again = stage.made(5, EVENT_AT, event_id="e-1")
    again.good.clear()
    stage.write(again)


def _only_the_right_buyer_is_billed(stage: Stage) -> None:
    assert stage.billed() == {}
    assert stage.billed(METER._replace(account=OTHER_BUYER)) == {"20 09:00": "5"}
    assert len(stage.listed()) == 1
