"""What a call of `record()` costs, beside what else an application could do with an event.

    python -m benchmarks.recorder            # about two minutes; numbers depend on the machine
    python -m benchmarks.recorder --quick

Everything runs pinned to one core; the table that takes usage records is a server of canned
answers in a process of its own, on another core if there is one. Each row calls the same thing in
a loop for 100 meters: once with a clock around every call (the percentiles, 50 ns of clock
included), and once without, for the processor's time a call takes in all, the kernel and the
thread that flushes included (events per second that would fill one core).
"""

from __future__ import annotations

import argparse
import os
import platform
import queue
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple

from benchmarks.canned import client, only_on, served, split_cores
from marketplace_metering import DynamoDBSink, UsageRecorder
from marketplace_metering.core.record import UsageRecord
from marketplace_metering.recorder import active_segment
from marketplace_metering.recorder import recorder as recorder_module
from marketplace_metering.recorder.place import Place
from marketplace_metering.recorder.sinks.port import Delivered

METERS = [f"{number:012d}" for number in range(100)]
DIMENSION = "api_calls"
PRODUCT = "abc123xyz456"
TABLE = "stack-MeteringRecords"


class Row(NamedTuple):
    """One way to treat an event."""

    name: str
    p50_ns: int
    p99_ns: int
    events_per_s: float


