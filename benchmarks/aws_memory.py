"""The most memory that a sealing job on DynamoDB holds, from canned answers.

    python -m benchmarks.aws_memory [--records 1000000] [--json FILE]

The job runs in a process of its own, as in a function: it reads a million pending usage records, of
10,000 windows or of one, and seals them. Peak resident memory, AWS SDK included.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Callable

from benchmarks import aws_seal
from benchmarks.aws_end_to_end import StandingClock
from benchmarks.aws_seal import NOW
from benchmarks.canned import client, served
from benchmarks.measuring import Figure, Result, peak_mb, save
from marketplace_metering.adapters.dynamodb import DynamoStore, table_names
from marketplace_metering.adapters.machine import LogNotifier
from marketplace_metering.aws_lambda.app import NoMarketplace
from marketplace_metering.core.policy import Policy
from marketplace_metering.jobs.seal import seal
from marketplace_metering.ports import Ports

SHAPES = {"10,000 windows": (10_000, aws_seal.HOURS), "1 window": (1, 1)}


def answering(answers: list[bytes]) -> Callable[[bytes, bytes], bytes]:
    """These pages, and writes that succeed."""
    reading = aws_seal.answering(answers)

    def answer(operation: bytes, body: bytes) -> bytes:
        writes = (b"transactwriteitems", b"batchwriteitem")
        return b"{}" if operation in writes else reading(operation, body)

    return answer


def run_job(url: str) -> int:
    """Seal everything; answers how many usage records that were."""
    store = DynamoStore(client(url), table_names("bench"), now=lambda: NOW)
    ports = Ports(store, NoMarketplace(), StandingClock(), LogNotifier())
    return seal(ports, Policy()).records


def measure(records: int) -> Result:
    """Both shapes."""
    result = Result(f"memory on AWS: a job over {records:,} pending usage records")
    for shape, (windows, hours) in SHAPES.items():
        with served(answering(aws_seal.pages(records, windows, hours))) as url:
            command = [sys.executable, "-m", "benchmarks.aws_memory", "--job", url]
            said = subprocess.check_output(command, text=True)  # noqa: S603 - our own
        sealed, peak = said.split()
        assert int(sealed) == records, f"{sealed} of {records} were sealed"
        result.figures.append(Figure.of(f"job, {shape}", "MB", [float(peak)]))
    return result


def main() -> None:
    """Measure and show."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--records", type=int, default=1_000_000)
    parser.add_argument("--job", help=argparse.SUPPRESS)
    parser.add_argument("--json", metavar="FILE")
    chosen = parser.parse_args()
    if chosen.job:
        print(run_job(chosen.job), peak_mb())
        return
    result = measure(chosen.records)
    result.show()
    save(chosen.json, [result])


if __name__ == "__main__":
    main()
