"""Which seed is the first to show that a safety mechanism is missing?

    python -m tests.worlds.search --seeds 200 [--only stamp]

The schedules show each of them at once; this tells how good the random worlds are.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator

import pytest

from marketplace_metering.proof.worlds.world_run import live
from tests.worlds.mutations import MUTATIONS, Mutation


def first_seed(mutation: Mutation, seeds: range) -> tuple[int, str] | None:
    """The first seed whose world breaks a promise without the mechanism, and which one."""
    with pytest.MonkeyPatch.context() as patch:
        mutation.switch_off(patch)
        for seed in seeds:
            life = live(seed, mutation.store)
            if life.violation is not None:
                return seed, life.violation
    return None


def search(seeds: range, only: str) -> Iterator[str]:
    """A row of docs/proof.md for each mechanism, and after it what the seed showed."""
    for mutation in MUTATIONS:
        if only in mutation.name:
            found = first_seed(mutation, seeds)
            seed, what = ("–", "") if found is None else found
            yield f"{mutation.row()} {seed} | {what[:150]}"


def main() -> None:
    """See above."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=200)
    parser.add_argument("--only", default="")
    options = parser.parse_args()
    for line in search(range(options.seeds), options.only):
        print(line, flush=True)  # noqa: T201


if __name__ == "__main__":
    main()
