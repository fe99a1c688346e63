"""Late usage is carried, never dropped in silence (money rules 3 and 4)."""

from marketplace_metering.core.policy import LateUsage, Policy
from tests.scenarios.timetable import scenario


@scenario()
def test_an_ordinary_hour():
    """
    09:10  record api-calls 5
    09:40  record api-calls 2
    09:59  seal                      nothing
    10:05  seal                      09:00 seals 7
    10:06  submit                    billed 7
    10:07  seal                      nothing
    10:08  submit                    nothing
    10:09  books                     billed 7
    10:09  bill Nov                  api-calls 7
    10:09  alarms                    none
    """


@scenario()
def test_late_usage_is_carried_to_the_next_open_hour():
    """
    09:10  record api-calls 5
    10:15  seal                      09:00 seals 5
    10:20  record api-calls 2 used at 09:50
    10:25  seal                      nothing
    10:26  books                     sealed 5, pending 2
    11:15  seal                      10:00 seals 2, 2 of it used in 09:00
    11:16  submit                    billed 7
    """


@scenario()
def test_late_usage_joins_the_usage_of_the_hour():
    """
    09:10  record api-calls 5
    10:15  seal                      09:00 seals 5
    10:20  record api-calls 2 used at 09:50
    10:40  record api-calls 4
    11:15  seal                      10:00 seals 6, 2 of it used in 09:00
    11:16  submit                    billed 11
    """


@scenario()
def test_usage_that_arrives_two_days_late_is_billed():
    """
    20 Nov 09:10  record api-calls 5
    20 Nov 10:15  seal                      09:00 seals 5
    20 Nov 10:16  submit                    billed 5
    22 Nov 15:10  record api-calls 2 used at 20 Nov 09:50
    22 Nov 15:15  seal                      14:00 seals 2, 2 of it used in 20 Nov 09:00
    22 Nov 15:16  submit                    billed 2
    22 Nov 15:17  bill Nov                  api-calls 7
    """


@scenario()
def test_usage_that_arrives_in_the_night_of_the_first_stays_in_november():
    """
    At 03:00 windows of November are still accepted, and 22:00 and 23:00 are free: the newest takes
    it. At 07:00 November is closed: the rest is billed in December, and people are told.

    30 Nov 21:10  record api-calls 5
    30 Nov 22:15  seal                      21:00 seals 5
    30 Nov 22:16  submit                    billed 5
     1 Dec 03:00  record api-calls 2 used at 30 Nov 21:50
     1 Dec 03:01  seal                      30 Nov 23:00 seals 2, 2 of it used in 30 Nov 21:00
     1 Dec 03:02  submit                    billed 2
     1 Dec 03:03  alarms                    none
     1 Dec 07:10  record api-calls 4 used at 30 Nov 21:55
     1 Dec 07:11  seal                      06:00 seals 4, 4 of it used in 30 Nov 21:00
     1 Dec 07:12  submit                    billed 4
     1 Dec 07:13  alarms                    carried into another month 4
     1 Dec 07:14  bill Nov                  api-calls 7
     1 Dec 07:14  bill Dec                  api-calls 4
    """


@scenario(Policy(late=LateUsage.REJECT))
def test_a_seller_may_reject_late_usage():
    """
    09:10  record api-calls 5
    10:15  seal                      09:00 seals 5
    10:20  record api-calls 2 used at 09:50
    11:15  seal                      nothing
    11:16  submit                    billed 5
    11:17  alarms                    late usage rejected 2
    11:18  books                     billed 5, refused 2
    """


@scenario(Policy(late=LateUsage.HOLD))
def test_a_seller_may_hold_late_usage():
    """
    09:10  record api-calls 5
    10:15  seal                      09:00 seals 5
    10:20  record api-calls 2 used at 09:50
    11:15  seal                      nothing
    11:17  books                     sealed 5, pending 2
    """


@scenario()
def test_usage_above_what_one_window_takes_is_spread():
    """
    AWS takes at most 9999999999.999999 in one hour.

    09:10  record api-calls 9999999999.999999
    09:20  record api-calls 5
    11:15  seal         09:00 seals 9999999999.999999; 10:00 seals 5, 5 of it used in 09:00
    11:16  submit       billed 10000000004.999999
    """


@scenario()
def test_the_current_hour_is_metered_on_request_and_its_rest_is_carried():
    """
    09:10  record api-calls 5
    09:20  seal everything           09:00 seals 5
    09:21  submit                    billed 5
    09:40  record api-calls 2
    10:15  seal                      nothing
    11:15  seal                      10:00 seals 2, 2 of it used in 09:00
    11:16  submit                    billed 2
    """


@scenario()
def test_a_buyer_who_moves_to_a_licence_is_never_metered_under_both_identities_in_an_hour():
    """
    09:10  record api-calls 5
    09:40  record api-calls 2 with licence
    10:15  seal                      09:00 seals 5
    11:15  seal                      10:00 seals 2, 2 of it used in 09:00
    11:16  submit                    billed 7
    """
