"""Recording: durable, each use once, an input repeated adds nothing (money rules 2 and 11)."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import overload

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from marketplace_metering.core.identity import Meter
from marketplace_metering.core.ledger import AlarmKind
from marketplace_metering.core.limits import QUANTITY_MICROS_MAX
from marketplace_metering.core.plan import Group
from marketplace_metering.core.quantity import QUANTITY_MAX, total
from marketplace_metering.core.record import Problem, RefusedInput, UsageRecord
from marketplace_metering.files.json_lines import read_json
from marketplace_metering.jobs.record import record
from marketplace_metering.ports import OpenStore, Store
from tests.contract.conftest import OpenAll
from tests.support import steps
from tests.support.build import (
    BUYER,
    DIMENSION,
    METER,
    PRODUCT,
    hour,
    item,
    licensed,
    quantity,
    tags,
    usage,
)
from tests.support.clock import Clock, utc

NOW = utc("12:00")


def only_group(store: Store) -> Group:
    [group] = steps.groups(store, NOW)
    return group


def test_recorded_usage_is_pending_with_its_exact_sum(store: Store) -> None:
    taken = steps.record(
        store, NOW, usage("09:10", "0.1"), usage("09:05", "0.2"), usage("09:59:59", "1000000")
    )
    assert (taken.added, taken.added_quantity) == (3, quantity("1000000.3"))
    group = only_group(store)
    assert (group.meter, group.hour, group.tags) == (METER, hour("09:00"), ())
    assert (group.quantity, group.record_count) == (quantity("1000000.3"), 3)
    assert group.earliest_ns == usage("09:05").created_ns


def test_usage_of_two_calls_of_one_input_adds_up(store: Store) -> None:
    intake = store.intake("app", NOW)
    intake.add([usage("09:10", 1)])
    intake.add([usage("09:05", 2)])
    group = only_group(store)
    assert (group.quantity, group.record_count) == (quantity(3), 2)
    assert group.earliest_ns == usage("09:05").created_ns


def test_meters_hours_and_tags_are_kept_apart(store: Store) -> None:
    other_product = Meter("prod-def456", BUYER, DIMENSION)
    steps.record(
        store,
        NOW,
        usage("09:10", 1),
        usage("10:10", 2),
        usage("09:10", 4, tagged=tags(team="red")),
        usage("09:10", 8, tagged=tags(team="blue")),
        usage("09:10", 16, meter=licensed()),
        usage("09:10", 32, meter=other_product),
    )
    found = {(g.meter, g.hour, g.tags): str(g.quantity) for g in steps.groups(store, NOW)}
    nine, ten = hour("09:00"), hour("10:00")
    assert found == {
        (METER, nine, ()): "1",
        (METER, ten, ()): "2",
        (METER, nine, tags(team="red")): "4",
        (METER, nine, tags(team="blue")): "8",
        (licensed(), nine, ()): "16",
        (other_product, nine, ()): "32",
    }


def test_a_licence_and_a_product_code_of_one_buyer_share_a_book(store: Store) -> None:
    steps.record(store, NOW, usage("09:10", 1), usage("09:10", 2, meter=licensed()))
    [(book, groups)] = steps.pending(store, NOW)
    assert book.key == METER.book_key
    assert {group.meter for group in groups} == {METER, licensed()}


def test_an_input_repeated_adds_nothing(store: Store) -> None:
    """Two equal uses in one input are two uses; the same input again brings neither twice."""
    records = [usage("09:10", 5), usage("09:10", 5), usage("09:20", 1)]
    assert steps.record(store, NOW, *records).added == 3
    again = steps.record(store, NOW, *records)
    assert (again.added, again.already_there) == (0, 3)
    assert only_group(store).quantity == quantity(11)


def test_an_interrupted_input_is_completed_by_its_repetition(store: Store) -> None:
    records = [usage("09:10", 5), usage("09:10", 5), usage("09:20", 1), usage("09:30", 2)]
    steps.record(store, NOW, *records[:3])
    again = steps.record(store, NOW, *records)
    assert (again.added, again.already_there) == (1, 3)
    assert only_group(store).quantity == quantity(13)


def test_an_input_repeated_after_its_usage_was_sealed_adds_nothing(store: Store) -> None:
    records = [usage("09:10", 5), usage("09:10", 5)]
    steps.record(store, NOW, *records)
    steps.seal(store, NOW)
    assert steps.record(store, NOW, *records).already_there == 2
    assert steps.groups(store, NOW) == []


def test_different_uses_of_one_instant_are_all_kept_in_any_order(store: Store) -> None:
    five, seven = usage("09:10", 5), usage("09:10", 7)
    labelled = usage("09:10", 5, extras={"region": "eu"})
    steps.record(store, NOW, five, seven, labelled)
    again = steps.record(store, NOW, labelled, seven, five)
    assert (again.added, again.already_there) == (0, 3)
    assert only_group(store).quantity == quantity(17)
    assert only_group(store).record_count == 3


def test_equal_usage_of_two_inputs_is_two_uses(store: Store) -> None:
    """Two hosts' hourly files have an equal row, which says nothing (money rule 15)."""
    equal = usage("09:00", 100)
    for source, own in (("server-a.csv", usage("09:00", 7)), ("server-b.csv", usage("09:00", 9))):
        assert steps.record(store, NOW, equal, own, source=source).added == 2
        steps.seal(store, NOW)
    for source, own in (("server-a.csv", usage("09:00", 7)), ("server-b.csv", usage("09:00", 9))):
        again = steps.record(store, NOW, equal, own, source=source)
        assert (again.added, again.already_there) == (0, 2)


