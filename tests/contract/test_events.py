"""An event counts once, whichever way it comes in, and however often (money rule 15).

The ways: a recorder's flush; the batch file of a recorder that was killed, given to
`metering record`; a file of the application's own; a single usage record with an id.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from itertools import count, permutations, product
from typing import Any

import pytest

from marketplace_metering.core.hours import NS_PER_HOUR, NS_PER_S
from marketplace_metering.core.quantity import Quantity
from marketplace_metering.core.record import Problem, UsageRecord
from marketplace_metering.core.views import RecordView
from marketplace_metering.files.json_lines import Piece, read_json
from marketplace_metering.jobs.record import record
from marketplace_metering.ports import OpenStore
from marketplace_metering.recorder.segments import RunningSum, Segment, TaggedMeter
from marketplace_metering.recorder.spool.batch_file import text_of
from tests.contract.conftest import Fresh
from tests.support.build import BUYER, LICENSE, tags, usage
from tests.support.clock import Clock, utc

NOW = utc("12:00")
OTHER_BUYER = "999988887777"
EVENT = usage("09:10:07.250", 5, event_id="order-4711")
_names = (f"w-{number:06d}" for number in count(1))


@dataclass
class Delivered:
    """What the ways made of an event."""

    added: int = 0
    already_there: int = 0
    problems: tuple[Problem, ...] = ()


Way = Callable[[Fresh, OpenStore, UsageRecord], Delivered]


def flushed(fresh: Fresh, _opened: OpenStore, event: UsageRecord) -> Delivered:
    """A recorder counts it and delivers, again and again until the store has taken it."""
    return put(fresh, frozen(event))


def put(fresh: Fresh, left: Sequence[UsageRecord]) -> Delivered:
    sink = fresh.sink()
    found = Delivered()
    while left:
        delivered = sink.put(left)
        found.added += delivered.added
        found.already_there += delivered.already_there
        found.problems += tuple(problem for _record, problem in delivered.clashes)
        left = delivered.left
        assert not left or "Throughput" in str(delivered.reason), delivered.reason
    sink.close()
    return found


def frozen(event: UsageRecord) -> list[UsageRecord]:
    """The usage records that a recorder makes of it."""
    assert event.event_id is not None
    segment, group = begun(event)
    segment.add_event(group, event.micros, event.created_ns, event.event_id)
    return segment.usage_records()


def begun(event: UsageRecord) -> tuple[Segment, RunningSum]:
    segment = Segment(next(_names))
    meter = TaggedMeter(
        event.account, event.product, event.dimension, event.license_arn, event.tags
    )
    return segment, segment.group(meter, event.created_ns)


def left_in_the_spool(_fresh: Fresh, opened: OpenStore, event: UsageRecord) -> Delivered:
    """The recorder was killed: a person gives its batch file to `metering record`."""
    return given(opened, text_of(frozen(event)))


def given(opened: OpenStore, text: bytes) -> Delivered:
    lines = text.decode().splitlines()
    return _delivered(opened, "batch.jsonl", read_json(lines))


def in_a_file(_fresh: Fresh, opened: OpenStore, event: UsageRecord) -> Delivered:
    """A line of the application, in the guide's format, with a field of its own."""
    line = json.dumps({**as_written(event), "request": 7}, default=float)
    return _delivered(opened, "usage.jsonl", read_json([line]))


def alone(_fresh: Fresh, opened: OpenStore, event: UsageRecord) -> Delivered:
    """`metering record --event-id`."""
    return _delivered(opened, "command line", [Piece("options", "", as_written(event))])


def as_written(event: UsageRecord) -> dict[str, object]:
    item = {
        "customerAWSAccountId": event.account,
        "productCode": event.product,
        "create_timestamp": event.created_ns // 1_000_000,
        "dimension": event.dimension,
        "quantity": Decimal(str(event.quantity)),
        "metering_pending": "true",
        "event_id": event.event_id,
        "licenseArn": event.license_arn,
        "tags": dict(event.tags),
    }
    return {name: value for name, value in item.items() if value}


def _delivered(
    opened: OpenStore, source: str, pieces: Sequence[Piece] | Iterator[Piece]
) -> Delivered:
    report = record(opened.store, Clock(NOW), source, pieces)
    problems = tuple(problem for refused in report.refusals for problem in refused.problems)
    return Delivered(report.added, report.already_there, problems)


