"""What importing a usage record costs, by what its line holds.

    python -m benchmarks.kinds [--records 100000] [--json FILE]

The same usage in 1,000 windows, written in different ways; and a file that was recorded before.
Rates are by the processor's time of this process, kernel included, since cores are shared.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from benchmarks import usage_file
from benchmarks.embedded import StandingClock, lines_of
from benchmarks.measuring import Figure, Result, Spent, repeated, save
from marketplace_metering.adapters.sqlite import SqliteStore
from marketplace_metering.files.json_lines import read_json
from marketplace_metering.jobs.record import record

WINDOWS = 1_000
FIRST_MS = int(usage_file.FIRST_HOUR.timestamp()) * 1_000

Attributes = dict[str, Any]
KINDS: dict[str, Callable[[int, Attributes], Attributes]] = {
    "plain": lambda number, usage: usage,
    "with tags": lambda number, usage: usage | {"tags": {"team": f"t{number % 5}"}},
    "with fractions": lambda number, usage: usage | {"quantity": usage["quantity"] + 0.25},
    "with an event id": lambda number, usage: usage | {"event_id": f"e-{number}"},
    "with an own attribute": lambda number, usage: usage | {"request": f"r-{number}"},
    "with both": lambda number, usage: usage | {"event_id": f"e-{number}", "request": number},
    "with an own list": lambda number, usage: usage | {"request": [number]},
    # One meter: every second use meets the one before it at its very place.
    "pairs in one millisecond": lambda number, usage: (
        usage
        | {"customerAWSAccountId": "1" * 12, "productCode": "p", "dimension": "d"}
        | {"create_timestamp": FIRST_MS + number // 2 * 7}
    ),
}


def written(directory: Path, kind: str, records: int) -> Path:
    """A file with lines of a kind."""
    plain = directory / "plain.jsonl"
    if not plain.exists():
        usage_file.write(plain, records, WINDOWS)
    path = directory / f"{kind}, written.jsonl"
    with plain.open(encoding="utf-8") as lines, path.open("w", encoding="utf-8") as file:
        for number, line in enumerate(lines):
            file.write(json.dumps(KINDS[kind](number, json.loads(line))) + "\n")
    return path


def imported(path: Path, database: Path) -> Iterator[float]:
    """The seconds of importing a file, and then of importing it again."""
    store = SqliteStore(str(database))
    for is_first in (True, False):
        spent = Spent()
        with spent.counting():
            report = record(store, StandingClock(), path.name, read_json(lines_of(path)))
        assert (report.already_there == 0) is is_first, f"{path.name}: {report}"
        yield spent.cpu_s
    store.close()
    for each in database.parent.glob(f"{database.name}*"):
        each.unlink()


def measure(records: int, repeats: int) -> Result:
    """Every kind, and the plain one twice."""
    result = Result(f"kinds of lines: import of {records:,} usage records")
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        for kind in KINDS:
            path = written(directory, kind, records)

            def both(path: Path = path) -> dict[str, float]:
                first_s, again_s = imported(path, directory / "metering.db")
                return {"first": records / first_s, "again": records / again_s}

            found = repeated(repeats, both)
            result.figures.append(Figure.of(kind, "records/s", found["first"]))
            if kind == "plain":
                result.figures.append(Figure.of("plain, again", "records/s", found["again"]))
    return result


def main() -> None:
    """Measure and show."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--records", type=int, default=100_000)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--json", metavar="FILE")
    chosen = parser.parse_args()
    result = measure(chosen.records, chosen.repeats)
    result.show()
    save(chosen.json, [result])


if __name__ == "__main__":
    main()