def test_usage_corrected_there_and_back_is_still_of_its_input(opened: OpenStore) -> None:
    record_of = usage("09:10", 5, extras={"note": "x"})
    steps.record(opened.store, NOW, record_of, source="a.csv")
    for amount in (6, 5):
        [view] = opened.reports.records_at(BUYER, record_of.created_ns, record_of.created_ns + 9)
        corrected = replace(view.record, micros=amount * 1_000_000)
        assert opened.corrections.replace(view, corrected, NOW)
    assert steps.record(opened.store, NOW, record_of, source="a.csv").already_there == 1
    assert steps.record(opened.store, NOW, record_of, source="b.csv").added == 1


def test_usage_moved_to_another_buyer_is_still_known_to_its_input_alone(opened: OpenStore) -> None:
    record_of = usage("09:10", 5)
    steps.record(opened.store, NOW, record_of, source="a.csv")
    [view] = opened.reports.records_at(BUYER, record_of.created_ns, record_of.created_ns + 9)
    moved = replace(view.record, account="999988887777")
    assert opened.corrections.replace(view, moved, NOW)
    assert steps.record(opened.store, NOW, record_of, source="a.csv").already_there == 1
    assert steps.record(opened.store, NOW, record_of, source="b.csv").added == 1


@pytest.mark.parametrize(
    ("one", "other", "is_same"),
    [
        ({"team": "red", "site": 1}, {"site": 1, "team": "red"}, True),
        ({"own": {"a": 1, "b": [2]}}, {"own": {"b": [2], "a": 1}}, True),
        ({"own": Decimal("3.0")}, {"own": 3}, True),
        ({"own": [1, 2]}, {"own": [2, 1]}, False),
        ({"own": True}, {"own": 1}, False),
        ({"own": "1"}, {"own": 1}, False),
        ({"own": None}, {}, False),
    ],
)
def test_the_order_and_spelling_of_own_attributes_are_no_difference(
    store: Store, one: dict[str, object], other: dict[str, object], is_same: bool
) -> None:
    steps.record(store, NOW, usage("09:10", 5, extras=one))
    again = steps.record(store, NOW, usage("09:10", 5, extras=other))
    assert (again.added, again.already_there) == ((0, 1) if is_same else (1, 0))


KINDS = [
    usage("09:10", 1),
    usage("09:10", 2),
    usage("09:10", 1, extras={"note": "x"}),
    usage("09:20", 1),
    usage("09:10", 1, tagged=tags(team="red")),
]
INPUT = st.lists(st.lists(st.sampled_from(range(len(KINDS))), max_size=4), max_size=3)


# The stores of all examples are of one kind: what makes them is no example's own.
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(inputs=st.lists(INPUT, max_size=4))
def test_what_is_stored_is_the_most_that_any_one_input_says(
    new: Callable[[], OpenAll], inputs: list[list[list[int]]]
) -> None:
    """However an input is cut into calls: equal uses count as often as in its fullest reading."""
    with new()() as opened:  # one for each example
        expected: Counter[int] = Counter()
        for calls in inputs:
            intake = opened.store.intake("usage.jsonl", NOW)
            for call in calls:
                intake.add([KINDS[kind] for kind in call])
            expected |= Counter(kind for call in calls for kind in call)
        found = steps.groups(opened.store, NOW)
    assert sum(group.record_count for group in found) == expected.total()
    amount = total(KINDS[kind].quantity for kind in expected.elements())
    assert total(group.quantity for group in found) == amount


