"""AWS's rules and the seller's: tags, licences, and what is late."""

from __future__ import annotations

from tests.worlds.stage import Stage


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
