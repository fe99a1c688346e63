"""A seller's own attributes come back as they were written."""

from __future__ import annotations

import json
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from marketplace_metering.core.exact_json import exact_json

VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.text()
    | st.decimals(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(VALUES)
def test_what_is_written_reads_back_with_every_digit(value: object) -> None:
    text = exact_json(value)
    assert text.isascii()
    assert json.loads(text, parse_float=Decimal, parse_int=Decimal) == with_decimals(value)


def with_decimals(value: object) -> object:
    match value:
        case bool():
            return value
        case int():
            return Decimal(value)
        case list():
            return [with_decimals(each) for each in value]
        case dict():
            return {name: with_decimals(each) for name, each in value.items()}
        case _:
            return value


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (Decimal("2.50"), "2.50"),
        (Decimal("1E+3"), "1E+3"),
        (Decimal("NaN"), '"NaN"'),
        (0.1, "0.1"),
        ((1, "a"), '[1, "a"]'),
        ({1: None}, '{"1": null}'),
        (b"x", "\"b'x'\""),
        ("\ud800", '"\\ud800"'),
    ],
)
def test_what_json_has_no_word_for_is_written_as_text(value: object, text: str) -> None:
    assert exact_json(value) == text
