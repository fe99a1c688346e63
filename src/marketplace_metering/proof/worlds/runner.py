"""Many worlds: one seed after another, on several processors, and what came of them all."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, fields

from marketplace_metering.proof.worlds.world_run import Counts, Life, live

SEEDS_PER_TASK = 20
FAILURES_TOLD_MAX = 20


@dataclass(slots=True)
class Total(Counts):
    """The sum of many lives."""

    seeds: int = 0
    violations: list[tuple[int, str]] = field(default_factory=list)

    def add(self, life: Life) -> None:
        """One more world."""
        self.seeds += 1
        for each in fields(Counts):
            setattr(self, each.name, getattr(self, each.name) + getattr(life, each.name))
        if life.violation is not None:
            self.violations.append((life.seed, life.violation))

    def as_json(self) -> dict[str, object]:
        """For `--json`."""
        return {
            "seeds": self.seeds,
            "steps": self.steps,
            "requests": self.requests,
            "accepted": self.accepted,
            **{
                counts: dict(sorted(getattr(self, counts).items()))
                for counts in ("runs", "faults", "marks")
            },
            "violations": [{"seed": seed, "what": what} for seed, what in self.violations],
        }


def simulate(
    seeds: range, store: str, jobs: int, on_progress: Callable[[Total], None] = lambda total: None
) -> Total:
    """Let every seed live, on so many processors."""
    total = Total()
    for life in _lives(seeds, store, jobs):
        total.add(life)
        on_progress(total)
        if len(total.violations) >= FAILURES_TOLD_MAX:
            break
    return total


def _lives(seeds: range, store: str, jobs: int) -> Iterator[Life]:
    tasks = [
        (seeds[start : start + SEEDS_PER_TASK], store)
        for start in range(0, len(seeds), SEEDS_PER_TASK)
    ]
    if jobs == 1 or len(tasks) == 1:
        yield from (life for task in tasks for life in _live_some(task))
        return
    context = multiprocessing.get_context("spawn")
    with context.Pool(min(jobs, len(tasks))) as pool:
        for lives in pool.imap(_live_some, tasks):
            yield from lives


def _live_some(task: tuple[Iterable[int], str]) -> list[Life]:
    seeds, store = task
    lives = []
    for seed in seeds:
        life = live(seed, store)
        life.story = None  # told again when somebody asks for it
        lives.append(life)
    return lives


def processors() -> int:
    """How many this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
