"""The most memory that a job holds, over a million pending usage records of either shape.

    python -m benchmarks.memory [--records 1000000] [--json FILE]

Each stage runs in a process of its own, which tells its peak resident memory at the end: the import
of the file, and the job, which seals and submits what another process imported. *floor* has loaded
the same modules and done nothing. The simulator runs inside of the job's process and counts too.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from benchmarks import usage_file
from benchmarks.direct import DirectMarketplace
from benchmarks.embedded import StandingClock, lines_of
from benchmarks.measuring import Figure, Result, peak_mb, save
from marketplace_metering.adapters.machine import LogNotifier
from marketplace_metering.adapters.sqlite import SqliteStore
from marketplace_metering.core.policy import Policy
from marketplace_metering.files.json_lines import read_json
from marketplace_metering.jobs.record import record
from marketplace_metering.jobs.seal import seal
from marketplace_metering.jobs.submit import submit
from marketplace_metering.ports import Ports

SHAPES = (10_000, 1)  # windows
REPEATS = 3


def import_file(directory: Path) -> None:
    """Record the usage file."""
    store = SqliteStore(str(directory / "metering.db"))
    record(store, StandingClock(), "usage", read_json(lines_of(directory / "usage.jsonl")))
    store.close()


def run_job(directory: Path) -> None:
    """Seal and submit everything."""
    store = SqliteStore(str(directory / "metering.db"))
    ports = Ports(store, DirectMarketplace(usage_file.NOW), StandingClock(), LogNotifier())
    sealed = seal(ports, Policy())
    submitted = submit(ports, Policy())
    store.close()
    assert submitted.billed == sealed.entries > 0, "the job had nothing to do"


def do_nothing(directory: Path) -> None:
    """What the modules alone take."""


STAGES: dict[str, Callable[[Path], None]] = {
    "floor": do_nothing,
    "import": import_file,
    "job": run_job,
}


def peak_of(stage: str, directory: Path) -> float:
    """The peak of a stage in a process of its own, in MB."""
    command = [sys.executable, "-m", "benchmarks.memory", "--stage", stage, str(directory)]
    return float(subprocess.check_output(command, text=True))  # noqa: S603 - our own


def measure(records: int, repeats: int = REPEATS) -> Result:
    """Both shapes."""
    result = Result(f"memory: {records:,} pending usage records, SQLite")
    for windows in SHAPES:
        peaks: dict[str, list[float]] = {stage: [] for stage in STAGES}
        with tempfile.TemporaryDirectory() as name:
            directory = Path(name)
            usage_file.write(directory / "usage.jsonl", records, windows)
            for _ in range(repeats):
                for path in directory.glob("metering.db*"):
                    path.unlink()
                for stage in STAGES:
                    peaks[stage].append(peak_of(stage, directory))
        shape = "1 window" if windows == 1 else f"{windows:,} windows"
        result.figures += [
            Figure.of(f"{stage}, {shape}", "MB", found) for stage, found in peaks.items()
        ]
    return result


def main() -> None:
    """Measure and show."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--records", type=int, default=1_000_000)
    parser.add_argument("--repeats", type=int, default=REPEATS)
    parser.add_argument("--stage", nargs=2, help=argparse.SUPPRESS)
    parser.add_argument("--json", metavar="FILE")
    chosen = parser.parse_args()
    if chosen.stage:
        stage, directory = chosen.stage
        STAGES[stage](Path(directory))
        print(peak_mb())
        return
    result = measure(chosen.records, chosen.repeats)
    result.show()
    save(chosen.json, [result])


if __name__ == "__main__":
    main()
