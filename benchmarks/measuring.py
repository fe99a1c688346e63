"""Timing, and showing what was timed: a median with its spread, never one run."""

from __future__ import annotations

import json
import os
import platform
import resource
import sqlite3
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path

PROC_STATUS = Path("/proc/self/status")
MAXRSS_UNIT = 1 if sys.platform == "darwin" else 1024  # macOS counts bytes, Linux KiB


@dataclass(slots=True)
class Spent:
    """What a piece of work took: of the processor, kernel included, and of the clock."""

    cpu_s: float = 0.0
    wall_s: float = 0.0

    @contextmanager
    def counting(self) -> Iterator[None]:
        """Add what the body takes."""
        cpu_s, wall_s = time.process_time(), time.perf_counter()
        try:
            yield
        finally:
            self.cpu_s += time.process_time() - cpu_s
            self.wall_s += time.perf_counter() - wall_s


@dataclass(frozen=True, slots=True)
class Figure:
    """One measured quantity over several runs."""

    name: str
    unit: str
    median: float
    lowest: float
    highest: float

    @classmethod
    def of(cls, name: str, unit: str, values: Sequence[float]) -> Figure:
        """The figure of what each run gave."""
        return cls(name, unit, statistics.median(values), min(values), max(values))

    def __str__(self) -> str:
        return (
            f"{self.name:<34}{_short(self.median):>12} {self.unit:<14}"
            f"({_short(self.lowest)} to {_short(self.highest)})"
        )


@dataclass(slots=True)
class Result:
    """What one benchmark found, and the words to read it by."""

    title: str
    figures: list[Figure] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def show(self) -> None:
        """Print a table."""
        lines = [self.title, *(f"  {figure}" for figure in self.figures)]
        print("\n".join([*lines, *(f"  {note}" for note in self.notes), ""]), flush=True)


def _short(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 1_000 else f"{value:.3g}"


def repeated(times: int, run: Callable[[], dict[str, float]]) -> dict[str, list[float]]:
    """The values of each name over several runs, after one that only warms up."""
    run()
    found: dict[str, list[float]] = {}
    for _ in range(times):
        for name, value in run().items():
            found.setdefault(name, []).append(value)
    return found


def peak_mb() -> float:
    """The most memory that this process has held so far.

    On Linux `ru_maxrss` begins with what the parent held, so the kernel's own figure is read.
    """
    if PROC_STATUS.exists():
        text = PROC_STATUS.read_text(encoding="ascii")
        return int(text.split("VmHWM:")[1].split()[0]) * 1024 / 1_000_000
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * MAXRSS_UNIT / 1_000_000


def machine() -> str:
    """What the figures depend on."""
    return (
        f"Python {platform.python_version()}, SQLite {sqlite3.sqlite_version}, "
        f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores, "
        f"{datetime.now(UTC):%Y-%m-%d}"
    )


def save(path: str | None, results: Sequence[Result]) -> None:
    """Write results as JSON, if a file is wanted."""
    if path is not None:
        found = {"machine": machine(), "results": [asdict(result) for result in results]}
        Path(path).write_text(json.dumps(found, indent=2), encoding="utf-8")
