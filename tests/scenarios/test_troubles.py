"""Outages, lost answers and refusals: what may be billed is never guessed (rules 5 to 8, 10)."""

from marketplace_metering.simulator import Readings
from tests.scenarios.timetable import scenario


@scenario()
def test_an_outage_over_the_end_of_the_month():
    """
    AWS is down from the evening of the 30th until half past five: half an hour is left.

    30 Nov 19:50  record api-calls 1
    30 Nov 20:00  AWS is down
    30 Nov 20:50  record api-calls 2
    30 Nov 21:50  record api-calls 4
    30 Nov 22:10  seal                      19:00 seals 1; 20:00 seals 2; 21:00 seals 4
    30 Nov 22:11  submit                    nothing
    30 Nov 23:50  record api-calls 8
     1 Dec 00:50  record api-calls 16
     1 Dec 01:10  seal                      30 Nov 23:00 seals 8; 00:00 seals 16
     1 Dec 01:11  submit                    nothing
     1 Dec 05:30  AWS is well
     1 Dec 05:31  submit                    billed 31
     1 Dec 05:32  bill Nov                  api-calls 15
     1 Dec 05:32  bill Dec                  api-calls 16
     1 Dec 05:33  alarms                    none
    """


@scenario()
def test_an_outage_that_lasts_beyond_the_end_of_the_month():
    """
    What was tried without an answer may be billed, so it is not billed once more: a person looks.
    What was sealed during the outage and never tried is billed in December instead.

    30 Nov 22:50  record api-calls 1
    30 Nov 23:05  AWS is down
    30 Nov 23:10  seal                      22:00 seals 1
    30 Nov 23:11  submit                    nothing
    30 Nov 23:50  record api-calls 2
     1 Dec 00:10  seal                      30 Nov 23:00 seals 2
     1 Dec 07:00  AWS is well
     1 Dec 07:01  submit                    released 2, unresolved 1
     1 Dec 07:02  alarms                    unresolved 1, released 2
     1 Dec 07:03  seal                      05:00 seals 2, 2 of it used in 30 Nov 23:00
     1 Dec 07:04  submit                    billed 2
     1 Dec 07:05  books                     billed 2, unresolved 1
     1 Dec 09:00  Ann finds nothing in CloudTrail    released 1
     1 Dec 09:06  seal                      08:00 seals 1, 1 of it used in 30 Nov 22:00
     1 Dec 09:07  submit                    billed 1
    """


@scenario()
def test_a_buyer_whose_subscription_is_repaired_in_time():
    """
    08:00  list api-calls
    08:00  subscribe acme
    09:10  record api-calls 5 by acme
    09:10  record api-calls 7 by globex
    10:15  seal                      09:00 seals 5; 09:00 seals 7
    10:16  submit                    billed 5, parked 7
    10:17  alarms                    parked 7
    11:16  submit                    nothing
    12:00  subscribe globex
    12:16  submit                    billed 7
    12:17  alarms                    none
    12:17  books                     billed 12
    """


@scenario()
def test_a_buyer_whose_subscription_is_never_repaired():
    """
    20 Nov 08:00  list api-calls
    20 Nov 09:10  record api-calls 7 by globex
    20 Nov 10:15  seal                      09:00 seals 7
    20 Nov 10:16  submit                    parked 7
    20 Nov 18:16  submit                    nothing
    21 Nov 10:16  submit                    released 7
    21 Nov 10:17  alarms                    parked 7, released 7
    21 Nov 10:18  seal                      nothing
    21 Nov 10:19  books                     refused 7
    """


@scenario()
def test_a_poison_record_costs_only_itself():
    """
    One of 25 windows has a dimension that the listing has not: AWS refuses the whole request.

    08:00  list api-calls
    08:00  subscribe each of 24 buyers
    08:00  subscribe acme
    09:10  record api-calls 1 by each of 24 buyers
    09:20  record api-callz 9 by acme
    10:15  seal
    10:16  submit                    billed 24, parked 9
    10:17  alarms                    parked 9
    """