WAYS: tuple[Way, ...] = (flushed, left_in_the_spool, in_a_file, alone)


def of(way: Way) -> str:
    return way.__name__


def usage_of(opened: OpenStore, account: str, event_id: str | None = None) -> list[RecordView]:
    first_ns = usage("00:00").created_ns
    views = opened.reports.records_at(account, first_ns, first_ns + 24 * NS_PER_HOUR)
    return [view for view in views if event_id in (None, view.record.event_id)]


def test_in_every_order_of_the_ways_an_event_counts_once(fresh: Fresh) -> None:
    with fresh.open() as opened:
        for number, order in enumerate(permutations(WAYS)):
            event = replace(EVENT, account=f"{number:012d}")
            said = [way(fresh, opened, event) for way in (*order, *order)]
            names = " → ".join(map(of, order))
            assert [each.problems for each in said] == [()] * 8, names
            assert [each.added for each in said] == [1] + [0] * 7, names
            assert [each.already_there for each in said] == [0] + [1] * 7, names
            [view] = usage_of(opened, event.account)
            assert (view.record.quantity, view.record.hour) == (EVENT.quantity, EVENT.hour), names


ANOTHER_USE = "for another product, licence, dimension, hour or set of tags"


@pytest.mark.parametrize(
    ("changes", "before"),
    [
        ({"micros": 7_000_000}, "with quantity 5"),
        ({"product": "prod-def456"}, ANOTHER_USE),
        ({"license_arn": LICENSE}, ANOTHER_USE),
        ({"dimension": "users"}, ANOTHER_USE),
        ({"tags": tags(team="red")}, ANOTHER_USE),
    ],
    ids=["quantity", "product", "licence", "dimension", "tags"],
)
def test_other_usage_under_its_id_is_refused_in_the_same_words(
    fresh: Fresh, changes: dict[str, Any], before: str
) -> None:
    with fresh.open() as opened:
        for number, (first, second) in enumerate(product(WAYS, WAYS)):
            event = replace(EVENT, account=f"{number:012d}")
            names = f"{of(first)} → {of(second)}"
            assert first(fresh, opened, event).added == 1, names
            refused = second(fresh, opened, replace(event, **changes))
            assert (refused.added, refused.already_there) == (0, 0), names
            assert [str(problem) for problem in refused.problems] == [
                f"event_id 'order-4711' refused: it was recorded before {before}, and an event "
                "counts once; give the new event an id of its own"
            ], names
            [view] = usage_of(opened, event.account)
            assert view.record.micros == EVENT.micros, names


@pytest.mark.parametrize("way", WAYS, ids=of)
def test_other_usage_within_one_input_is_refused_as_well(fresh: Fresh, way: Way) -> None:
    with fresh.open() as opened:
        lines = [as_written(EVENT), as_written(replace(EVENT, micros=7_000_000)), as_written(EVENT)]
        said = _delivered(
            opened, "usage.jsonl", [Piece(f"line {n}", "", each) for n, each in enumerate(lines)]
        )
        assert (said.added, said.already_there, len(said.problems)) == (1, 1, 1)
        assert way(fresh, opened, EVENT).already_there == 1


@pytest.mark.parametrize(
    "repair",
    [
        {"micros": 7_000_000},
        {"dimension": "users"},
        {"product": "prod-def456"},
        {"account": OTHER_BUYER},
    ],
    ids=lambda repair: "".join(repair),
)
def test_an_event_that_was_repaired_still_counts_once(fresh: Fresh, repair: dict[str, Any]) -> None:
    """What the application wrote first is known as well as what a person made of it."""
    with fresh.open() as opened:
        for number, (first, second) in enumerate(product(WAYS, WAYS)):
            event = replace(EVENT, event_id=f"order-{number}")
            names = f"{of(first)} → {of(second)}"
            first(fresh, opened, event)
            [view] = usage_of(opened, BUYER, event.event_id)
            corrected = replace(view.record, **repair)
            assert opened.corrections.replace(view, corrected, NOW)
            for again in (event, replace(event, **repair)):
                said = second(fresh, opened, again)
                assert (said.added, said.already_there, said.problems) == (0, 1, ()), names
            accounts = {BUYER, corrected.account}
            [stored] = [v for each in accounts for v in usage_of(opened, each, event.event_id)]
            assert stored.record.micros == corrected.micros, names


