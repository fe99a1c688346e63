"""A usage record that somebody changes in place while it is on its way to AWS.

The dimension here, the product in `tests/dynamodb/test_edited.py`: either is another book. What
becomes of it when: docs/guide.md, "Failed metering records".
"""

from __future__ import annotations

from marketplace_metering.jobs.restored import restored
from marketplace_metering.proof.worlds.fault_injection import AFTER_READING
from marketplace_metering.proof.worlds.snapshot import UsageRow
from marketplace_metering.proof.worlds.timeline import at
from tests.worlds.stage import METER, STORAGE, WRONG, Stage


def _put_and_seal(stage: Stage) -> None:
    stage.now_is("09:10")
    stage.put(5)
    stage.now_is("10:06")
    stage.seal()


def _standing(stage: Stage) -> UsageRow:
    """The usage record of 09:10 as it stands in the table."""
    return stage.books.usage[-1]


def _edit(
    stage: Stage, row: UsageRow | None = None, is_retried: bool = False, **other: str
) -> None:
    """Somebody makes the other dimension of it in the console, or something else."""
    row, table = row or _standing(stage), stage.shop.table
    dimension = METER.dimension if row.meter.dimension != METER.dimension else STORAGE.dimension
    meter = row.meter._replace(**(other or {"dimension": dimension}))
    clock = stage.processes[0].clock
    assert table is not None
    assert stage.person.edited(row, meter, lambda: table.edit(clock, row, meter, is_retried))


def _next_hour(stage: Stage, when: str = "11:06") -> None:
    stage.now_is(when)
    stage.seal()
    stage.submit()


def _is_listed(stage: Stage, micros: int = 5_000_000) -> bool:
    """Whether what stands there is listed, and people are told."""
    told = [alarm.text for alarm in stage.books.alarms if alarm.kind == "refused input"]
    return (
        [row.micros for row in stage.listed()] == [micros]
        and "was changed after it was sealed" in str(stage.listed()[0].failure)
        and len(told) == 1
    )


def an_edit_between_sealing_and_sending(stage: Stage) -> None:
    """
    10:06  5 requests are sealed; somebody makes storage of them in the table; they are sent
           the mark names the window that has them on what stands there now
    11:06  what was sent never changes: listed as storage, billed as requests, once
    """
    _put_and_seal(stage)
    _edit(stage)
    stage.submit()
    assert stage.billed() == {"20 09:00": "5"}
    _next_hour(stage)
    assert stage.billed(STORAGE) == {}
    assert _is_listed(stage)
    stage.end()
    assert stage.billed(STORAGE) == {}


def an_edit_while_it_is_sent(stage: Stage) -> None:
    """
    10:06  5 requests are sealed and sent; AWS has answered, and nobody knows it yet: edited
    11:06  listed
    """
    _put_and_seal(stage)
    stage.when_answered(lambda: _edit(stage))
    stage.submit()
    _next_hour(stage)
    assert (stage.billed(), stage.billed(STORAGE)) == ({"20 09:00": "5"}, {})
    assert _is_listed(stage)
    stage.end()


def an_edit_right_before_its_mark(stage: Stage) -> None:
    """
    10:06  5 requests are billed; before the mark says so, they are edited
    10:10  another job looks while the mark is still owed: listed
    """
    _put_and_seal(stage)

    def power_cut() -> None:
        _edit(stage)
        stage.now_is("10:10")
        stage.seal()
        assert _is_listed(stage)

    stage.before("write_back", power_cut)
    stage.submit()
    _next_hour(stage)
    assert (stage.billed(), stage.billed(STORAGE)) == ({"20 09:00": "5"}, {})
    assert _is_listed(stage)
    stage.end()


def an_edit_that_a_job_sees_before_it_is_sent(stage: Stage) -> None:
    """
    10:06  5 requests are sealed
    10:07  they are edited, and a second job runs before anything is sent: listed, with the way out
    10:08  the 5 requests are sent as they were sealed
    """
    _put_and_seal(stage)
    stage.now_is("10:07")
    _edit(stage)
    stage.seal()
    assert _is_listed(stage)
    stage.now_is("10:08")
    stage.submit()
    assert (stage.billed(), stage.billed(STORAGE)) == ({"20 09:00": "5"}, {})
    stage.end()
    assert stage.billed(STORAGE) == {}