@scenario()
def test_a_lost_answer_is_resolved_by_sending_the_same_again():
    """
    09:10  record api-calls 5
    10:15  seal                      09:00 seals 5
    10:16  AWS bills, and its answer is lost
    10:17  submit                    billed 5
    10:18  bill Nov                  api-calls 5
    """


@scenario(readings=Readings(identical_retry="duplicate"))
def test_a_duplicate_of_an_own_lost_attempt_is_presumed_to_be_ours():
    """
    AWS may answer the same record once more with DuplicateRecord: it is ours, and billed once.

    09:10  record api-calls 5
    10:15  seal                      09:00 seals 5
    10:16  AWS bills, and its answer is lost
    10:17  submit                    presumed 5
    10:18  alarms                    none
    10:19  books                     presumed 5
    10:20  bill Nov                  api-calls 5
    """


@scenario()
def test_a_duplicate_of_what_we_never_sent_is_for_a_person():
    """
    09:10  record api-calls 5
    10:10  another program meters api-calls 3 09:00
    10:15  seal                      09:00 seals 5
    10:17  submit                    unresolved 5
    10:18  alarms                    unresolved 5
    10:20  bill Nov                  api-calls 3
    11:00  Ann finds nothing in CloudTrail    released 5
    11:01  books                     pending 5
    """


@scenario()
def test_an_error_500_is_no_refusal():
    """
    09:10  record api-calls 5
    10:15  seal                      09:00 seals 5
    10:16  AWS bills, and fails with a 500
    10:17  submit                    billed 5
    10:18  bill Nov                  api-calls 5
    """


@scenario()
def test_throttled_usage_is_not_failed_usage():
    """
    09:10  record api-calls 5
    10:15  seal                      09:00 seals 5
    10:16  AWS throttles
    10:17  submit                    nothing
    10:18  alarms                    none
    10:20  AWS is well
    10:21  submit                    billed 5
    """


@scenario()
def test_unprocessed_records_are_sent_again():
    """
    09:10  record api-calls 5
    10:15  seal                      09:00 seals 5
    10:16  AWS leaves all unprocessed
    10:17  submit                    nothing
    10:20  AWS is well
    10:21  submit                    billed 5
    """


@scenario()
def test_usage_throttled_until_its_deadline_is_planned_anew():
    """
    AWS certainly has none of it, so it is billed as late usage in a window that is still open.

    20 Nov 09:10  record api-calls 5
    20 Nov 10:15  seal                      09:00 seals 5
    20 Nov 10:16  AWS throttles
    20 Nov 10:17  submit                    nothing
    21 Nov 09:20  submit                    released 5
    21 Nov 09:21  alarms                    released 5
    21 Nov 09:22  AWS is well
    21 Nov 09:23  seal                      08:00 seals 5, 5 of it used in 20 Nov 09:00
    21 Nov 09:24  submit                    billed 5
    """


@scenario()
def test_refused_usage_can_be_written_off_by_name():
    """
    08:00  list api-calls
    09:10  record api-calls 7 by globex
    10:15  seal                      09:00 seals 7
    10:16  submit                    parked 7
    10:17  alarms                    parked 7
    12:00  Ann writes it off         written off 7
    12:01  submit                    nothing
    12:02  alarms                    written off 7
    12:03  books                     written off 7
    """


@scenario()
def test_what_a_person_finds_to_be_billed_is_settled():
    """
    20 Nov 09:10  record api-calls 5
    20 Nov 10:15  seal                      09:00 seals 5
    20 Nov 10:16  AWS is down
    20 Nov 10:17  submit                    nothing
    21 Nov 10:17  submit                    unresolved 5
    21 Nov 11:00  Ann finds it in CloudTrail    billed 5
    21 Nov 11:01  seal                      nothing
    """