def test_an_event_that_was_moved_to_another_buyer_is_refused_with_another_quantity(
    fresh: Fresh,
) -> None:
    """Under the id that it has there; what is left of it at the first buyer knows it, too."""
    with fresh.open() as opened:
        alone(fresh, opened, EVENT)
        [view] = usage_of(opened, BUYER)
        assert opened.corrections.replace(view, replace(view.record, account=OTHER_BUYER), NOW)
        for way in WAYS:
            said = way(fresh, opened, replace(EVENT, account=OTHER_BUYER, micros=7_000_000))
            assert (said.added, len(said.problems)) == (0, 1), of(way)


def test_an_event_is_not_moved_to_where_it_is_recorded_already(fresh: Fresh) -> None:
    """The application was corrected as well, and sent it for the right buyer: a repair of the
    first one would count it twice."""
    right = replace(EVENT, account=OTHER_BUYER)
    with fresh.open() as opened:
        for event in (EVENT, right):
            assert alone(fresh, opened, event).added == 1
        [view] = usage_of(opened, BUYER)
        moved = replace(view.record, account=OTHER_BUYER)
        assert not opened.corrections.replace(view, moved, NOW)
        assert [len(usage_of(opened, each)) for each in (BUYER, OTHER_BUYER)] == [1, 1]


def test_an_event_that_is_moved_there_and_back_counts_once(fresh: Fresh) -> None:
    with fresh.open() as opened:
        alone(fresh, opened, EVENT)
        for account, to in ((BUYER, OTHER_BUYER), (OTHER_BUYER, BUYER)):
            [view] = usage_of(opened, account)
            assert opened.corrections.replace(view, replace(view.record, account=to), NOW)
        for way in WAYS:
            assert way(fresh, opened, EVENT).already_there == 1, of(way)
        assert [len(usage_of(opened, each)) for each in (BUYER, OTHER_BUYER)] == [1, 0]


def sum_of(*amounts: int) -> list[UsageRecord]:
    """What a recorder makes of calls without an id."""
    segment, group = begun(EVENT)
    for amount in amounts:
        segment.add(group, amount * 1_000_000, EVENT.created_ns)
    return segment.usage_records()


def test_the_sums_of_a_killed_recorder_count_once(fresh: Fresh) -> None:
    """Its batch was delivered, or a part of it, before a person gave the file to the store."""
    with fresh.open() as opened:
        frozen_sums = [*sum_of(1, 2), *sum_of(4)]
        assert put(fresh, frozen_sums[:1]).added == 1
        said = given(opened, text_of(frozen_sums))
        assert (said.added, said.already_there, said.problems) == (1, 1, ())
        assert put(fresh, frozen_sums).already_there == 2
        assert _sum(opened) == Quantity(7_000_000)


def _sum(opened: OpenStore) -> Quantity:
    return Quantity(sum(view.record.micros for view in usage_of(opened, BUYER)))


def test_a_sum_that_was_repaired_counts_once(fresh: Fresh) -> None:
    with fresh.open() as opened:
        sums = sum_of(1, 2)
        put(fresh, sums)
        [view] = usage_of(opened, BUYER)
        corrected = replace(view.record, dimension="users", micros=2_000_000)
        assert opened.corrections.replace(view, corrected, NOW)
        assert put(fresh, sums).already_there == 1
        assert given(opened, text_of(sums)).already_there == 1
        assert _sum(opened) == Quantity(2_000_000)


def test_the_same_id_at_another_time(fresh: Fresh) -> None:
    """The embedded store knows an event by its id alone, and refuses it in another hour. On
    DynamoDB id and second are its name: whichever way it comes, it is another event."""
    with fresh.open() as opened:
        for number, (first, second) in enumerate(product(WAYS, WAYS)):
            names = f"{of(first)} → {of(second)}"
            event = replace(EVENT, account=f"{number:012d}")
            first(fresh, opened, event)
            soon, later = (
                second(fresh, opened, replace(event, created_ns=event.created_ns + distance))
                for distance in (NS_PER_S, NS_PER_HOUR)
            )
            if fresh.knows_events_by_id_alone:
                assert (soon.already_there, soon.problems) == (1, ()), names
                assert [ANOTHER_USE in problem.rule for problem in later.problems] == [True], names
            else:
                assert (soon.added, later.added) == (1, 1), names
