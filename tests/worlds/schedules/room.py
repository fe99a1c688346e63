"""Room: what a store cannot take costs only itself, and much of what is small takes little."""

from __future__ import annotations

from typing import Any, cast

from marketplace_metering.adapters.dynamodb.items import book_head
from marketplace_metering.core.identity import BookKey
from marketplace_metering.core.policy import LateUsage
from marketplace_metering.proof.fake_dynamodb import limits
from marketplace_metering.proof.worlds.timeline import us
from tests.worlds.stage import BUYER, METER, PRODUCT, STORAGE, Stage, utc

BOOK = BookKey(PRODUCT, BUYER, METER.dimension)


def _ledger_items(stage: Stage, key: str) -> int:
    client = cast("Any", stage.shop).client
    tables = client.tables.values()
    return sum(key in item.get("sk", {}).get("S", "") for each in tables for item in each.items())


def a_book_that_cannot_be_stored(stage: Stage) -> None:
    """
    09:10  record 5 requests and 7 GB
    10:06  the store has no room for the book of the requests: the GB are sealed and sent all the
           same, and people are told once on this day, with the book
    11:06  there is room again: the requests are billed
    """
    stage.now_is("09:10")
    stage.use(5)
    stage.use(7, "09:20", STORAGE)
    stage.there_is_no_room(BOOK)
    for when in ("10:06", "10:36"):
        stage.now_is(when)
        stage.seal()
        stage.submit()
        assert stage.billed(STORAGE) == {"20 09:00": "7"}
        assert stage.billed() == {}
        alarms = stage.pager.heard.elements()
        told = [micros for kind, *_where, micros in alarms if kind == "cannot be stored"]
        assert told == [5_000_000]
    stage.shop.fill(None)
    stage.now_is("11:06")
    stage.seal()
    stage.submit()
    assert stage.billed() == {"20 09:00": "5"}
    stage.end()


def usage_that_waited_for_room(stage: Stage) -> None:
    """
    09:20  5 are sealed in 09:00 on request; late usage is rejected
    09:40  record 2
    10:06  they wait for a window
    11:06  the store has no room for the book: this run has not seen everything
    12:06  there is room again: the 2 were on time, and are billed in 11:00
    """
    stage.policy(late=LateUsage.REJECT)
    stage.now_is("09:10")
    stage.use(5)
    stage.now_is("09:20")
    stage.everything()
    stage.submit()
    stage.now_is("09:40")
    stage.use(2)
    stage.now_is("10:06")
    stage.seal()
    stage.there_is_no_room(BOOK)
    stage.now_is("11:06")
    stage.seal()
    stage.shop.fill(None)
    stage.now_is("12:06")
    stage.seal()
    stage.submit()
    assert stage.billed() == {"20 09:00": "5", "20 11:00": "2"}
    assert stage.listed() == []
    stage.end()


def late_usage_with_very_many_sets_of_tags(stage: Stage) -> None:
    """
    10:06  09:00 is sealed
    10:20  usage with 300 sets of tags is recorded late; the setting is to reject it
           one item of the ledger lists all of it, and one alarm tells its sum
    """
    stage.policy(late=LateUsage.REJECT)
    stage.now_is("09:10")
    stage.use(5)
    stage.now_is("10:06")
    stage.seal()
    stage.submit()
    for number in range(300):
        stage.use(1, f"09:{20 + number // 20}:{number % 20:02d}", tags={"team": f"t{number}"})
    stage.seal()
    stage.submit()
    assert len(stage.listed()) == 300
    assert _ledger_items(stage, "#rejected#") == 1
    told = [alarm for alarm in stage.books.alarms if alarm.kind == "late usage rejected"]
    assert [alarm.micros for alarm in told] == [300_000_000]
    stage.end()


def a_head_that_would_grow_too_large(stage: Stage) -> None:
    """
    DynamoDB takes items of up to 4 KB, for the sake of this schedule
    10:06  09:00 is sealed; late usage is rejected
    10:07  one more of 09:xx is recorded late in each minute, 150 times, and a job runs each time
           all are listed: the head of the book forgets the oldest hours before it is too large
    12:40  late usage of 09:00 is rejected as before: what the head has forgotten is looked up
    """
    sizes = limits.ITEM_BYTES, book_head.BYTES_MAX, book_head.SURELY_SMALL
    limits.ITEM_BYTES, book_head.BYTES_MAX, book_head.SURELY_SMALL = 4_000, 1_000, 5
    try:
        stage.policy(late=LateUsage.REJECT)
        stage.now_is("09:10")
        stage.use(5)
        stage.now_is("10:06")
        stage.seal()
        stage.submit()
        for number in range(150):
            stage.now_is(f"{10 + (7 + number) // 60}:{(7 + number) % 60:02d}")
            stage.use(1, f"09:{10 + number // 60}:{number % 60:02d}", tags={"n": str(number)})
            stage.seal()
        stage.submit()
        stage.now_is("12:40")
        stage.use(2, "09:05")
        stage.seal()
        stage.submit()
        assert len(stage.listed()) == 151
        assert stage.billed() == {"20 09:00": "5"}
        assert "cannot be stored" not in {kind for kind, *_rest in stage.pager.heard}
        stage.end()
    finally:
        limits.ITEM_BYTES, book_head.BYTES_MAX, book_head.SURELY_SMALL = sizes


def a_line_too_large_for_a_statement(stage: Stage) -> None:
    """
    09:10  a file of three lines is recorded; the second one has 1,500 attributes of its own, and
           a statement takes 8,192 characters: all three are recorded
    """
    stage.now_is("09:10")
    many = "".join(f', "an attribute {number}": {number}' for number in range(1_500))
    lines = [
        f'{{"customerAWSAccountId": "{BUYER}", "productCode": "{PRODUCT}", '
        f'"create_timestamp": {us(utc(f"09:0{number}")) // 1_000}, '
        f'"dimension": "{METER.dimension}", "quantity": {number}, '
        f'"metering_pending": "true"{more}}}'
        for number, more in ((1, ""), (2, many), (3, ""))
    ]
    stage.file("usage.jsonl", "\n".join(lines), (1, 2, 3))
    stage.now_is("10:06")
    stage.seal()
    stage.submit()
    assert stage.billed() == {"20 09:00": "6"}
    stage.end()
