"""Every benchmark, one after the other, each in a process of its own: under ten minutes.

    python -m benchmarks [--out benchmarks/results.json] [--only NAME]

Prints the tables and writes all figures into one JSON file. Each benchmark says in its own words
what is measured and beside what; `docs/performance.md` holds figures of whole runs.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.measuring import machine

OUT = "benchmarks/results.json"
# Smaller sizes where a whole run takes minutes: the figures are per record and hardly change.
BENCHMARKS: dict[str, list[str]] = {
    "embedded": ["--repeats", "2"],
    "kinds": ["--records", "50000"],
    "memory": ["--repeats", "1"],
    "start": [],
    "growth": ["--largest", "100000"],
    "aws_seal": [],
    "aws_memory": [],
    "aws_write_back": ["--records", "100000", "--windows", "1000"],
    "aws_end_to_end": ["--records", "50000", "--repeats", "1"],
    "aws_requests": ["--records", "10000"],
    "recorder": ["--quick"],
}
WITHOUT_JSON = frozenset({"recorder"})


def run(name: str, directory: Path) -> dict[str, Any]:
    """One benchmark; what it prints goes where ours goes."""
    file = directory / f"{name}.json"
    options = [*BENCHMARKS[name], *([] if name in WITHOUT_JSON else ["--json", str(file)])]
    print(f"## {name} {' '.join(BENCHMARKS[name])}", flush=True)
    begun_s = time.perf_counter()
    command = [sys.executable, "-m", f"benchmarks.{name}", *options]
    exit_code = subprocess.run(command, check=False).returncode  # noqa: S603 - our own
    seconds = time.perf_counter() - begun_s
    print(f"({seconds:.0f} s)\n", flush=True)
    found = json.loads(file.read_text(encoding="utf-8")) if file.exists() else None
    return {"exit_code": exit_code, "seconds": round(seconds, 1), "found": found}


def main() -> None:
    """Run them and write the file; exit code 1 if one of them failed."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--out", default=OUT, metavar="FILE")
    parser.add_argument("--only", choices=BENCHMARKS, action="append", help="may be repeated")
    chosen = parser.parse_args()
    print(machine(), end="\n\n")
    with tempfile.TemporaryDirectory() as name:
        runs = {each: run(each, Path(name)) for each in chosen.only or BENCHMARKS}
    Path(chosen.out).write_text(
        json.dumps({"machine": machine(), "benchmarks": runs}, indent=2), encoding="utf-8"
    )
    print(f"figures are in {chosen.out}")
    failed = [each for each, done in runs.items() if done["exit_code"]]
    if failed:
        sys.exit(f"failed: {', '.join(failed)}")


if __name__ == "__main__":
    main()
