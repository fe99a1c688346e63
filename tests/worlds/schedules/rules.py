"""AWS's rules and the seller's: tags, licences, and what is late."""

from __future__ import annotations

from tests.worlds.stage import LICENSED, LICENSED_ELSEWHERE, Stage, crash


def more_sets_of_tags_than_aws_takes(stage: Stage) -> None:
    """
    10:06  09:00 has usage of five teams, and AWS takes three sets of tags for a window (2,500)
           it is sealed whole: the two teams with the most usage keep their tags, and people are
           told of the others
    11:06  so it is with 10:00: nothing waits for a place among the tags of later hours
    """
    stage.policy(tag_sets_max=3)
    for hour in ("09", "10"):
        for team in range(5):
            stage.now_is(f"{hour}:{10 + team}")
            stage.use(1 + team, tags={"team": f"t{team}"})
        stage.now_is(f"{int(hour) + 1}:06")
        stage.seal()
        stage.submit()
    assert stage.billed() == {"20 09:00": "15", "20 10:00": "15"}
    assert stage.entry("10:00").allocations == (
        ((), 6_000_000),
        ((("team", "t3"),), 4_000_000),
        ((("team", "t4"),), 5_000_000),
    )
    assert stage.alarms() == ["billed without tags"] * 2
    stage.end()


def more_keys_of_tags_than_aws_takes(stage: Stage) -> None:
    """
    10:06  the tags of 09:00 have six different keys, and AWS takes five
           all of it is billed in its own hour, and people are told which quantity lost its tags
    """
    for number in range(6):
        stage.now_is(f"09:{10 + number}")
        stage.use(1 + number, tags={f"key{number}": "x"})
    stage.now_is("10:06")
    stage.seal()
    stage.submit()
    assert stage.billed() == {"20 09:00": "21"}
    assert stage.alarms() == ["billed without tags"]
    stage.end()


def a_licence_under_two_product_codes(stage: Stage) -> None:
    """
    09:10  5 of a licence are used, under the product code prod-a
    10:06  sealed and billed
    10:10  5 of the same licence, under prod-b: AWS counts a licence, and is told no product code
    11:06  they are refused, and people are told both product codes
    """
    stage.now_is("09:10")
    stage.use(5, meter=LICENSED)
    stage.use(5, "09:20", LICENSED_ELSEWHERE)
    for hour in ("10:06", "11:06"):
        stage.now_is(hour)
        stage.seal()
        stage.submit()
        stage.use(5, meter=LICENSED_ELSEWHERE)
    assert stage.billed(LICENSED) == {"20 09:00": "5"}
    assert stage.billed(LICENSED_ELSEWHERE) == {}
    assert [row.meter.product for row in stage.listed()] == ["prod-b", "prod-b"]
    assert all("prod-a" in (row.failure or "") for row in stage.listed())
    assert stage.alarms() == ["refused input"] * 2
    stage.end()
    assert len(stage.listed()) == 3


def two_jobs_that_seal_one_licence(stage: Stage) -> None:
    """
    09:10  5 of a licence are used, under the product code prod-b
    10:06  seal: reads 5; before it stores its plan, 5 under prod-a are recorded, and another job
           seals them, and dies before it comes to those of prod-b
           the first plan is refused: the licence is metered under prod-a, and prod-b is listed
    """
    stage.now_is("09:10")
    stage.use(5, meter=LICENSED_ELSEWHERE)
    stage.now_is("10:06")

    def another_job() -> None:
        stage.use(5, "09:10", LICENSED)
        stage.after("append", crash)
        stage.seal()

    stage.before("append", another_job)
    stage.seal()
    stage.submit()
    assert stage.billed(LICENSED) | stage.billed(LICENSED_ELSEWHERE) == {"20 09:00": "5"}
    assert len(stage.listed()) == 1
    assert stage.alarms() == ["refused input"]
    stage.end()