def an_edit_that_is_retried_before_it_is_sent(stage: Stage) -> None:
    """
    10:06  5 requests are sealed, and AWS is out of reach
    10:30  edited; a job lists it, because it may be another use
    10:40  a person sets it pending again: it is what is meant. AWS has nothing of it
    10:41  the window is given back, and storage billed
    """
    _put_and_seal(stage)
    stage.always = ["unreachable"]
    stage.submit()
    stage.now_is("10:30")
    _edit(stage)
    stage.seal()
    assert _is_listed(stage)
    stage.now_is("10:40")
    stage.set_pending(_standing(stage))
    stage.always = []
    _next_hour(stage, "10:41")
    assert stage.entry("09:00").state == "released"
    assert (stage.billed(), stage.billed(STORAGE)) == ({}, {"20 09:00": "5"})
    stage.end()
    assert stage.listed() == []


def an_edit_whose_window_gets_no_answer(stage: Stage) -> None:
    """
    10:06  5 requests are sent, AWS accepts them, and the answer is lost
    10:30  edited, and set pending twice: AWS may have them, so they are listed each time
    11:06  the same record is sent again: AWS has it
    """
    _put_and_seal(stage)
    stage.aws_will("answer lost")
    stage.submit()
    for minute in (30, 40):
        stage.now_is(f"10:{minute}")
        _edit(stage, is_retried=True) if minute == 30 else stage.set_pending(_standing(stage))
        stage.seal()
        assert [row.micros for row in stage.listed()] == [5_000_000]
    _next_hour(stage)
    assert (stage.billed(), stage.billed(STORAGE)) == ({"20 09:00": "5"}, {})
    stage.end()


def an_edit_before_the_mark_of_a_refusal(stage: Stage) -> None:
    """
    10:06  AWS knows no such dimension: parked. It is corrected before its mark is written
    11:06  it is listed, because it may be another use
    11:10  a person sets it pending again
    11:11  the window is given back, and the usage billed as what it is
    """
    stage.now_is("09:10")
    stage.put(5, meter=WRONG)
    stage.now_is("10:06")
    stage.seal()
    right = _standing(stage)
    stage.before("write_back", lambda: _edit(stage, right))
    stage.submit()
    _next_hour(stage)
    assert stage.entry("09:00", WRONG).state == "parked"
    assert _is_listed(stage)
    stage.now_is("11:10")
    stage.set_pending(_standing(stage))
    _next_hour(stage, "11:11")
    assert stage.entry("09:00", WRONG).state == "released"
    assert stage.billed(METER) == {"20 09:00": "5"}
    stage.end()
    assert stage.listed() == []


def an_edit_after_it_was_billed(stage: Stage) -> None:
    """
    10:06  5 requests are billed and marked
    10:30  edited and set pending: the mark is still on it
    11:06  listed
    """
    _put_and_seal(stage)
    stage.submit()
    stage.now_is("10:30")
    _edit(stage, is_retried=True)
    _next_hour(stage)
    assert (stage.billed(), stage.billed(STORAGE)) == ({"20 09:00": "5"}, {})
    assert _is_listed(stage)
    stage.end()


def an_edit_there_and_back(stage: Stage) -> None:
    """
    10:06  5 requests are sealed, edited, and sent; then somebody thinks better of it
    11:06  it is what was billed: its mark is written, and nothing is listed
    """
    _put_and_seal(stage)
    _edit(stage)
    stage.submit()
    stage.now_is("10:30")
    _edit(stage)
    _next_hour(stage)
    assert (stage.billed(), stage.billed(STORAGE)) == ({"20 09:00": "5"}, {})
    assert stage.listed() == []
    stage.end()


