"""How long it takes until the program is there: `metering --help`, and each Lambda function.

    python -m benchmarks.start [--json FILE]

Every time is a fresh interpreter's, once warmed up so that the files are in memory and compiled.
Processor time, kernel included, and the clock's beside it, since cores are shared. *floor* is the
interpreter alone, or the AWS SDK alone; what a function's first event takes comes with it.
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from benchmarks.measuring import Figure, Result, Spent, save

REPEATS = 10
HANDLERS = ("job", "processor")
# The clocks of the new process itself: when an import is measured, its start is not our doing.
IMPORT = """
import time
cpu_s, wall_s = time.process_time(), time.perf_counter()
import {module}
print(time.process_time() - cpu_s, time.perf_counter() - wall_s)
"""
# The first event also loads the AWS SDK and makes the clients; the requests come on top.
FIRST_EVENT = """
import os, time
from marketplace_metering.aws_lambda import app, {name}
cpu_s, wall_s = time.process_time(), time.perf_counter()
app.{name}_app()
print(time.process_time() - cpu_s, time.perf_counter() - wall_s)
"""
ENVIRONMENT = {
    "AWS_REGION": "us-east-1",
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_ACCESS_KEY_ID": "benchmark",
    "AWS_SECRET_ACCESS_KEY": "benchmark",
    "METERING_STORE": "dynamodb://bench",
    "METERING_TOPIC_ARN": "arn:aws:sns:us-east-1:111122223333:bench",
    "METERING_QUEUE_URL": "https://sqs.us-east-1.amazonaws.com/111122223333/bench",
}


def whole(command: Sequence[str]) -> Spent:
    """A process from its start to its end."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    begun_s = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)  # noqa: S603 - our own
    wall_s = time.perf_counter() - begun_s
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu_s = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Spent(cpu_s, wall_s)


def inside(program: str) -> Spent:
    """What a fresh interpreter prints of itself."""
    command = [sys.executable, "-c", program]
    environment = os.environ | ENVIRONMENT
    found = subprocess.check_output(command, text=True, env=environment)  # noqa: S603 - our own
    cpu_s, wall_s = found.split()
    return Spent(float(cpu_s), float(wall_s))


def measure(repeats: int = REPEATS) -> Result:
    """Everything that starts."""
    result = Result("start")
    commands = {
        "python -c pass (floor)": [sys.executable, "-c", "pass"],
        "metering --help": [str(Path(sys.executable).with_name("metering")), "--help"],
    }
    for name, command in commands.items():
        whole(command)
        _add(result, name, [whole(command) for _ in range(repeats)])
    programs = {
        "import boto3, botocore.session (floor)": IMPORT.format(module="boto3, botocore.session")
    }
    for name in HANDLERS:
        module = f"marketplace_metering.aws_lambda.{name}"
        programs[f"import aws_lambda.{name}"] = IMPORT.format(module=module)
        programs[f"first event of the {name}, SDK"] = FIRST_EVENT.format(name=name)
    for name, program in programs.items():
        inside(program)
        _add(result, name, [inside(program) for _ in range(repeats)])
    return result


def _add(result: Result, name: str, runs: Sequence[Spent]) -> None:
    result.figures.append(Figure.of(name, "ms", [run.cpu_s * 1_000 for run in runs]))
    result.figures.append(Figure.of("  by the clock", "ms", [run.wall_s * 1_000 for run in runs]))


def main() -> None:
    """Measure and show."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--repeats", type=int, default=REPEATS)
    parser.add_argument("--json", metavar="FILE")
    chosen = parser.parse_args()
    result = measure(chosen.repeats)
    result.show()
    save(chosen.json, [result])


if __name__ == "__main__":
    main()
