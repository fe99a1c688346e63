"""The bounds of a usage record: one rule, for whoever looks at one record or at a whole column."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from marketplace_metering.core.hours import epoch_ns
from marketplace_metering.core.limits import QUANTITY_MICROS_MAX
from marketplace_metering.core.record_rules import (
    EARLIEST_NS,
    is_billable_micros,
    is_plausible_time,
    latest_plausible_ns,
    looks_like_license,
    rows_out_of_bounds,
)
from tests.support.clock import utc

NOW_NS = epoch_ns(utc("12:00"))
LATEST_NS = epoch_ns(utc("12:15"))
EDGES_NS = [EARLIEST_NS - 1, EARLIEST_NS, NOW_NS, LATEST_NS, LATEST_NS + 1]
EDGES_MICROS = [-1, 0, 1, QUANTITY_MICROS_MAX, QUANTITY_MICROS_MAX + 1]


def test_usage_lies_between_the_first_day_of_aws_marketplace_metering_and_a_clock_ahead() -> None:
    assert [is_plausible_time(ns, NOW_NS) for ns in EDGES_NS] == [False, True, True, True, False]
    assert latest_plausible_ns(NOW_NS) == LATEST_NS


def test_a_quantity_is_what_one_record_of_aws_can_hold() -> None:
    assert [is_billable_micros(each) for each in EDGES_MICROS] == [False, True, True, True, False]


@given(st.lists(st.tuples(st.sampled_from(EDGES_NS), st.sampled_from(EDGES_MICROS)), min_size=1))
def test_a_column_is_judged_as_each_of_its_rows(rows: list[tuple[int, int]]) -> None:
    expected = {
        number
        for number, (ns, micros) in enumerate(rows)
        if not is_plausible_time(ns, NOW_NS) or not is_billable_micros(micros)
    }
    created_ns, micros = [ns for ns, _micros in rows], [micros for _ns, micros in rows]
    assert rows_out_of_bounds(created_ns, micros, NOW_NS) == expected


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("license_arn", True),
        ("licenceArn", True),
        ("LICENSE_ARN", True),
        ("license", False),
        ("licensed_seats", False),
        ("arn", False),
    ],
)
def test_a_misspelt_licence_is_known_by_its_name(name: str, expected: bool) -> None:
    assert looks_like_license(name) is expected