def an_edit_of_what_was_given_back(stage: Stage) -> None:
    """
    10:06  5 storage are sealed, AWS is out of reach until the deadline: given back, and pending
    11:10  next day: requests are made of them, and sealed as such
    11:11  before they are sent, storage is made of them again, which a job sees
           the window of requests has them, whatever an older one of storage had
    """
    stage.now_is("09:10")
    stage.put(5, meter=STORAGE)
    stage.now_is("10:06")
    stage.seal()
    stage.always = ["unreachable"]
    stage.submit()
    stage.now_is("21 10:06")
    stage.submit()
    assert stage.entry("09:00", STORAGE).state == "released"
    stage.now_is("21 11:10")
    _edit(stage)
    stage.seal()
    stage.now_is("21 11:11")
    _edit(stage)
    stage.seal()
    stage.always = []
    stage.submit()
    _next_hour(stage, "21 12:06")
    assert (len(stage.billed()), stage.billed(STORAGE)) == (1, {})
    assert _is_listed(stage)
    stage.end()


def a_put_of_another_meter_before_anything_is_sent(stage: Stage) -> None:
    """
    10:06  5 requests are sealed
    10:07  the application puts 7 storage in the same millisecond, and a second job runs
           it may be another use: the window keeps the 5, and the 7 are listed
    """
    _put_and_seal(stage)
    stage.now_is("10:07")
    stage.put(7, used_at="09:10", meter=STORAGE)
    stage.seal()
    assert stage.entry("09:00").state == "sealed"
    stage.submit()
    _next_hour(stage)
    assert (stage.billed(), stage.billed(STORAGE)) == ({"20 09:00": "5"}, {})
    assert _is_listed(stage, 7_000_000)
    stage.end()


def a_put_of_another_meter_while_others_wait_for_their_marks(stage: Stage) -> None:
    """
    10:06  5 requests are billed and marked
    10:30  7 storage are put in the same millisecond: other usage, as there is no mark on it
    10:31  while a job reads what is pending, the next window is sealed and its marks are owed
    11:06  both are billed
    """
    _put_and_seal(stage)
    stage.submit()
    stage.now_is("10:30")
    stage.put(7, used_at="09:10", meter=STORAGE)
    stage.put(2, used_at="09:20")
    stage.seal()
    _next_hour(stage)
    assert stage.billed(STORAGE) == {"20 09:00": "7"}
    assert sorted(stage.billed().values()) == ["2", "5"]
    stage.end()


def _send_while_a_job_reads(stage: Stage) -> None:
    """A job has read the pending index when all that is due is sent and marked; then it goes on."""
    client = stage.shop.client  # type: ignore[attr-defined]
    query = client.query

    def and_then_it_is_sent(**wanted: object) -> object:
        answer = query(**wanted)
        if any(item.get("metering_pending") for item in answer["Items"]):
            del client.query
            stage.submit()
        return answer

    client.query = and_then_it_is_sent
    stage.seal()
    assert "query" not in vars(client)


def an_edit_while_a_job_reads(stage: Stage) -> None:
    """
    10:07  5 requests are sealed and edited. A job has read the pending index; before it looks into
           the buyer's books, the window is sent, and all of its marks are written
           the books say who has it all the same: listed, not billed as storage
    """
    _put_and_seal(stage)
    stage.now_is("10:07")
    _edit(stage)
    _send_while_a_job_reads(stage)
    assert (stage.billed(), stage.billed(STORAGE)) == ({"20 09:00": "5"}, {})
    _next_hour(stage)
    assert (stage.billed(), stage.billed(STORAGE)) == ({"20 09:00": "5"}, {})
    assert _is_listed(stage)
    stage.end()


def an_edit_whose_mark_the_index_does_not_show(stage: Stage) -> None:
    """
    10:06  5 storage are billed and marked
    10:10  5 requests are put in their place: other usage; 10:20 they are sealed
    10:21  they are edited to a third meter. A job has read that; before it looks into the buyer's
           books, the requests are billed, and their name is put on what stands there
           the job does not take it for other usage, put over the storage: it decides nothing
    11:06  listed
    """
    stage.now_is("09:10")
    stage.put(5, meter=STORAGE)
    stage.now_is("10:06")
    stage.seal()
    stage.submit()
    stage.now_is("10:10")
    stage.put(5, used_at="09:10")
    stage.now_is("10:20")
    stage.seal()
    stage.now_is("10:21")
    _edit(stage, dimension=WRONG.dimension)
    _send_while_a_job_reads(stage)
    _next_hour(stage)
    assert (stage.billed(), stage.billed(STORAGE)) == ({"20 09:00": "5"}, {"20 09:00": "5"})
    assert _is_listed(stage)
    stage.end()


