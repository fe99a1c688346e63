"""More than a page, an item or a transaction takes."""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from marketplace_metering.adapters.dynamodb.items.member_list import MemberColumns
from marketplace_metering.core.hours import NS_PER_MS, UsageHour
from marketplace_metering.core.identity import Meter
from marketplace_metering.core.ledger import AlarmKind, State
from marketplace_metering.core.outcome import Accepted
from marketplace_metering.core.plan import Book, Group, plan
from marketplace_metering.core.policy import LateUsage, Scope
from marketplace_metering.core.quantity import Quantity
from marketplace_metering.core.record import UsageRecord
from tests.dynamodb.world import TwoTables
from tests.support import steps
from tests.support.build import BUYER, DIMENSION, METER, PRODUCT, quantity, tags, usage
from tests.support.clock import utc

START_MS = int(utc("09:00").timestamp() * 1_000)


def put_many(world: TwoTables, count: int, meters: int = 1) -> None:
    """Plain usage records, twenty-five a request."""
    items: list[dict[str, Any]] = [
        {
            "PutRequest": {
                "Item": {
                    "customerAWSAccountId": {"S": f"{n % meters:012d}"},
                    "productCode": {"S": PRODUCT},
                    "create_timestamp": {"N": str(START_MS + n * 3_599_000 // count)},
                    "dimension": {"S": DIMENSION},
                    "quantity": {"N": str(1 + n % 3)},
                    "metering_pending": {"S": "true"},
                }
            }
        }
        for n in range(count)
    ]
    for start in range(0, count, 25):
        world.raw.batch_write_item(RequestItems={world.names.records: items[start : start + 25]})


def test_nine_thousand_usage_records_over_several_pages(world: TwoTables) -> None:
    """An index page holds about 8,700 of them; a pipeline that reads one page loses the rest."""
    count = 9_200
    put_many(world, count, meters=20)
    amount = sum(1 + n % 3 for n in range(count))
    report = world.seal()
    assert (report.records, report.entries, report.quantity) == (count, 20, quantity(amount))
    pages = [
        call
        for call in world.client.log
        if call.operation == "query" and "LastEvaluatedKey" in (call.answer or {})
    ]
    assert pages, "it was more than one page"
    submitted = world.submit()
    assert submitted.written_back == count
    billed = world.balance().billed
    assert (billed.quantity, billed.records) == (quantity(amount), count)
    assert steps.pending_quantity(world.store, world.clock.now()) == quantity(0)


def test_an_entry_of_two_hundred_thousand_usage_records(world: TwoTables) -> None:
    """Its members stand beside it: each change of the entry stays small."""
    count = 200_000
    ns = array("q", ((START_MS + n * 17) * NS_PER_MS for n in range(count)))
    micros = array("q", ((1 + n * 7919 % 1000) * 1_000 for n in range(count)))
    group = Group(
        METER,
        UsageHour.of(utc("09:00")),
        (),
        Quantity(sum(micros)),
        count,
        min(ns),
        MemberColumns(ns, micros),
    )
    now = world.clock.now()
    made = plan(Book(METER.book_key, 0), [group], now, world.policy, Scope.CLOSED_HOURS)
    assert list(world.store.append([made], now)) == [True]
    [entry] = world.store.due(now, world.policy, ())
    assert entry.record_count == count
    there = [ns[0] // NS_PER_MS, ns[count // 2] // NS_PER_MS, ns[-1] // NS_PER_MS]
    sealed = [micros[0], micros[count // 2], micros[-1]]
    for ms, said in zip(there, sealed, strict=True):
        world.put(ms, Decimal(said).scaleb(-6))
    world.put(there[1] + 1, 1)
    assert steps.pending_quantity(world.store, now) == quantity(1), "only what is no member"
    world.client.log.clear()
    steps.attempt(world.store, entry.key, Accepted("id-1"), now)
    for call in world.client.log:
        assert len(str(call.parameters)) < 5_000
    stored = world.raw.scan(TableName=world.names.ledger)["Items"]
    assert all(len(str(item)) < 1_500_000 for item in stored)


def tagged_usage() -> Iterator[UsageRecord]:
    for number in range(1_000):
        label = dict.fromkeys("abcd", f"{number:06d}{'x' * 150}")
        yield usage("09:10", number + 1, tagged=tags(**label))


def test_an_entry_with_more_tags_than_an_item_holds(world: TwoTables) -> None:
    """Its allocations alone are larger than 400 KB before they are compressed."""
    now = world.clock.now()
    steps.record(world.store, now, *tagged_usage())
    entries = steps.seal(world.store, now)
    assert max(len(entry.allocations) for entry in entries) > 700
    other = world.new_store()
    for entry in entries:
        assert steps.stored(other, entry.key, now) == entry
    world.submit()
    assert {entry.state for entry in world.entries()} == {State.BILLED}
    assert world.balance().billed.records == 1_000


def test_a_plan_larger_than_a_transaction(world: TwoTables) -> None:
    """Every hour of a day by four licences: each step is whole in itself."""
    world.at("2026-11-20 23:30")
    now = world.clock.now()
    meters = [
        Meter(PRODUCT, BUYER, DIMENSION, f"arn:aws:license-manager::1:license:l-{n}")
        for n in range(4)
    ]
    steps.record(
        world.store,
        now,
        *(usage(f"{hour:02d}:10", 1, meter=meter) for hour in range(23) for meter in meters),
    )
    entries = steps.seal(world.store, now)
    assert len(entries) == 92
    assert len({entry.window for entry in world.entries()}) == 92
    assert steps.groups(world.store, now) == []


def test_ten_thousand_sets_of_tags_that_are_rejected(world: TwoTables) -> None:
    """Their book is stored, and every other one beside it."""
    world.policy = replace(world.policy, late=LateUsage.REJECT)
    other = Meter(PRODUCT, "999988887777", DIMENSION)
    steps.record(world.store, world.clock.now(), usage("09:10", 5))
    world.run()
    now = world.clock.now()
    late = [
        usage(f"09:{10 + n // 300}:{n % 300 // 5:02d}.{n % 5}", 1, tagged=tags(n=str(n)))
        for n in range(10_000)
    ]
    steps.record(world.store, now, *late, usage("09:30", 7, meter=other))
    report = world.seal()
    assert (report.entries, report.rejected_records, report.unstorable) == (1, 10_000, [])
    [alarm] = [each for each in world.alarms() if each.kind is AlarmKind.LATE_REJECTED]
    assert alarm.quantity == quantity(10_000)


@pytest.mark.parametrize("hours", [30, 24 * 40])
def test_usage_older_than_the_head_remembers(world: TwoTables, hours: int) -> None:
    """It was sealed long ago, and shows up as pending again: the entries themselves are asked."""
    key = world.put("09:10", 5)
    world.run()
    marked = world.item(key)
    world.clock.advance(hours=hours)
    at = int((world.clock.now().timestamp() - 5_400) * 1_000)
    world.put(at, 7)  # the book's head drops what is old
    world.run()
    world.retry(key)
    world.edit(key, metering_entry=None, metering_response=None)
    world.run()
    assert world.item(key) == marked
    assert sorted(world.billed_quantities()) == ["5", "7"]
