"""What is broken is found by halving, and everything else is done."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from botocore.exceptions import ClientError
from hypothesis import given
from hypothesis import strategies as st

from marketplace_metering.adapters.dynamodb.api.apart import apart


@given(st.lists(st.integers(0, 60), unique=True, min_size=1), st.sets(st.integers(0, 60)))
def test_all_but_the_broken_ones_are_done_in_order(things: list[int], broken: set[int]) -> None:
    left: list[int] = []

    def work(some: Sequence[int]) -> list[int]:
        if broken.intersection(some):
            raise ValueError(some)
        return list(some)

    def set_aside(thing: int, _error: Exception) -> list[int]:
        left.append(thing)
        return []

    done = [each for some in apart(things, work, set_aside) for each in some]
    assert done == [each for each in things if each not in broken]
    assert left == [each for each in things if each in broken]


@pytest.mark.parametrize(
    "error",
    [
        ConnectionError("gone"),
        ClientError({"Error": {"Code": "ThrottlingException"}}, "Query"),
    ],
)
def test_what_another_try_may_do_is_set_aside_by_nobody(error: Exception) -> None:
    def work(some: Sequence[int]) -> int:
        raise error

    with pytest.raises(type(error)):
        list(apart([1, 2], work, lambda thing, error: 0))