def usage_put_over_what_the_copy_has_billed(stage: Stage) -> None:
    """
    10:06  5 and 3 storage are billed and marked
    10:10  5 requests are put in the place of the 5: other usage; requests are made of the 3 in the
           table, which keep their mark
    10:12  both tables are copied; 11:06  the 5 requests are billed
    next day, 11:00  the copies are restored, and a person says so: the 5 requests are unresolved
    """
    stage.now_is("09:20")
    stage.put(5, used_at="09:10", meter=STORAGE)
    stage.put(3, used_at="09:15", meter=STORAGE)
    stage.now_is("10:06")
    stage.seal()
    stage.submit()
    stage.now_is("10:10")
    stage.put(5, used_at="09:10")
    _edit(stage, next(row for row in stage.books.usage if row.micros == 3_000_000), is_retried=True)
    stage.now_is("10:12")
    stage.back_up()
    _next_hour(stage)
    assert (stage.billed(), stage.billed(STORAGE)) == ({"20 09:00": "5"}, {"20 09:00": "8"})
    stage.now_is("21 11:00")
    stage.restore()
    stage.say_restored()
    _next_hour(stage, "21 11:06")
    assert (stage.billed(), stage.billed(STORAGE)) == ({"20 09:00": "5"}, {"20 09:00": "8"})
    assert stage.entry("09:00").state == "unresolved"
    stage.resolve(billed=True)
    stage.end()


def a_person_says_twice_of_when_the_ledger_is(stage: Stage) -> None:
    """
    10:06  5 requests are sealed; 10:07  the ledger is copied
    10:10  8 requests are put in their place: the window is given back, and they are billed in it
    next day, 11:00  the ledger alone is restored: its window with the 5 is unresolved, and so are
           the 8, in another window, for they name an entry that the ledger has lost
           a person says so once more, to be sure: nothing else is held
    """
    _put_and_seal(stage)
    stage.now_is("10:07")
    stage.back_up()
    stage.now_is("10:10")
    stage.put(8, used_at="09:10")
    stage.now_is("10:20")
    stage.seal()
    stage.seal()
    stage.submit()
    assert stage.billed() == {"20 09:00": "8"}
    stage.now_is("21 11:00")
    stage.restore("ledger")
    stage.say_restored()
    assert stage.copy is not None
    clock, copied_at = stage.processes[0].clock, at(stage.copy[2])
    again = restored(stage.opened(), clock, stage.mix.policy, copied_at, even_if_level=True)
    assert again.windows.total() == 0
    _next_hour(stage, "21 12:06")
    assert stage.billed() == {"20 09:00": "8"}
    stage.resolve(billed=True)
    stage.end()


def a_window_is_sealed_while_a_job_reads(stage: Stage) -> None:
    """
    10:07  a job has begun to read; another one seals 5 requests; they are edited
           the first one reads them as pending storage, and finds them in the other book: listed
    """
    stage.now_is("09:10")
    stage.put(5)
    stage.now_is("10:06")

    def another_job_seals_and_it_is_edited() -> None:
        stage.seal()
        _edit(stage)

    stage.when_at(AFTER_READING, lambda: None)
    stage.when_at(AFTER_READING, another_job_seals_and_it_is_edited)
    stage.seal()
    stage.submit()
    _next_hour(stage)
    assert (stage.billed(), stage.billed(STORAGE)) == ({"20 09:00": "5"}, {})
    assert _is_listed(stage)
    stage.end()


def an_edit_between_two_jobs(stage: Stage) -> None:
    """
    08:10  1 request and 1 storage: the buyer has both books
    10:06  a job has read 5 requests as pending; before it stores its plan, storage is made of them,
           and another job seals them as that
           the first plan is refused, although nothing changed in its own book
    """
    stage.now_is("08:10")
    stage.put(1)
    stage.put(1, used_at="08:11", meter=STORAGE)
    stage.now_is("09:06")
    stage.seal()
    stage.submit()
    stage.now_is("09:10")
    stage.put(5)
    stage.now_is("10:06")

    def another_job() -> None:
        _edit(stage)
        stage.seal()

    stage.before("append", another_job)
    stage.seal()
    stage.submit()
    _next_hour(stage)
    assert stage.billed() == {"20 08:00": "1"}
    assert stage.billed(STORAGE) == {"20 08:00": "1", "20 09:00": "5"}
    stage.end()
    assert stage.listed() == []