def a_licence_that_is_given_to_another_product_code(stage: Stage) -> None:
    """
    10:06  5 of a licence of 09:00 are billed under the product code prod-a, which was wrong
    10:10  7 under prod-b, of 09:00 and 10:00: refused at 11:06
    11:10  an operator gives the licence to prod-b, and retries: it fills the hours from 13:00 on
    11:20  2 are still used under prod-a: refused
    14:06  the 7 of prod-b are billed in 13:00; no hour of the licence is in both books
    """
    stage.now_is("09:10")
    stage.use(5, meter=LICENSED)
    stage.now_is("10:06")
    stage.seal()
    stage.submit()
    stage.use(3, "09:30", LICENSED_ELSEWHERE)
    stage.use(4, "10:05", LICENSED_ELSEWHERE)
    stage.now_is("11:06")
    stage.seal()
    stage.now_is("11:10")
    stage.give_the_licence("prod-b")
    stage.now_is("11:20")
    stage.use(2, meter=LICENSED)
    for hour in ("12:06", "13:06", "14:06"):
        stage.now_is(hour)
        stage.seal()
        stage.submit()
    assert stage.billed(LICENSED) == {"20 09:00": "5"}
    assert stage.billed(LICENSED_ELSEWHERE) == {"20 13:00": "7"}
    assert [row.micros for row in stage.listed()] == [2_000_000]
    assert stage.alarms() == ["refused input"] * 3
    stage.end()


def a_licence_that_is_given_away_while_a_job_plans(stage: Stage) -> None:
    """
    09:06  the licence belongs to prod-a
    10:06  seal: reads 5 of 09:00 under prod-a; before it stores its plan, an operator gives the
           licence to prod-b, and 5 of 09:00 are used under prod-b
           the plan is stored: 09:00 is prod-a's, and prod-b's usage goes into a later hour
    """
    stage.now_is("08:10")
    stage.use(1, meter=LICENSED)
    stage.now_is("09:06")
    stage.seal()
    stage.submit()
    stage.now_is("09:10")
    stage.use(5, meter=LICENSED)
    stage.now_is("10:06")

    def an_operator() -> None:
        stage.give_the_licence("prod-b")
        stage.use(5, "09:20", LICENSED_ELSEWHERE)

    stage.before("append", an_operator)
    for hour in ("10:06", "11:06", "12:06", "13:06"):
        stage.now_is(hour)
        stage.seal()
        stage.submit()
    assert stage.billed(LICENSED) == {"20 08:00": "1", "20 09:00": "5"}
    assert stage.billed(LICENSED_ELSEWHERE) == {"20 12:00": "5"}
    stage.end()


def a_licence_that_is_given_away_while_a_clock_is_ahead(stage: Stage) -> None:
    """
    09:06  the licence belongs to prod-a, which has billed 1 of 08:00
    10:06  an operator gives it to prod-b, from 12:00 on; meanwhile a job whose clock is five hours
           ahead carries 5 of 08:00 into 14:00, under prod-a: prod-b's hours begin at 15:00
    15:06  7 of prod-b, of 14:00, wait for 15:00; no hour of the licence is in both books
    """
    stage.now_is("08:10")
    stage.use(1, meter=LICENSED)
    stage.now_is("09:06")
    stage.seal()
    stage.submit()
    stage.now_is("10:06")
    stage.use(5, "08:20", LICENSED)

    def a_job_ahead() -> None:
        stage.clocks_are_off_by(5 * 3_600)
        stage.seal()
        stage.clocks_are_off_by(0)

    stage.before("set_license_owner", a_job_ahead)
    given = stage.give_the_licence("prod-b")
    assert str(given.now.since) == "2026-11-20T15:00Z"
    stage.now_is("14:10")
    stage.use(7, meter=LICENSED_ELSEWHERE)
    for hour in ("15:06", "16:06"):
        stage.now_is(hour)
        stage.seal()
        stage.submit()
    assert stage.billed(LICENSED) == {"20 08:00": "1", "20 14:00": "5"}
    assert stage.billed(LICENSED_ELSEWHERE) == {"20 15:00": "7"}
    stage.end()
