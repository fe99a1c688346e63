"""Usage records as columns: the same usage records, however they are held."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from marketplace_metering.core.record import UsageRecord
from marketplace_metering.core.record_columns import RecordColumns, group_name
from tests.support.build import licensed, tags, usage

KINDS = [
    usage("09:10", 1),
    usage("10:10", "2.5"),
    usage("09:20", 3, tagged=tags(team="red")),
    usage("09:30", 4, meter=licensed()),
    usage("09:40", 5, event_id="e-1"),
    usage("09:50", 6, extras={"note": "x"}),
]
RECORDS = st.lists(st.sampled_from(KINDS), max_size=8)


@given(RECORDS, RECORDS)
def test_columns_hold_the_objects_that_they_were_made_of(
    first: list[UsageRecord], second: list[UsageRecord]
) -> None:
    both = RecordColumns.of(first).plus(second)
    assert list(both) == [*first, *second]
    assert all(each is other for each, other in zip(both, [*first, *second], strict=True))
    names = [both.groups[group] for group in both.group_of]
    assert names == [group_name(record) for record in both]
    assert len(set(both.groups)) == len(both.groups)


@given(RECORDS, st.data())
def test_some_of_the_columns_are_some_of_the_usage_records(
    records: list[UsageRecord], data: st.DataObject
) -> None:
    numbers = [number for number in range(len(records)) if data.draw(st.booleans())]
    assert list(RecordColumns.of(records).only(numbers)) == [records[number] for number in numbers]


def test_an_object_that_was_asked_for_is_found_again() -> None:
    """Equal usage records are several uses: the object tells which one is meant."""
    columns = RecordColumns.of([KINDS[0], replace(KINDS[0]), KINDS[1]]).only([0, 1, 2])
    second = columns[1]
    assert second == columns[0]
    assert columns.number_of(second) == 1
    assert columns[1:] == [second, columns[2]]
    assert columns[-1] is columns[2]


def test_columns_of_columns_are_the_same() -> None:
    columns = RecordColumns.of(KINDS)
    assert RecordColumns.of(columns) is columns