def measure(name: str, count: int, call: Callable[[str], object]) -> Row:
    """Percentiles and rate of a call."""
    for meter in METERS:
        call(meter)
    clock = time.perf_counter_ns
    times = [0] * count
    for index in range(count):
        meter = METERS[index % 100]
        begun = clock()
        call(meter)
        times[index] = clock() - begun
    begun_s = time.process_time()
    for index in range(count):
        call(METERS[index % 100])
    rate = count / (time.process_time() - begun_s)
    times.sort()
    return Row(name, times[count // 2], times[count * 99 // 100], rate)


def _done(operation: bytes, body: bytes) -> bytes:
    """The table takes everything."""
    return b"{}"


def recorder_rows(url: str, directory: Path, count: int) -> Iterator[Row]:
    def open_(**settings: Any) -> UsageRecorder:  # noqa: ANN401
        return UsageRecorder(DynamoDBSink(TABLE, client=client(url)), product=PRODUCT, **settings)

    with open_(durable=False) as memory:
        record = memory.record
        yield measure("record(), in memory", count, lambda meter: record(meter, DIMENSION, 1))
    with open_(spool=directory / "durable") as durable:
        record = durable.record
        yield measure("record(), durable", count, lambda meter: record(meter, DIMENSION, 1))
    with open_(spool=directory / "events") as events:
        record = events.record
        number = iter(range(10**9))
        at = datetime.now(UTC)
        yield measure(
            "record(), durable, event id",
            min(count, 20_000),
            lambda meter: record(meter, DIMENSION, 1, at=at, event_id=f"event-{next(number)}"),
        )
    with open_(spool=directory / "fsync", fsync=True) as synced:
        record = synced.record
        yield measure(
            "record(), durable, fsync",
            min(count, 1_000),
            lambda meter: record(meter, DIMENSION, 1),
        )


def other_rows(url: str, count: int) -> Iterator[Row]:
    put = queue.SimpleQueue[tuple[str, str, int]]().put
    yield measure("queue.SimpleQueue.put", count, lambda meter: put((meter, DIMENSION, 1)))
    put_locked = queue.Queue[tuple[str, str, int]]().put
    yield measure("queue.Queue.put", count, lambda meter: put_locked((meter, DIMENSION, 1)))
    try:
        from opentelemetry.sdk.metrics import MeterProvider
        from opentelemetry.sdk.metrics.export import InMemoryMetricReader
    except ImportError:
        print("(OpenTelemetry is not installed: pip install opentelemetry-sdk)", file=sys.stderr)
    else:
        provider = MeterProvider([InMemoryMetricReader()])
        add = provider.get_meter("benchmark").create_counter("usage").add
        yield measure(
            "OpenTelemetry Counter.add",
            count,
            lambda meter: add(1, {"account": meter, "dimension": DIMENSION, "product": PRODUCT}),
        )
        provider.shutdown()
    dynamodb = client(url)
    yield measure(
        "boto3 put_item per event", min(count, 2_000), lambda meter: put_plainly(dynamodb, meter)
    )


def put_plainly(client: Any, meter: str) -> None:  # noqa: ANN401
    """The guide's example."""
    client.put_item(
        TableName=TABLE,
        Item={
            "customerAWSAccountId": {"S": meter},
            "productCode": {"S": PRODUCT},
            "create_timestamp": {"N": str(int(time.time() * 1000))},
            "dimension": {"S": DIMENSION},
            "quantity": {"N": "1"},
            "metering_pending": {"S": "true"},
        },
    )


class CountingSink:
    """Takes everything and counts it."""

    name = "counting"

    def __init__(self) -> None:
        self.writes = 0

    def place(self) -> Place:
        """Nowhere."""
        return Place()

    def put(self, records: Sequence[UsageRecord]) -> Delivered:
        self.writes += len(records)
        return Delivered()

    def close(self) -> None:
        """Nothing is open."""

    def abandon(self) -> None:
        """Nothing is open."""


def writes_per_million(events: int, events_per_s: int = 1_000) -> float:
    """Usage records for a million events of 100 meters, with time played at its real pace."""
    start_ns = 1_795_500_000 * 10**9  # some full hour
    now = SimpleNamespace(ns=start_ns)
    played = SimpleNamespace(
        time_ns=lambda: now.ns, monotonic=lambda: (now.ns - start_ns) / 10**9, sleep=time.sleep
    )
    sink = CountingSink()
    modules = (vars(active_segment), vars(recorder_module))
    for names in modules:
        names["time"] = played
    try:
        usage = UsageRecorder(sink, durable=False, product=PRODUCT, background=False)
        for number in range(events):
            now.ns += 10**9 // events_per_s
            usage.record(METERS[number % 100], DIMENSION, 1)
            usage.flush_if_due()
        usage.flush()
    finally:
        for names in modules:
            names["time"] = time
    return sink.writes * 1_000_000 / events


def import_ms(tries: int = 15) -> float:
    """The processor's time that a fresh interpreter takes for the import, at its quickest."""
    program = (
        "import time; begun = time.process_time()\n"
        "from marketplace_metering import UsageRecorder\n"
        "print((time.process_time() - begun) * 1000)"
    )
    command = [sys.executable, "-c", program]
    return min(float(subprocess.check_output(command)) for _ in range(tries))  # noqa: S603


def show(rows: Sequence[Row], writes: float, import_: float) -> None:
    lines = [
        f"Python {platform.python_version()}, {platform.machine()}, {os.cpu_count()} cores, "
        f"{datetime.now(UTC):%Y-%m-%d}",
        "",
        "| | p50 µs | p99 µs | events/s, one core |",
        "|---|---|---|---|",
        *(
            f"| {name} | {p50 / 1000:.1f} | {p99 / 1000:.1f} | {rate:,.0f} |"
            for name, p50, p99, rate in rows
        ),
        "",
        f"usage records per million events (1,000/s over 100 meters, no ids): {writes:,.0f}, "
        f"that is {writes / 10_000:.2f} % of one write per event",
        f"import of UsageRecorder: {import_:.0f} ms",
    ]
    print("\n".join(lines))


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure the recorder.")
    parser.add_argument("--quick", action="store_true", help="fewer calls, rougher numbers")
    quick = parser.parse_args().quick
    count = 20_000 if quick else 300_000
    mine, others = split_cores()
    with tempfile.TemporaryDirectory() as directory, served(_done, others) as url, only_on(mine):
        rows = [*recorder_rows(url, Path(directory), count), *other_rows(url, count)]
    show(rows, writes_per_million(100_000 if quick else 1_000_000), import_ms())


if __name__ == "__main__":
    main()
