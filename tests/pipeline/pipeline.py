"""A deployed stack, an application that writes to it, and what must be true in the end."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from decimal import Decimal
from typing import Any, NamedTuple

import boto3
from botocore.config import Config

from marketplace_metering.adapters.dynamodb import DynamoReports, table_names
from marketplace_metering.core.ledger import Entry
from marketplace_metering.core.views import EntryFilter
from tests.deploy.emulator import REPOSITORY, Emulator

PATIENCE_S = 900  # a large backlog on a busy machine; what is waited for mostly takes a second
DIMENSION = "api_calls"
MS_PER_HOUR = 3_600_000
RING = '{"doorbell": "entries are due"}'
# The emulator answers an invocation when the function has ended.
PATIENT = Config(read_timeout=PATIENCE_S, retries={"total_max_attempts": 1})


class Use(NamedTuple):
    """What one usage record says."""

    buyer: str
    ms: int
    quantity: Decimal


def usage(buyers: Iterable[int], per_window: int, hours: int = 1) -> list[Use]:
    """So many usage records of each buyer in each of the latest closed hours.

    No hour is older than three, so that AWS still takes all of it at a month's end.
    """
    assert hours <= 3
    now_ms = int(time.time() * 1_000)
    this_hour_ms = now_ms - now_ms % MS_PER_HOUR
    return [
        Use(
            f"{buyer:012d}",
            this_hour_ms - (back + 1) * MS_PER_HOUR + number * (MS_PER_HOUR - 1) // per_window,
            Decimal(1 + (buyer + number) % 7) / (4 if buyer % 2 else 1),
        )
        for buyer in buyers
        for back in range(hours)
        for number in range(per_window)
    ]


def begin(*processes: subprocess.Popen[str]) -> None:
    """At one word, all of them."""
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()


class Pipeline:
    """One stack of the real template; every usage record is of a product of its own."""

    def __init__(
        self, session: boto3.session.Session, aws: Emulator, stack: str, outputs: Mapping[str, str]
    ) -> None:
        self.session = session
        self.aws = aws
        self.stack = stack
        self.product = f"prod-{stack}"
        self.queue = outputs["DoorbellQueueUrl"]
        self.names = table_names(stack)
        self.dynamodb = session.client("dynamodb")
        self.sqs = session.client("sqs")
        self.functions = session.client("lambda", config=PATIENT)
        self.reports = DynamoReports(self.dynamodb, self.names)
        self.recorded: Counter[str] = Counter()
        for rule in ("MeteringSchedule", "MeteringRetry"):  # a test's own runs only
            session.client("events").disable_rule(Name=f"{stack}-{rule}")

    def connect_queue(self, is_connected: bool) -> None:
        """Whether messages wake the deployed processor."""
        name = f"{self.stack}-MeteringProcessor"
        found = self.functions.list_event_source_mappings(FunctionName=name)
        for mapping in found["EventSourceMappings"]:
            self.functions.update_event_source_mapping(UUID=mapping["UUID"], Enabled=is_connected)

    def record(self, uses: Iterable[Use]) -> None:
        """Plain usage records, twenty-five a request."""
        puts = []
        for use in uses:
            self.recorded[use.buyer] += int(use.quantity * 1_000_000)
            item = {
                "customerAWSAccountId": {"S": use.buyer},
                "productCode": {"S": self.product},
                "create_timestamp": {"N": str(use.ms)},
                "dimension": {"S": DIMENSION},
                "quantity": {"N": str(use.quantity)},
                "metering_pending": {"S": "true"},
            }
            puts.append({"PutRequest": {"Item": item}})
        for start in range(0, len(puts), 25):
            self.dynamodb.batch_write_item(
                RequestItems={self.names.records: puts[start : start + 25]}
            )

    def invoke(self, function: str, event: object = None) -> Any:
        """Run a deployed function; answers what it says."""
        answer = self.functions.invoke(
            FunctionName=f"{self.stack}-{function}", Payload=json.dumps(event or {}).encode()
        )
        said = json.loads(answer["Payload"].read())
        assert "FunctionError" not in answer, said
        return said

    def deliver(self, *bodies: str) -> None:
        """A batch of messages comes to the deployed processor."""
        records = [{"messageId": str(n), "body": body} for n, body in enumerate(bodies)]
        said = self.invoke("MeteringProcessor", {"Records": records})
        assert said == {"batchItemFailures": []}

    @contextmanager
    def process(
        self, function: str, event: object, **environment: str
    ) -> Iterator[subprocess.Popen[str]]:
        """One of the functions, ready to begin in a process of its own; dead in the end."""
        name = {"job": "MeteringJob", "processor": "MeteringProcessor"}[function]
        deployed = self.functions.get_function_configuration(FunctionName=f"{self.stack}-{name}")
        running = subprocess.Popen(
            [sys.executable, "-m", "tests.pipeline.function", function, json.dumps(event)],
            cwd=REPOSITORY,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={
                "PATH": os.environ["PATH"],
                **deployed["Environment"]["Variables"],
                **self.aws.environment,
                **environment,
            },
        )
        try:
            assert running.stdout is not None
            assert running.stdout.readline() == "ready\n"
            yield running
        finally:
            running.kill()
            running.communicate()

    def is_pending(self) -> bool:
        """Whether the guide's query finds pending usage."""
        found = self.dynamodb.query(
            TableName=self.names.records,
            IndexName="PendingMeteringRecordsIndex",
            KeyConditionExpression="metering_pending = :pending",
            ExpressionAttributeValues={":pending": {"S": "true"}},
            Limit=1,
        )
        return bool(found["Items"])

    def wait_until_nothing_is_pending(self) -> None:
        end = time.monotonic() + PATIENCE_S
        asked_at = time.monotonic()
        while self.is_pending():
            now = time.monotonic()
            assert now < end, f"still pending after {PATIENCE_S} s"
            time.sleep(0.1 + 4 * (now - asked_at))  # looking takes the emulator's time, too
            asked_at = time.monotonic()

    def entries(self) -> list[Entry]:
        """The whole ledger."""
        return [view.entry for view in self.reports.entries(EntryFilter())]

    def accepted(self) -> Counter[str]:
        """What AWS bills, in millionths, by buyer."""
        found: Counter[str] = Counter()
        for each in self.aws.simulator.simulator.accepted:
            if each.window.product_code == self.product:
                assert each.window.dimension == DIMENSION
                found[each.window.buyer] += each.content.quantity
        return found

    def times_sent(self) -> Counter[tuple[str, int]]:
        """How often each window was sent; never with two contents."""
        audit = self.aws.simulator.simulator.audit
        own = {w: sent for w, sent in audit.sent() if w.product_code == self.product}
        assert all(len(contents) == 1 for contents in own.values())
        return Counter({(w.buyer, w.hour): sent[0].times for w, sent in own.items()})

    def assert_billed_exactly(self) -> None:
        """AWS has all of it once, the ledger and every usage record say so."""
        assert self.accepted() == self.recorded
        assert not self.is_pending()
        (books,) = self.reports.balances()
        assert books.is_balanced, books
        done = books.billed.quantity.micros + books.presumed.quantity.micros
        assert done == self.recorded.total()
        assert books.billed.records + books.presumed.records == self.marked_done()

    def marked_done(self) -> int:
        """How many usage records say that they were billed; no other says anything."""
        count = 0
        for page in self.dynamodb.get_paginator("scan").paginate(TableName=self.names.records):
            for item in page["Items"]:
                said = item["metering_response"]["S"]
                assert said.startswith(("billed: ", "presumed: ")), said
                assert "metering_failed" not in item
                count += 1
        return count
