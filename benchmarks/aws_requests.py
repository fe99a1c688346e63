"""What metering costs on AWS: requests, request units and dollars, ours and a plain one's.

    python -m benchmarks.aws_requests [--records 5000] [--json FILE]

Both meter the same usage from end to end, one after the other, on one emulator of DynamoDB and SQS
and on the simulated `BatchMeterUsage`, by boto3 alone. Requests are counted as each client sends
them, retries included; request units follow AWS's rules (`benchmarks.request_units`), and dollars
AWS's list prices. Times are the emulator's, so they tell the number of requests rather than AWS.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import boto3

from benchmarks import plain
from benchmarks.measuring import machine
from benchmarks.request_units import RequestUnits
from marketplace_metering.adapters.dynamodb.items import tables
from marketplace_metering.aws_lambda import app, telemetry
from marketplace_metering.aws_lambda.events import JobRequest
from marketplace_metering.aws_lambda.runs import run_job, run_processor
from marketplace_metering.core.policy import Scope
from marketplace_metering.simulator import MarketplaceSimulator
from tests.deploy.emulator import emulator

STACK, PLAIN_STACK = "ours", "plain"

PER_WINDOW = 50
PRODUCT = "abc123xyz456"
PUTS_MAX = 25  # [P1] BatchWriteItem
HOURS = 3  # the latest closed ones: AWS takes them at a month's end, too
MS_PER_HOUR = 3_600_000
JOB_S, PROCESSOR_S = 900, 180  # the template's timeouts
TARGETS = {"requests": 50.0, "write units": 6.0}

# List prices in US dollars, us-east-1, November 2026; free tiers, storage and logs left out.
WRITE_UNIT, READ_UNIT = 0.625e-6, 0.125e-6
QUEUE_REQUEST = {"fifo": 0.50e-6, "standard": 0.40e-6}
INVOCATION = 0.20e-6
GIGABYTE_SECOND = 0.0000133334  # arm64
MEMORY_GIGABYTES = 1_769 / 1_024  # the template's: one processor core


@dataclass
class Cost:
    """What one of the two took for some usage records."""

    name: str
    records: int
    queue: str
    requests: Counter[str] = field(default_factory=Counter)
    put_units: Counter[str] = field(default_factory=Counter)
    write_units: Counter[str] = field(default_factory=Counter)  # the puts not included
    read_units: float = 0.0
    invocations: int = 0
    seconds: float = 0.0

    @property
    def all_requests(self) -> float:
        """For a thousand usage records; the application's own puts not included."""
        return self.requests.total() * 1_000 / self.records

    @property
    def all_write_units(self) -> float:
        """For one usage record; the application's own put included."""
        return (self.put_units + self.write_units).total() / self.records

    @contextmanager
    def invocation(self) -> Iterator[None]:
        """One of a function."""
        began = time.perf_counter()
        yield
        self.seconds += time.perf_counter() - began
        self.invocations += 1

    def dollars(self) -> dict[str, float]:
        """For a million usage records."""
        queued = sum(n for name, n in self.requests.items() if name.startswith("SQS "))
        spent = {
            "DynamoDB writes": (self.put_units + self.write_units).total() * WRITE_UNIT,
            "DynamoDB reads": self.read_units * READ_UNIT,
            "SQS": queued * QUEUE_REQUEST[self.queue],
            "Lambda invocations": self.invocations * INVOCATION,
            "Lambda time, as it took here": self.seconds * MEMORY_GIGABYTES * GIGABYTE_SECOND,
        }
        return {name: dollars * 1e6 / self.records for name, dollars in spent.items()}


class Context:
    """Lambda's context."""

    def __init__(self, seconds: float) -> None:
        self._ends_at = time.monotonic() + seconds

    def get_remaining_time_in_millis(self) -> int:
        """Until the function would be ended."""
        return int((self._ends_at - time.monotonic()) * 1_000)


