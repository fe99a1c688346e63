"""Whether a usage record and a window cost the same however many there are.

    python -m benchmarks.growth [--largest 1000000] [--plot FILE.svg] [--json FILE]

Two rows of runs of the embedded mode (`benchmarks.embedded`): more and more usage records, a
hundred in a window and in 10,000 windows at most; and 1,000,000 usage records (or `--largest`, if
that is less) in more and more windows. A record costs its import; a window costs its seal and its
submission, whatever it holds. Both are processor time, since cores are shared.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path
from typing import NamedTuple

from benchmarks import embedded, usage_file
from benchmarks.measuring import Figure, Result, save
from benchmarks.plot import Curve, plot

RECORDS = (10_000, 100_000, 1_000_000, 10_000_000)
WINDOWS = (100, 1_000, 10_000, 100_000)
USUAL_RECORDS, USUAL_WINDOWS = 1_000_000, 10_000
RECORDS_PER_WINDOW, RECORDS_PER_WINDOW_MIN = 100, 10
REPEATS_BELOW = 1_000_000  # from here on one run is long enough


class Point(NamedTuple):
    """What one size costs."""

    records: int
    windows: int
    record_us: list[float]
    window_us: list[float]


def measure_point(records: int, windows: int) -> Point:
    """Runs of one size."""
    record_us, window_us = [], []
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        usage = directory / "usage.jsonl"
        units = usage_file.write(usage, records, windows)
        for number in range(1 if records >= REPEATS_BELOW else 3):
            found = embedded.run(usage, directory / f"{number}.db", records, units)
            record_us.append(found["import cpu_s"] * 1_000_000 / records)
            per_window = (found["seal cpu_s"] + found["submit cpu_s"]) / windows
            window_us.append(per_window * 1_000_000)
    return Point(records, windows, record_us, window_us)


def measure(largest: int) -> tuple[Result, list[Point], list[Point]]:
    """Both rows."""
    result = Result("growth: what one costs among how many, processor time")
    by_records = [
        measure_point(records, min(USUAL_WINDOWS, records // RECORDS_PER_WINDOW))
        for records in RECORDS
        if records <= largest
    ]
    usual = min(USUAL_RECORDS, largest)
    by_windows = [
        measure_point(usual, windows)
        for windows in WINDOWS
        if windows * RECORDS_PER_WINDOW_MIN <= usual
    ]
    for point in (*by_records, *by_windows):
        size = f"{point.records:,} in {point.windows:,}"
        result.figures.append(Figure.of(f"a record, {size}", "µs", point.record_us))
        result.figures.append(Figure.of(f"a window, {size}", "µs", point.window_us))
    return result, by_records, by_windows


def curves(by_records: list[Point], by_windows: list[Point]) -> list[Curve]:
    """What the plot shows."""
    return [
        Curve(
            "import of a usage record, by the number of usage records",
            [(point.records, min(point.record_us)) for point in by_records],
        ),
        Curve(
            "import of a usage record, by the number of windows",
            [(point.windows, min(point.record_us)) for point in by_windows],
        ),
        Curve(
            "seal and submission of a window, by the number of windows",
            [(point.windows, min(point.window_us)) for point in by_windows],
        ),
    ]


def main() -> None:
    """Measure, show and draw."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--largest", type=int, default=1_000_000, help="usage records at most")
    parser.add_argument("--plot", metavar="FILE.svg")
    parser.add_argument("--json", metavar="FILE")
    chosen = parser.parse_args()
    result, by_records, by_windows = measure(chosen.largest)
    result.show()
    if chosen.plot:
        text = plot("Cost of one, processor time", "how many", "µs", curves(by_records, by_windows))
        Path(chosen.plot).write_text(text, encoding="utf-8")
    save(chosen.json, [result])


if __name__ == "__main__":
    main()
