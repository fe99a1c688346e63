"""Which entries share a call, and how a refused call is taken apart (money rules 5 and 8)."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from marketplace_metering.core.batch import Batch, Lane, fill, lane_of
from marketplace_metering.core.hours import BillingMonth
from marketplace_metering.core.identity import Meter
from marketplace_metering.core.ledger import Allocation, Entry, State
from marketplace_metering.core.limits import BATCH_BYTES_MAX, BATCH_RECORDS_MAX
from marketplace_metering.core.quantity import Quantity
from marketplace_metering.core.wire import body_bytes, request
from tests.support.build import DIMENSION, PRODUCT, entry, licensed, quantity


def of_buyer(number: int, used_in: str = "09:00", product: str = PRODUCT) -> Entry:
    return entry(used_in, 1, meter=Meter(product, f"{number:012d}", DIMENSION))


def large(number: int, allocations: int) -> Entry:
    """An entry with so many allocations of 1,000 bytes or so."""
    split = tuple(
        Allocation(
            tuple((f"key-{tag}", f"{part:06d}".ljust(200, "x")) for tag in range(4)),
            quantity(1),
        )
        for part in range(allocations)
    )
    plain = of_buyer(number)
    [line] = plain.lines
    return replace(
        plain,
        quantity=quantity(allocations),
        lines=(line._replace(quantity=quantity(allocations)),),
        allocations=split,
    )


def test_a_lane_is_one_product_one_identity_one_month() -> None:
    assert lane_of(of_buyer(1)) == Lane(PRODUCT, False, BillingMonth(2026, 11))
    lanes = {
        lane_of(each)
        for each in (
            of_buyer(1),
            of_buyer(2, product="prod-def456"),
            entry("09:00", meter=licensed()),
            of_buyer(1, "2026-12-01 00:00"),
        )
    }
    assert len(lanes) == 4


def test_a_batch_takes_what_is_due_in_its_order_up_to_25() -> None:
    due = [of_buyer(number) for number in range(30)]
    assert fill(due).entries == tuple(due[:BATCH_RECORDS_MAX])


def test_a_batch_passes_over_what_is_of_another_lane() -> None:
    first, other, second = of_buyer(1), of_buyer(2, product="prod-def456"), of_buyer(3)
    assert fill([first, other, second]).entries == (first, second)


def test_a_parked_entry_is_batched_alone() -> None:
    parked = replace(of_buyer(1), state=State.PARKED)
    fresh = of_buyer(2)
    assert fill([parked, fresh]).entries == (parked,)
    assert fill([fresh, parked]).entries == (fresh,)


@settings(max_examples=12)
@given(st.lists(st.integers(1, 500), min_size=1, max_size=8))
def test_a_batch_stays_below_the_size_of_a_request(sizes: list[int]) -> None:
    due = [large(number, size) for number, size in enumerate(sizes)]
    batch = fill(due)
    assert body_bytes(request(batch.entries)) <= BATCH_BYTES_MAX
    assert batch.entries[0] is due[0]
    for left_out in [each for each in due if each not in batch.entries]:
        assert body_bytes(request([*batch.entries, left_out])) > BATCH_BYTES_MAX - 100


def test_what_is_too_large_for_this_batch_does_not_keep_others_out() -> None:
    due = [large(1, 500), large(2, 800), of_buyer(3)]
    assert fill(due).entries == (due[0], due[2])


def test_halves_hold_everything_once() -> None:
    for count in range(2, BATCH_RECORDS_MAX + 1):
        batch = Batch(tuple(of_buyer(number) for number in range(count)))
        left, right = batch.halves()
        assert left.entries + right.entries == batch.entries
        assert abs(len(left.entries) - len(right.entries)) <= 1


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        ((), "a batch of 0 entries"),
        (tuple(of_buyer(number) for number in range(26)), "a batch of 26 entries"),
        ((of_buyer(1), of_buyer(2, product="prod-def456")), "a batch mixes lanes"),
        ((of_buyer(1), of_buyer(1, "2026-12-01 00:00")), "a batch mixes lanes"),
        ((of_buyer(1), replace(of_buyer(1), serial=1)), "a window twice in a batch"),
        ((of_buyer(1), replace(of_buyer(2), state=State.PARKED)), "a parked entry is sent alone"),
    ],
)
def test_a_batch_that_aws_would_refuse_does_not_exist(
    entries: tuple[Entry, ...], message: str
) -> None:
    with pytest.raises(AssertionError, match=message):
        Batch(entries)


def test_a_whole_sum_of_fractions_can_be_batched() -> None:
    halves = (
        Allocation((), Quantity(500_000)),
        Allocation((("team", "red"),), Quantity(500_000)),
    )
    assert fill([entry("09:00", 1, allocations=halves)]).entries