def usage(records: int) -> Iterator[dict[str, Any]]:
    """Fifty usage records of each buyer in each hour, in the guide's format."""
    now_ms = int(time.time() * 1_000)
    first_ms = now_ms - now_ms % MS_PER_HOUR - HOURS * MS_PER_HOUR
    for number in range(records):
        window, within = divmod(number, PER_WINDOW)
        buyer, hour = divmod(window, HOURS)
        at_ms = first_ms + hour * MS_PER_HOUR + within * (MS_PER_HOUR // PER_WINDOW) + buyer % 997
        yield {
            "customerAWSAccountId": {"S": f"{buyer:012d}"},
            "productCode": {"S": PRODUCT},
            "create_timestamp": {"N": str(at_ms)},
            "dimension": {"S": "api_calls"},
            "quantity": {"N": str(1 + number % 9)},
            "metering_pending": {"S": "true"},
        }


def meter(
    cost: Cost,
    simulator: MarketplaceSimulator,
    definitions: Sequence[dict[str, Any]],
    run: Callable[[Cost, str], None],
) -> Cost:
    """Let one of them meter the usage from end to end."""
    simulator.reset()
    simulator.requests_per_second = None  # the plain one keeps to no quota
    units = RequestUnits(definitions)
    with units.watching():
        _meter(cost, units, simulator, definitions, run)
    return cost


def _meter(
    cost: Cost,
    units: RequestUnits,
    simulator: MarketplaceSimulator,
    definitions: Sequence[dict[str, Any]],
    run: Callable[[Cost, str], None],
) -> None:
    dynamodb = boto3.client("dynamodb")
    for definition in definitions:
        dynamodb.create_table(**definition)
    items = list(usage(cost.records))
    for start in range(0, len(items), PUTS_MAX):
        puts = [{"PutRequest": {"Item": item}} for item in items[start : start + PUTS_MAX]]
        dynamodb.batch_write_item(RequestItems={definitions[0]["TableName"]: puts})
    cost.put_units = _by_part(units)
    queue = _new_queue(cost.queue)
    units.requests.clear()
    run(cost, queue)
    _check(items, simulator)
    cost.write_units = _by_part(units) - cost.put_units
    cost.read_units = units.read_units
    cost.requests = units.requests


def _by_part(units: RequestUnits) -> Counter[str]:
    """Write units by table or index, without the name of the stack."""
    return Counter({name.rpartition("-")[2]: count for name, count in units.write_units.items()})


def _new_queue(kind: str) -> str:
    suffix = ".fifo" if kind == "fifo" else ""
    attributes = {"FifoQueue": "true"} if kind == "fifo" else {}
    made = boto3.client("sqs").create_queue(QueueName=f"metering{suffix}", Attributes=attributes)
    return str(made["QueueUrl"])


def _check(items: Sequence[dict[str, Any]], simulator: MarketplaceSimulator) -> None:
    expected: Counter[tuple[str, int]] = Counter()
    for item in items:
        hour = int(item["create_timestamp"]["N"]) // MS_PER_HOUR
        expected[item["customerAWSAccountId"]["S"], hour] += int(item["quantity"]["N"]) * 1_000_000
    billed = {
        (each.window.buyer, each.window.hour): each.content.quantity for each in simulator.accepted
    }
    assert billed == expected, "all of it is billed, once"


def ours(cost: Cost, queue: str) -> None:
    """The bodies of both functions, and SQS's part between them."""
    environment = {
        "METERING_STORE": f"dynamodb://{STACK}",
        "METERING_QUEUE_URL": queue,
        "METERING_TOPIC_ARN": "arn:aws:sns:us-east-1:000000000000:nobody",
    }
    job = app.connect_all(environment, sends=False)
    processor = app.connect_all(environment, sends=True)
    sqs = boto3.client("sqs")
    with cost.invocation():
        run_job(job.app(), JobRequest(Scope.EVERYTHING), Context(JOB_S))
    while messages := sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10).get("Messages"):
        with cost.invocation():
            run_processor(processor.app(), Context(PROCESSOR_S))
        entries = [
            {"Id": str(number), "ReceiptHandle": message["ReceiptHandle"]}
            for number, message in enumerate(messages)
        ]
        sqs.delete_message_batch(QueueUrl=queue, Entries=entries)


