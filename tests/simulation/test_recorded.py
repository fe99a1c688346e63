"""What the auditor thinks of usage that an unconfirmed input may have recorded."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from marketplace_metering.simulation.recorded import _is_explained

# Two inputs whose processes died; both hold a use of 689 in the same hour (world 43312).
DIED: Counter[Any] = Counter({"689": 1})
ADDED: Counter[Any] = Counter({"689": 1, "791": 1})


@pytest.mark.parametrize("maybe", [[DIED, ADDED], [ADDED, DIED]])
def test_equal_usage_of_two_inputs_is_told_apart_by_the_whole(maybe: list[Counter[Any]]) -> None:
    explained: list[Counter[Any]] = [
        Counter({"689": 1}),
        Counter({"689": 1, "791": 1}),
        Counter({"689": 2, "791": 1}),
        Counter(),
    ]
    for extra in explained:
        assert _is_explained(extra, maybe, False)
    wrongs: list[Counter[Any]]
    wrongs = [Counter({"791": 1}), Counter({"689": 3, "791": 1}), Counter({"5": 1})]
    for wrong in wrongs:
        assert not _is_explained(wrong, maybe, False)


def test_a_store_that_keeps_parts_explains_parts() -> None:
    part: Counter[Any] = Counter({"791": 1})
    assert _is_explained(part, [ADDED], True)
    assert not _is_explained(part + part, [ADDED], True)
