"""Grouping pending usage: the short path says what the careful one would say."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any
from unittest.mock import patch

from hypothesis import example, given
from hypothesis import strategies as st

from marketplace_metering.adapters.dynamodb.api.attributes import attribute_of
from marketplace_metering.adapters.dynamodb.items.usage_record import item_of, parse
from marketplace_metering.adapters.dynamodb.sealing.pending_reader import Reader, groups_of
from marketplace_metering.core.hours import NS_PER_HOUR, NS_PER_MS
from marketplace_metering.core.limits import QUANTITY_MICROS_MAX
from marketplace_metering.core.quantity import QUANTITY_MAX, total
from marketplace_metering.core.record import UsageRecord
from tests.support.build import BUYER, DIMENSION, LICENSE, PRODUCT, usage
from tests.support.clock import utc

NOW = utc("12:00")
MS = int(utc("09:10").timestamp() * 1_000)


def item(**changes: Any) -> dict[str, Any]:
    said: dict[str, Any] = {
        "customerAWSAccountId": BUYER,
        "productCode": PRODUCT,
        "create_timestamp": MS,
        "dimension": DIMENSION,
        "quantity": 5,
        "metering_pending": "true",
        **changes,
    }
    return {name: attribute_of(value) for name, value in said.items() if value is not ...}


ITEMS = st.builds(
    item,
    customerAWSAccountId=st.sampled_from([BUYER, "000000000001", "x"]),
    productCode=st.sampled_from([PRODUCT, "prod-2", "prod#2", ...]),
    dimension=st.sampled_from([DIMENSION, "d#", 5, ...]),
    create_timestamp=st.sampled_from(
        [MS, MS + 1, MS + 3_600_000, Decimal(f"{MS}.5"), 5, MS * 1000, MS + 10**8]
    ),
    quantity=st.sampled_from([0, 5, Decimal("0.5"), 9_999_999_999, 10**10, -1, "5", None, ...]),
    licenseArn=st.sampled_from([..., LICENSE, None, "x", 5]),
    tags=st.sampled_from([..., {}, {"a": "1"}, {"b": "2", "a": "1"}, {"a": 1}, None, []]),
    event_id=st.sampled_from([..., "e-1", "", "x" * 300, 7]),
    note=st.sampled_from([..., "mine", {"x": 1}]),
    license_arn=st.sampled_from([..., ..., ..., LICENSE]),
    metering_failed=st.sampled_from([..., False]),
    metering_entry=st.sampled_from([..., "book#p#1#d|hour#1"]),
)


@given(st.lists(ITEMS, max_size=30))
def test_every_usage_record_is_grouped_as_core_reads_it(items: list[dict[str, Any]]) -> None:
    reader = Reader(NOW)
    reader.take(items)
    expected: dict[tuple[Any, ...], list[tuple[int, int]]] = {}
    malformed = []
    for each in items:
        found = parse(each, NOW)
        if isinstance(found, UsageRecord):
            key = (found.meter, found.hour, found.tags)
            expected.setdefault(key, []).append((found.created_ns, found.micros))
        else:
            malformed.append((each["customerAWSAccountId"]["S"], each["create_timestamp"]["N"]))
    read: dict[tuple[Any, ...], list[tuple[int, int]]] = {}
    for book_key, book in reader.reading.books.items():
        for group in groups_of(book_key, book):
            columns: Any = group.members
            pairs = list(zip(columns.ns, columns.micros, strict=True))
            read.setdefault((group.meter, group.hour, group.tags), []).extend(pairs)
            assert group.record_count == len(pairs)
            assert group.earliest_ns == min(ns for ns, _micros in pairs)
    assert {key: sorted(pairs) for key, pairs in read.items()} == {
        key: sorted(pairs) for key, pairs in expected.items()
    }
    assert reader.reading.malformed == malformed


FRACTIONS = st.text("0123456789", min_size=1, max_size=8).map(lambda digits: digits + "1")
NUMBERS = st.one_of(
    st.integers(0, 10**11).map(str),
    st.tuples(st.integers(0, 10**11), FRACTIONS).map("{0[0]}.{0[1]}".format),
    st.sampled_from(
        ["0", "0.000001", "0.0000001", "9999999999.999999", "10000000000", "-1", "1E+3"]
    ),
)


@example(f"{MS}.5", "1.0000001")
@example(f"{MS}.0000001", "1")
@given(st.one_of(FRACTIONS.map(f"{MS}.{{}}".format), NUMBERS), NUMBERS)
def test_both_paths_read_the_same_of_any_number(at: str, amount: str) -> None:
    """The first usage record of a meter takes the careful path, every plain one after it the short
    one: what is read of the second must not depend on the first."""
    each = {**item(), "create_timestamp": {"N": at}, "quantity": {"N": amount}}
    alone, after_another = Reader(NOW), Reader(NOW)
    alone.take([each])
    after_another.take([item(), each])
    expected, found = _pairs(alone), _pairs(after_another)
    found.remove((MS * NS_PER_MS, 5_000_000))
    assert found == expected
    assert after_another.reading.malformed == alone.reading.malformed


def _pairs(reader: Reader) -> list[tuple[int, int]]:
    return [
        pair
        for book in reader.reading.books.values()
        for columns in book.groups.values()
        for pair in zip(columns.ns, columns.micros, strict=True)
    ]


@given(st.integers(0, NS_PER_HOUR), st.integers(0, QUANTITY_MICROS_MAX))
def test_what_a_recorder_writes_takes_the_short_path(ns: int, micros: int) -> None:
    """Fractions of a millisecond and of a unit are no reason for a closer look at each record."""
    at = MS * NS_PER_MS + ns
    written = item_of(replace(usage("09:10"), created_ns=at, micros=micros), at)
    reader = Reader(NOW)
    reader.take([item()])
    with patch(
        "marketplace_metering.adapters.dynamodb.sealing.pending_reader.parse",
        side_effect=AssertionError,
    ):
        reader.take([written])
    assert (at, micros) in _pairs(reader)


@given(st.lists(st.integers(min_value=0, max_value=QUANTITY_MICROS_MAX), min_size=1, max_size=20))
def test_groups_are_split_at_the_cap_of_a_window(micros: list[int]) -> None:
    reader = Reader(NOW)
    reader.take(
        item(create_timestamp=MS + n, quantity=Decimal(each).scaleb(-6))
        for n, each in enumerate(micros)
    )
    ((key, book),) = reader.reading.books.items()
    groups = list(groups_of(key, book))
    assert sum(group.quantity.micros for group in groups) == sum(micros)
    assert all(group.quantity <= QUANTITY_MAX for group in groups)
    assert total(group.quantity for group in groups).micros == sum(micros)
    assert sum(group.record_count for group in groups) == len(micros)