def test_an_event_counts_once_even_within_an_input(store: Store) -> None:
    event = usage("09:10", 5, event_id="e-1")
    assert steps.record(store, NOW, event, event).added == 1
    again = steps.record(store, NOW, event, source="another")
    assert (again.added, again.already_there, again.clashes) == (0, 1, ())
    assert only_group(store).quantity == quantity(5)


def test_the_time_of_an_event_within_its_second_changes_nothing(store: Store) -> None:
    steps.record(store, NOW, usage("09:10", 5, event_id="e-1"))
    again = steps.record(store, NOW, usage("09:10:00.999999", 5, event_id="e-1"))
    assert (again.already_there, again.clashes) == (1, ())


@pytest.mark.parametrize(
    ("clash", "before"),
    [
        (usage("09:10", 6, event_id="e-1"), "with quantity 5"),
        (
            usage("09:10", 5, event_id="e-1", tagged=tags(team="red")),
            "for another product, licence, dimension, hour or set of tags",
        ),
        (
            usage("09:10", 5, event_id="e-1", meter=licensed()),
            "for another product, licence, dimension, hour or set of tags",
        ),
        (
            usage("09:10", 5, event_id="e-1", meter=Meter("prod-def456", BUYER, DIMENSION)),
            "for another product, licence, dimension, hour or set of tags",
        ),
    ],
)
def test_an_event_id_used_for_something_else_clashes(
    store: Store, clash: UsageRecord, before: str
) -> None:
    """The first stays, the second is handed back with the reason, the rest is recorded."""
    steps.record(store, NOW, usage("09:10", 5, event_id="e-1"))
    taken = steps.record(store, NOW, clash, usage("09:30", 1))
    [(refused, problem)] = taken.clashes
    assert refused is clash
    assert str(problem) == (
        f"event_id 'e-1' refused: it was recorded before {before}, and an event counts once; "
        "give the new event an id of its own"
    )
    assert taken.added == 1
    assert only_group(store).quantity == quantity(6)


def test_the_lines_of_a_file_come_to_every_store(store: Store) -> None:
    """Most of them as columns, which every store may take as usage records."""
    lines = [
        json.dumps(item(**changes))
        for changes in (
            {"quantity": 1},
            {"quantity": 2, "event_id": "e"},
            {"quantity": 4, "tags": {"team": "red"}},
            {"quantity": 8, "event_id": "e"},
            {"quantity": 16, "own": [1]},
        )
    ]
    for added, already_there in ((4, 0), (0, 4)):
        report = record(store, Clock(NOW), "usage.jsonl", read_json(lines))
        assert (report.added, report.already_there, report.refused) == (added, already_there, 1)
        assert [each.text for each in report.refusals] == [lines[3]]
    found = {group.tags: group.quantity for group in steps.groups(store, NOW)}
    assert found == {(): quantity(19), tags(team="red"): quantity(4)}


def test_event_ids_belong_to_a_buyer(store: Store) -> None:
    other_buyer = Meter(PRODUCT, "999988887777", DIMENSION)
    steps.record(store, NOW, usage("09:10", 5, event_id="e-1"))
    taken = steps.record(store, NOW, usage("09:10", 7, event_id="e-1", meter=other_buyer))
    assert (taken.added, taken.clashes) == (1, ())


def test_an_event_and_an_equal_use_without_an_id_are_two_uses(store: Store) -> None:
    steps.record(store, NOW, usage("09:10", 5, event_id="e-1"))
    assert steps.record(store, NOW, usage("09:10", 5), source="another").added == 1
    assert steps.record(store, NOW, usage("09:10", 5, event_id="e-2")).added == 1
    assert only_group(store).quantity == quantity(15)


class BreaksOff(Sequence[UsageRecord]):
    """A process that dies while it hands its usage over."""

    @overload
    def __getitem__(self, index: int) -> UsageRecord: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[UsageRecord]: ...
    def __getitem__(self, index: int | slice) -> UsageRecord | Sequence[UsageRecord]:
        if isinstance(index, slice):
            return self
        if index == 2:
            raise KeyboardInterrupt
        return usage("09:10", index + 1)

    def __len__(self) -> int:
        return 3


