"""A seed decides everything: the same timeline every time, in every process."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from marketplace_metering.proof.worlds.world_run import STORES, live

SEEDS = (3, 18, 55, 103)


@pytest.mark.parametrize("store", STORES)
def test_a_seed_gives_the_same_timeline_again(store: str) -> None:
    for seed in SEEDS:
        first, second = live(seed, store), live(seed, store)
        assert first.lines == second.lines
        assert first.digest == second.digest
        assert (first.steps, first.marks) == (second.steps, second.marks)


@pytest.mark.parametrize("store", STORES)
def test_another_process_sees_the_same(store: str) -> None:
    """Also with other hashes of strings, on which the order of sets depends."""
    probe = (
        "from marketplace_metering.proof.worlds.world_run import live\n"
        f"print(*(live(seed, {store!r}).digest for seed in {SEEDS!r}))"
    )
    digests = {
        subprocess.check_output(
            [sys.executable, "-c", probe], env={**os.environ, "PYTHONHASHSEED": seed}, text=True
        )
        for seed in ("1", "2")
    }
    assert digests == {" ".join(live(seed, store).digest for seed in SEEDS) + "\n"}


def test_other_seeds_give_other_timelines() -> None:
    assert len({live(seed).digest for seed in range(5)}) == 5
