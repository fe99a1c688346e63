"""What was recorded between two flushes becomes one usage record per sum, and nothing is lost."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from marketplace_metering.core.event import next_place, place_of
from marketplace_metering.core.limits import QUANTITY_MICROS_MAX
from marketplace_metering.core.record import UsageRecord
from marketplace_metering.core.record_item import item_of, timestamp_text
from marketplace_metering.core.record_rules import read_record
from marketplace_metering.recorder.segments import Segment, TaggedMeter
from marketplace_metering.recorder.spool.batch_file import read_text, text_of
from tests.recorder.build import BUYER, DIMENSION, LICENSE, OTHER, ListSink, an_hour_ago, recorder

HOUR_NS = 3_600_000_000_000
DOCUMENT = Path(__file__).parents[2] / "docs/recorder.md"


def test_a_sum_per_group_and_flush() -> None:
    sink = ListSink()
    at = an_hour_ago()
    with recorder(sink, None) as usage:
        for _ in range(10):
            usage.record(BUYER, DIMENSION, 1, at=at)
            usage.record(OTHER, DIMENSION, 2, at=at)
            usage.record(BUYER, "users", Decimal("0.5"), at=at)
            usage.record(BUYER, DIMENSION, 1, at=at + timedelta(hours=-1))
            usage.record(BUYER, DIMENSION, 1, at=at, tags={"a": "1", "b": "2"})
            usage.record(BUYER, DIMENSION, 1, at=at, tags={"b": "2", "a": "1"})
            usage.record(BUYER, DIMENSION, 1, at=at, license_arn=LICENSE)
            usage.record(BUYER, DIMENSION, 1, at=at, product="another")
        assert usage.flush()
        assert len(sink.records) == 7
        assert sink.micros == 10 * 8_500_000
        usage.record(BUYER, DIMENSION, 1, at=at)
    assert len(sink.records) == 8


def test_a_sum_stands_in_the_second_of_its_first_usage() -> None:
    """Never before the buyer's first usage, rounded up to a second, and never in another hour."""
    sink = ListSink()
    at = an_hour_ago().replace(minute=59, second=59, microsecond=900_000)
    with recorder(sink, None) as usage:
        usage.record(BUYER, DIMENSION, 1, at=at)
        usage.record(BUYER, DIMENSION, 1, at=at - timedelta(minutes=9))
    (record,) = sink.records.values()
    assert record.created_ns // 10**9 == int(at.timestamp()) - 540


def test_a_sum_above_the_cap_comes_in_parts() -> None:
    sink = ListSink()
    with recorder(sink, None) as usage:
        for _ in range(3):
            usage.record(BUYER, DIMENSION, 9_999_999_999)
    assert sink.micros == 3 * 9_999_999_999_000_000
    assert sorted(record.micros for record in sink.records.values())[-1] == QUANTITY_MICROS_MAX
    assert len(sink.records) == 3


def test_zero_is_usage() -> None:
    sink = ListSink()
    with recorder(sink, None) as usage:
        usage.record(BUYER, DIMENSION, 0)
    assert [record.micros for record in sink.records.values()] == [0]


class Tape:
    """A journal in memory."""

    def __init__(self) -> None:
        self.lines: list[bytes] = []

    def append(self, line: bytes) -> int:
        assert b"\n" not in line
        self.lines.append(line)
        return len(line)

    def sync(self, position: int) -> None:
        pass


METERS = st.builds(
    TaggedMeter,
    st.sampled_from([BUYER, OTHER]),
    st.just("prod"),
    st.sampled_from(["api", "größe\n"]),
    st.sampled_from([None, LICENSE]),
    st.sampled_from([(), (("a", "1"),)]),
)
CALLS = st.lists(
    st.tuples(
        METERS,
        st.integers(0, QUANTITY_MICROS_MAX),
        st.integers(1_790_000_000 * 10**9, 1_790_000_000 * 10**9 + 3 * HOUR_NS),
        st.none()
        | st.text(min_size=1, max_size=8).filter(
            lambda text: text.isprintable() and text[0] != "s"
        ),
    ),
    max_size=40,
)


def fill(segment: Segment, calls: list[tuple[TaggedMeter, int, int, str | None]]) -> None:
    for meter, micros, ns, event_id in calls:
        group = segment.group(meter, ns)
        if event_id is None:
            segment.add(group, micros, ns)
        else:
            segment.add_event(group, micros, ns, event_id)


@given(CALLS)
def test_a_journal_read_again_is_the_same_segment(
    calls: list[tuple[TaggedMeter, int, int, str | None]],
) -> None:
    """So whoever finishes it, and however often, writes the same usage records."""
    tape = Tape()
    segment = Segment("name-000001", tape)
    fill(segment, calls)
    again = Segment("name-000001")
    assert again.replay(tape.lines) == []
    assert again.usage_records() == segment.usage_records()


@given(CALLS)
def test_nothing_is_lost_in_a_segment(
    calls: list[tuple[TaggedMeter, int, int, str | None]],
) -> None:
    segment = Segment("name-000001")
    fill(segment, calls)
    records = segment.usage_records()
    events = {
        (meter, ns // HOUR_NS, micros, ns // 10**9, event_id)
        for meter, micros, ns, event_id in calls
        if event_id is not None
    }
    usage = sum(micros for _meter, micros, _ns, event_id in calls if event_id is None)
    assert sum(record.micros for record in records) == usage + sum(each[2] for each in events)
    assert len({record.event_id for record in records if record.event_id.startswith("sum:")}) == (  # type: ignore[union-attr]
        len(records) - len(events)
    )


@given(CALLS)
def test_a_batch_is_in_the_guides_format_and_reads_back(
    calls: list[tuple[TaggedMeter, int, int, str | None]],
) -> None:
    segment = Segment("name-000001")
    fill(segment, calls)
    records = segment.usage_records()
    assert read_text(text_of(records)) == records
    for record in records:
        found = read_record(item_of(record), an_hour_ago() + timedelta(days=3650))
        assert isinstance(found, UsageRecord)
        assert found == record


@given(st.text(min_size=1).filter(str.isprintable), st.integers(0, 4 * 10**18))
def test_a_place_is_in_the_second_of_the_usage(event_id: str, at_ns: int) -> None:
    place = place_of(event_id, at_ns)
    assert place // 10**9 == at_ns // 10**9
    assert place == place_of(event_id, at_ns - at_ns % 10**9)
    assert next_place(place) // 10**9 == at_ns // 10**9
    assert next_place(place) != place


def test_places_never_change() -> None:
    """docs/recorder.md gives the same example to writers in other languages."""
    place = place_of("order-4711", 1_708_012_345_678_000_000)
    assert timestamp_text(place) == "1708012345979.094931"
    assert "`1708012345979.094931`" in DOCUMENT.read_text()