def test_a_call_that_breaks_off_records_nothing_and_can_be_repeated(store: Store) -> None:
    intake = store.intake("app", NOW)
    with pytest.raises(KeyboardInterrupt):
        intake.add(BreaksOff())
    assert steps.groups(store, NOW) == []
    assert intake.add([usage("09:10", 1), usage("09:10", 2)]).added == 2
    assert only_group(store).quantity == quantity(3)


def test_usage_above_the_cap_of_a_window_comes_in_several_groups(store: Store) -> None:
    """AWS takes at most 9999999999.999999 in one record; nothing of the rest is lost."""
    steps.record(store, NOW, *[usage("09:10", str(QUANTITY_MAX)) for _ in range(3)])
    steps.record(store, NOW, usage("09:30", "0.000001"), usage("09:31", 7), source="late")
    found = steps.groups(store, NOW)
    assert all(group.quantity.micros <= QUANTITY_MICROS_MAX for group in found)
    assert total(group.quantity for group in found).micros == 3 * QUANTITY_MICROS_MAX + 7_000_001
    assert sum(group.record_count for group in found) == 5


def test_many_uses_of_the_last_nanosecond_stay_in_their_hour(store: Store) -> None:
    """A store may keep equal instants apart, but never in another hour."""
    last = hour("09:00").end - timedelta(microseconds=1)
    records = [
        UsageRecord(BUYER, PRODUCT, DIMENSION, usage(last).created_ns + 999, 1_000_000)
        for _ in range(3)
    ]
    for each in records:
        steps.record(store, NOW, each, each)
        steps.seal(store, NOW)
    late = steps.record(store, NOW, *records)
    assert late.added == 1
    group = only_group(store)
    assert group.hour == hour("09:00")
    assert 0 <= records[0].created_ns - group.earliest_ns < len(records), "apart, but hardly moved"


def refused(place: str, text: str = "{", amount: str | None = None) -> RefusedInput:
    problem = Problem.of("the line", text, "it is not JSON", "write one JSON object a line")
    return RefusedInput(
        place, text, (problem,), PRODUCT, None if amount is None else quantity(amount)
    )


def test_refused_input_is_kept_once_and_raises_an_alarm_that_names_the_quantity(
    store: Store,
) -> None:
    intake = store.intake("usage.jsonl", NOW)
    first, second = refused("usage.jsonl, line 1"), refused("usage.jsonl, line 2", "[", "12.5")
    assert intake.refuse([first, second], NOW) == 2
    assert store.intake("usage.jsonl", NOW).refuse([first, second], NOW) == 0
    raised = steps.alarms(store)
    assert [(alarm.kind, alarm.window, alarm.quantity) for alarm in raised] == [
        (AlarmKind.REFUSED_INPUT, None, None),
        (AlarmKind.REFUSED_INPUT, None, quantity("12.5")),
    ]
    assert raised[1].text == (
        "usage.jsonl, line 2: the line '[' refused: it is not JSON; write one JSON object a line."
    )
    assert raised[1].raised_at == NOW


def test_refused_input_is_never_pending(store: Store) -> None:
    store.intake("usage.jsonl", NOW).refuse([refused("line 1", amount="5")], NOW)
    assert steps.groups(store, NOW) == []


def test_the_same_words_at_two_places_are_two_inputs(store: Store) -> None:
    intake = store.intake("usage.jsonl", NOW)
    assert intake.refuse([refused("line 1"), refused("line 2")], NOW) == 2


POISON: dict[str, object] = {
    "half a character": {"note": "\ud800", "na\udfffme": {"deep\udbff": ["\udc00"]}},
    "an attribute without a name": {"": 1},
    "very many attributes": {f"an attribute of its own {n}": n for n in range(1_500)},
    "a name of 70,000 characters": {"n" * 70_000: 1},
    "500 KB": {"note": "x" * 500_000},
}


@pytest.mark.parametrize("odd", POISON)
def test_a_line_that_is_odd_or_too_large_costs_only_itself(store: Store, odd: str) -> None:
    """Recorded, or refused with its line and the reason; the others are recorded."""
    more = POISON[odd]
    assert isinstance(more, dict)
    lines = [
        json.dumps(item(create_timestamp=1_708_012_345_000 + n) | (more if n == 30 else {}))
        for n in range(60)
    ]
    clock = Clock(utc("12:00"))
    report = record(store, clock, "usage.jsonl", read_json(lines))
    assert report.added + report.refused == 60
    assert report.added >= 59
    assert all(each.source == "usage.jsonl, line 31" for each in report.refusals)
    again = record(store, clock, "usage.jsonl", read_json(lines))
    assert (again.added, again.already_there) == (0, report.added)
