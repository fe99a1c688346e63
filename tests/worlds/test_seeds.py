"""Random worlds: no unit of usage is lost, billed twice or left without a reason in any of them.

`METERING_TEST_SEEDS=200 pytest tests/worlds` lives through so many worlds of each store.
"""

from __future__ import annotations

import os
from collections import Counter

import pytest

from marketplace_metering.proof.worlds.broken_calls import WAYS
from marketplace_metering.proof.worlds.world_run import STORES, Life, live

SEEDS = int(os.environ.get("METERING_TEST_SEEDS", "2000"))
CHUNK = 25
SEEDS_WITH_MARKS = 100
# Of those that come later: a person resolves as billed; what was parked is presumed, or presumed
# is billed.
RARE = {"dynamodb": (443, 447), "sqlite": (468,)}
# Another program names a licence under a product code that AWS refuses: it was not the first.
FOUND = (770_016,)
STARTS = range(SEEDS_WITH_MARKS, max(SEEDS, SEEDS_WITH_MARKS), CHUNK)
# Every one of these must come up, or the worlds have become too tame to prove anything.
MARKS = frozenset(
    {
        "sealed → billed",
        "shell refused",
        "moved to another region",
        "refused to move",
        "sealed → presumed",
        "presumed → billed",
        "sealed → parked",
        "parked → billed",
        "parked → presumed",
        "sealed → released",
        "parked → released",
        "sealed → unresolved",
        "parked → unresolved",
        "unresolved → billed",
        "unresolved → released",
        "unresolved → written off",
        "parked → written off",
        "unresolved after a single unanswered attempt",
        "held after a restore",
        "repaired",
        "repair refused",
        "resolved as billed",
        "resolved as not billed",
        "written off",
        "usage carried",
        "usage carried across a month",
        "usage of several hours in one window",
        "usage recorded before",
        "window sealed again after a release",
        "window above what Quantity holds",
        "window stamped with its hour's start",
        "window with a fraction",
        "window with tags",
        "request halved",
        "usage waits: its hour is not over",
        "usage waits: no later window of its meter is free yet",
        "usage waits: late usage of this product is held for a person to decide",
        "submit stops: AWS does not answer, or asks to slow down",
        "submit stops: AWS refuses this account or its set-up",
        "submit stops: the rest is due later",
        "submit stops: the run had to end here",
        "alarm: late usage rejected",
        "delayed usage carried",
        "late usage held",
        "late usage refused",
        "alarm: refused input",
        "book without room",
    }
)
FAULTS = frozenset(
    {
        "crash",
        "overlap",
        "stall",
        "store error",
        "restore",
        "wake lost",
        "nothing is sealed",
        "no room for a book",
        "killed by the time-out",
        "in an outage",
        "throttled",
        "error before the work",
        "error after the work",
        "request lost",
        "answer lost",
        "unreachable",
        "account refused",
        "product refused",
        "clock step",
        "clock hours ahead",
        "records unprocessed",
        "results missing",
        "doubled",
        "unknown status",
        "results shuffled",
        "slow",
        *WAYS,
    }
)

OF_STORE = {
    "sqlite": {"crash inside a transaction"},
    "dynamodb": {
        "DynamoDB: conflicts",
        "DynamoDB: lagging",
        "DynamoDB: partly",
        "DynamoDB: repeated",
        "DynamoDB: throttled",
        # What the guide tells people to do in the table itself.
        "set pending by hand",
        "corrected by hand",
        "usage put over other usage",
        "usage put over what was billed",
        "event put elsewhere again",
    },
}


def _check(life: Life) -> None:
    if life.violation is not None:
        story = "\n".join(life.lines)
        replay = f"metering prove --seed {life.seed} --store {life.store}"
        pytest.fail(f"{story}\n{life.violation}\nto see it again: {replay}", pytrace=False)


@pytest.mark.parametrize("store", STORES)
@pytest.mark.parametrize("start", STARTS)
def test_worlds(store: str, start: int) -> None:
    for seed in range(start, start + CHUNK):
        _check(live(seed, store))


@pytest.mark.parametrize("store", STORES)
@pytest.mark.parametrize("seed", FOUND)
def test_worlds_in_which_something_was_found(store: str, seed: int) -> None:
    _check(live(seed, store))


@pytest.mark.parametrize("store", STORES)
def test_worlds_are_not_tame(store: str) -> None:
    """In the first worlds every kind of fault and every rare branch comes up."""
    seen: Counter[str] = Counter()
    for seed in (*range(SEEDS_WITH_MARKS), *RARE.get(store, ())):
        life = live(seed, store)
        _check(life)
        seen += life.marks + life.faults
    assert sorted((MARKS | FAULTS | OF_STORE[store]) - seen.keys()) == []