def guide(cost: Cost, queue: str) -> None:
    """The plain implementation."""
    functions = plain.Plain(plain.definitions(PLAIN_STACK)[0]["TableName"], queue)
    with cost.invocation():
        functions.job()
    while True:
        with cost.invocation():
            if not functions.processor():
                return


def measure(records: int) -> list[Cost]:
    """Both, one after the other."""
    with tempfile.TemporaryDirectory() as folder, emulator(Path(folder)) as aws:
        os.environ.update(aws.environment)
        simulator = aws.simulator.simulator
        return [
            meter(
                Cost("ours", records, "fifo"),
                simulator,
                [*tables.definitions(STACK), tables.mark_definition(STACK)],
                ours,
            ),
            meter(
                Cost("plain", records, "standard"),
                simulator,
                plain.definitions(PLAIN_STACK),
                guide,
            ),
        ]


def table(costs: Sequence[Cost]) -> str:
    """Both beside each other."""
    lines = [f"{'':<44}" + "".join(f"{cost.name:>12}" for cost in costs)]

    def add(name: str, values: Sequence[float], digits: int = 2) -> None:
        lines.append(f"{name:<44}" + "".join(f"{value:>12,.{digits}f}" for value in values))

    add("requests per 1,000 usage records", [cost.all_requests for cost in costs])
    for name in sorted({name for cost in costs for name in cost.requests}):
        add(f"  {name}", [cost.requests[name] * 1_000 / cost.records for cost in costs])
    add("write units per usage record", [cost.all_write_units for cost in costs], 3)
    add(
        "  of the application's put",
        [cost.put_units.total() / cost.records for cost in costs],
        3,
    )
    for name in sorted({name for cost in costs for name in cost.write_units}):
        add(f"  {name}", [cost.write_units[name] / cost.records for cost in costs], 3)
    add("read units per usage record", [cost.read_units / cost.records for cost in costs], 3)
    dollars = [cost.dollars() for cost in costs]
    add("dollars per million usage records", [sum(each.values()) for each in dollars], 3)
    for name in dollars[0]:
        add(f"  {name}", [each[name] for each in dollars], 3)
    windows = [sum(each.values()) * PER_WINDOW for each in dollars]
    add("dollars per million windows", windows)
    add("usage records a second, on the emulator", [c.records / c.seconds for c in costs], 0)
    return "\n".join(lines)


def as_json(costs: Sequence[Cost]) -> dict[str, Any]:
    """The same for programs."""
    return {
        "machine": machine(),
        "records_per_window": PER_WINDOW,
        "results": [
            {
                "name": cost.name,
                "records": cost.records,
                "requests": dict(cost.requests),
                "requests_per_1000_records": cost.all_requests,
                "write_units_of_the_puts": dict(cost.put_units),
                "write_units": dict(cost.write_units),
                "write_units_per_record": cost.all_write_units,
                "read_units_per_record": cost.read_units / cost.records,
                "invocations": cost.invocations,
                "seconds_on_the_emulator": cost.seconds,
                "dollars_per_million_records": cost.dollars(),
            }
            for cost in costs
        ],
    }


def main() -> None:
    """Measure, print, and say whether the targets are met."""
    options = argparse.ArgumentParser(description="What metering costs on AWS.")
    options.add_argument("--records", type=int, default=5_000)
    options.add_argument("--json", metavar="FILE")
    chosen = options.parse_args()
    telemetry.log.setLevel("ERROR")
    costs = measure(chosen.records)
    sys.stdout.write(f"{machine()}\n{chosen.records:,} usage records, {PER_WINDOW} a window\n\n")
    sys.stdout.write(table(costs) + "\n\n")
    for name, found in (
        ("requests", costs[0].all_requests),
        ("write units", costs[0].all_write_units),
    ):
        kept = "met" if found <= TARGETS[name] else "missed"
        sys.stdout.write(f"target of {TARGETS[name]:g} {name}: {kept}, {found:.2f}\n")
    if chosen.json:
        Path(chosen.json).write_text(json.dumps(as_json(costs), indent=2), encoding="utf-8")


if __name__ == "__main__":
    main()