def an_edit_after_a_late_answer(stage: Stage) -> None:
    """
    10:06  the buyer is not subscribed: 5 requests are parked and marked
    10:30  7 storage are put in their place: other usage, for there is no mark on it
    11:07  AWS takes the 5; their second mark finds the 7 and leaves them alone: both are billed
    """
    stage.now_is("09:10")
    stage.put(5)
    stage.now_is("10:06")
    stage.seal()
    stage.aws_will("suspended")
    stage.submit()
    stage.now_is("10:30")
    stage.put(7, used_at="09:10", meter=STORAGE)
    stage.now_is("11:07")
    stage.submit()
    assert stage.billed() == {"20 09:00": "5"}
    _next_hour(stage, "11:08")
    assert stage.billed(STORAGE) == {"20 09:00": "7"}
    stage.end()
    assert stage.listed() == []


def an_edit_of_what_was_put_over_usage_of_a_third_meter(stage: Stage) -> None:
    """
    10:06  the buyer is not subscribed: 5 storage are parked and marked
    10:10  the application puts them once more, and requests are made of that: other usage
    10:20  parked and marked as requests
    10:30  edited a second time: it is the window of requests that is given back
    """
    stage.now_is("09:10")
    stage.put(5, meter=STORAGE)
    stage.now_is("10:06")
    stage.seal()
    stage.aws_will("suspended")
    stage.submit()
    stage.now_is("10:10")
    stage.put(5, used_at="09:10", meter=STORAGE)
    _edit(stage)
    stage.now_is("10:20")
    stage.seal()
    stage.aws_will("suspended")
    stage.submit()
    stage.now_is("10:30")
    _edit(stage, is_retried=True, dimension=WRONG.dimension)
    stage.now_is("11:06")
    stage.seal()
    assert stage.entry("09:00", METER).state == "released"
    assert stage.entry("09:00", STORAGE).state == "parked"


def an_edit_of_what_was_put_over_usage_of_its_new_meter(stage: Stage) -> None:
    """
    10:06  5 requests are sent, and no answer comes; 10:07 the buyer is suspended: parked and marked
    10:10  5 storage are put in their place: other usage; 10:20 parked and marked as well
    10:30  requests are made of that: it is the window of storage that is given back
    """
    _put_and_seal(stage)
    stage.aws_will("request lost")
    stage.submit()
    stage.now_is("10:07")
    stage.aws_will("suspended")
    stage.submit()
    stage.now_is("10:10")
    stage.put(5, used_at="09:10", meter=STORAGE)
    stage.now_is("10:20")
    stage.seal()
    stage.aws_will("suspended")
    stage.submit()
    stage.now_is("10:30")
    _edit(stage, is_retried=True)
    stage.now_is("11:06")
    stage.seal()
    assert stage.entry("09:00", STORAGE).state == "released"
    stage.end()


def an_edit_there_and_back_under_a_mark_that_halts(stage: Stage) -> None:
    """
    10:06  the buyer is not subscribed: 5 requests are parked and marked
    10:30  storage is made of them: a job gives the window back, is about to mark that, and halts
           another job seals the storage, and it is billed; requests are made of it once more
           the first job goes on
    11:06  it is the storage that was billed still: listed, and not billed as requests
    """
    _put_and_seal(stage)
    stage.aws_will("suspended")
    stage.submit()
    stage.now_is("10:30")
    _edit(stage, is_retried=True)
    client = stage.shop.client  # type: ignore[attr-defined]
    execute = client.batch_execute_statement

    def halts(**wanted: object) -> object:
        del client.batch_execute_statement
        stage.seal()
        stage.submit()
        assert stage.billed(STORAGE) == {"20 09:00": "5"}
        _edit(stage, is_retried=True)
        return execute(**wanted)

    client.batch_execute_statement = halts
    stage.seal()
    assert "batch_execute_statement" not in vars(client)
    _next_hour(stage)
    assert (stage.billed(), stage.billed(STORAGE)) == ({}, {"20 09:00": "5"})
    stage.end()
