"""The embedded mode from end to end, beside SQLite alone doing the same inserts.

    python -m benchmarks.embedded [--records 1000000] [--windows 10000] [--json FILE]

A file of usage records is imported, sealed and submitted to the in-process simulator. Writing
the outcome back takes nothing here: the marks on usage records are a view of the ledger. Rates are
by the processor's time of this process, kernel included, since cores are shared; the clock's time
stands beside. Every run checks that AWS bills exactly what the file holds.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

from benchmarks import bare, usage_file
from benchmarks.direct import DirectMarketplace
from benchmarks.measuring import Figure, Result, Spent, repeated, save
from marketplace_metering.adapters.machine import LogNotifier
from marketplace_metering.adapters.sqlite import SqliteStore
from marketplace_metering.core.limits import MICROS_PER_UNIT
from marketplace_metering.core.policy import Policy
from marketplace_metering.files.json_lines import read_json
from marketplace_metering.jobs.record import record
from marketplace_metering.jobs.seal import seal
from marketplace_metering.jobs.submit import submit
from marketplace_metering.ports import Ports

STAGES = ("import", "seal", "submit")


class StandingClock:
    """The same instant for ever: nothing here waits."""

    def now(self) -> datetime:
        """Half past the last hour of the file."""
        return usage_file.NOW

    def sleep(self, seconds: float) -> None:
        """Nothing in a run without faults is worth waiting for."""
        raise AssertionError("slept in a run without faults")


def lines_of(path: Path) -> Iterator[str]:
    """The lines of a file as `metering record` reads them."""
    with path.open("rb") as file:
        for line in file:
            yield line.decode("utf-8", "surrogateescape")


def run(usage: Path, database: Path, records: int, units: int) -> dict[str, float]:
    """Seconds of processor and clock for each stage."""
    spent = {stage: Spent() for stage in STAGES}
    store = SqliteStore(str(database))
    marketplace = DirectMarketplace(usage_file.NOW)
    clock = StandingClock()
    ports = Ports(store, marketplace, clock, LogNotifier())
    with spent["import"].counting():
        report = record(store, clock, usage.name, read_json(lines_of(usage)))
    with spent["seal"].counting():
        sealed = seal(ports, Policy())
    with spent["submit"].counting():
        submitted = submit(ports, Policy())
    store.close()
    assert report.added == records, f"{report.added} recorded of {records}"
    assert sealed.records == records, f"{sealed.records} sealed of {records}"
    assert submitted.billed == sealed.entries, f"{submitted.entries} of {sealed.entries}"
    billed = sum(each.content.quantity for each in marketplace.simulator.accepted)
    assert billed == units * MICROS_PER_UNIT, f"AWS bills {billed} millionths for {units} units"
    return {
        **{f"{name} cpu_s": each.cpu_s for name, each in spent.items()},
        **{f"{name} wall_s": each.wall_s for name, each in spent.items()},
        "simulator cpu_s": marketplace.spent.cpu_s,
        "windows": sealed.entries,
    }


def measure(records: int, windows: int, repeats: int, with_floor: bool = True) -> Result:
    """Ours and the floor, in turns over the same file."""
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        usage = directory / "usage.jsonl"
        units = usage_file.write(usage, records, windows)
        numbers = iter(range(1_000))

        def both() -> dict[str, float]:
            number = next(numbers)
            found = run(usage, directory / f"ours-{number}.db", records, units)
            if with_floor:
                floor = bare.run(usage, directory / f"bare-{number}.db")
                found |= {f"bare {key}": value for key, value in floor.items()}
            for path in directory.glob("*.db*"):
                path.unlink()
            return found

        found = repeated(repeats, both)
    return result_of(records, windows, found)


def result_of(records: int, windows: int, found: dict[str, list[float]]) -> Result:
    """Rates and shares."""
    result = Result(f"embedded: {records:,} usage records in {windows:,} windows")

    def summed(names: list[str], kind: str) -> list[float]:
        return [sum(values) for values in zip(*(found[f"{n} {kind}"] for n in names), strict=True)]

    def add_rate(name: str, seconds: list[float]) -> None:
        rates = [records / each for each in seconds]
        result.figures.append(Figure.of(name, "records/s", rates))

    for stage in STAGES:
        add_rate(stage, found[f"{stage} cpu_s"])
    ours = summed(list(STAGES), "cpu_s")
    add_rate("all stages", ours)
    add_rate("all stages, by the clock", summed(list(STAGES), "wall_s"))
    result.figures += [
        Figure.of("a window sealed", "µs", _each(found["seal cpu_s"], windows)),
        Figure.of("a window submitted", "µs", _each(found["submit cpu_s"], windows)),
        Figure.of("  the simulator's part of it", "µs", _each(found["simulator cpu_s"], windows)),
    ]
    if "bare insert cpu_s" in found:
        steps = ["bare insert", "bare group", "bare mark"]
        for step in steps:
            add_rate(step, found[f"{step} cpu_s"])
        floor = summed(steps, "cpu_s")
        add_rate("bare SQLite, all steps", floor)
        add_rate("bare SQLite, by the clock", summed(steps, "wall_s"))
        times = [mine / other for mine, other in zip(ours, floor, strict=True)]
        result.figures.append(Figure.of("ours beside bare SQLite", "times", times))
    return result


def _each(seconds: list[float], count: int) -> list[float]:
    return [value * 1_000_000 / count for value in seconds]


def main() -> None:
    """Measure and show."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--records", type=int, default=1_000_000)
    parser.add_argument("--windows", type=int, default=10_000)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--no-floor", action="store_true", help="leave bare SQLite out")
    parser.add_argument("--json", metavar="FILE")
    chosen = parser.parse_args()
    result = measure(chosen.records, chosen.windows, chosen.repeats, not chosen.no_floor)
    result.show()
    save(chosen.json, [result])


if __name__ == "__main__":
    main()
