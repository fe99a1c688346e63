"""Exact amounts: parse, print, add (money rule 9)."""

from __future__ import annotations

from decimal import Decimal, localcontext

import pytest
from hypothesis import given
from hypothesis import strategies as st

from marketplace_metering.core.limits import QUANTITY_INTEGER_MAX, QUANTITY_MICROS_MAX
from marketplace_metering.core.quantity import (
    QUANTITY_MAX,
    ZERO,
    Quantity,
    micros_of,
    parse_quantity,
    total,
)

AMOUNTS = st.integers(0, 10**22).map(Quantity)


@given(AMOUNTS)
def test_what_is_printed_reads_back_as_the_same(quantity: Quantity) -> None:
    assert parse_quantity(str(quantity)) == quantity


@given(st.integers(0, QUANTITY_MICROS_MAX).map(Quantity))
def test_the_print_is_what_aws_accepts_as_a_decimal(quantity: Quantity) -> None:
    whole, _, fraction = str(quantity).partition(".")
    assert whole.isdigit() and (whole == "0" or not whole.startswith("0"))
    assert len(fraction) <= 6 and not fraction.endswith("0")
    assert len(str(quantity)) <= 17
    assert Decimal(str(quantity)) * 1_000_000 == quantity.micros


@given(st.lists(AMOUNTS))
def test_a_total_is_exact(quantities: list[Quantity]) -> None:
    added = ZERO
    for quantity in quantities:
        added = added + quantity
    assert total(quantities) == added
    assert added.micros == sum(quantity.micros for quantity in quantities)


@pytest.mark.parametrize(
    ("written", "micros"),
    [
        ("0", 0),
        ("-0", 0),
        ("0.000001", 1),
        ("1E-6", 1),
        ("0.10000000", 100_000),
        ("17", 17_000_000),
        ("17.00", 17_000_000),
        ("1E+3", 1_000_000_000),
        ("9999999999.999999", QUANTITY_MICROS_MAX),
        ("0E+400000", 0),
        ("0E-400000", 0),
        ("0.0000001", None),
        ("1E-400000", None),
        ("1.2345678", None),
        ("-1.5", -1_500_000),
        ("1.000000000000000000000000000000000000000000", 1_000_000),
        ("12345678901234567890123456789.123456", 12345678901234567890123456789_123456),
    ],
)
def test_numbers_become_millionths_exactly_or_not_at_all(written: str, micros: int | None) -> None:
    assert micros_of(Decimal(written)) == micros


@given(st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**12), max_value=10**12))
def test_a_number_with_six_decimals_is_exact_and_any_other_is_none(number: Decimal) -> None:
    micros = micros_of(number)
    with localcontext() as context:
        context.prec = 200
        exact = number * 1_000_000
        assert micros == (int(exact) if exact == exact.to_integral_value() else None)


@pytest.mark.parametrize("written", ["1E+999999", "9E+40", "-1E+999999"])
def test_an_absurd_number_is_only_known_to_be_above_or_below_everything(written: str) -> None:
    micros = micros_of(Decimal(written))
    assert micros is not None
    assert abs(micros) > QUANTITY_MICROS_MAX
    assert (micros < 0) == written.startswith("-")


def test_the_precision_that_an_application_has_set_changes_nothing() -> None:
    """A seller's program may round its own numbers to three digits; usage stays exact."""
    with localcontext() as context:
        context.prec = 3
        assert micros_of(Decimal("123456.789012")) == 123_456_789_012
        assert micros_of(Decimal("9999999999.9999990")) == QUANTITY_MICROS_MAX
        assert micros_of(Decimal("1234567E+1")) == 12_345_670_000_000
        assert parse_quantity("123456.789012") == Quantity(123_456_789_012)


def test_whole_amounts_go_as_integers_up_to_the_largest_that_aws_takes() -> None:
    assert Quantity(QUANTITY_INTEGER_MAX * 1_000_000).goes_as_integer
    assert not Quantity((QUANTITY_INTEGER_MAX + 1) * 1_000_000).goes_as_integer
    assert not Quantity(1_500_000).goes_as_integer
    assert Quantity(0).goes_as_integer
    assert QUANTITY_MAX.is_whole is False


def test_units_are_of_whole_amounts_only() -> None:
    assert Quantity(17_000_000).units == 17
    with pytest.raises(AssertionError, match=r"1\.5 is not whole"):
        _ = Quantity(1_500_000).units


def test_a_quantity_is_never_negative() -> None:
    with pytest.raises(AssertionError, match="never negative, got -1 millionths"):
        _ = Quantity(1) - Quantity(2)


def test_reading_back_more_than_six_decimals_is_our_bug() -> None:
    with pytest.raises(AssertionError, match=r"0\.0000001 has more than six decimals"):
        parse_quantity("0.0000001")
