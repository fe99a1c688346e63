"""Metering on DynamoDB from pending usage to its marks, against a server that is never the wait.

    python -m benchmarks.aws_end_to_end [--records 100000] [--json FILE]

*ours* seals, sends and marks through real boto3 clients. *plain* (`benchmarks.plain`) follows the
guide literally: a message and a request for each window, an `UpdateItem` for each usage record. The
server answers pending usage, marks and BatchMeterUsage from a can, and keeps our ledger in a real
stand-in, on another core. Rates are by the processor's time of this process.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
from collections import deque
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any
from unittest.mock import patch

from benchmarks import aws_seal
from benchmarks.aws_seal import NOW
from benchmarks.aws_write_back import Nothing, as_sent
from benchmarks.canned import client, only_on, rate, served, split_cores
from benchmarks.measuring import Figure, Result, repeated, save
from benchmarks.plain import Plain
from benchmarks.request_units import with_bytes
from marketplace_metering.adapters.aws.metering_api import MarketplaceApi
from marketplace_metering.adapters.dynamodb import DynamoStore, table_names
from marketplace_metering.adapters.dynamodb.items.tables import definitions
from marketplace_metering.adapters.machine import LogNotifier
from marketplace_metering.core.policy import Policy
from marketplace_metering.jobs.seal import seal
from marketplace_metering.jobs.submit import submit
from marketplace_metering.ports import Ports
from marketplace_metering.proof.fake_dynamodb import FakeDynamoDb, Faults
from marketplace_metering.proof.fake_dynamodb.client import FaultInjector
from marketplace_metering.proof.fake_dynamodb.tables import Table

STACK = "bench"
NAMES = table_names(STACK)
PER_WINDOW = 50
PACE = 1_000_000.0  # requests a second: the quota is not measured here
LEDGER = {
    b"query": "query",
    b"batchgetitem": "batch_get_item",
    b"batchexecutestatement": "batch_execute_statement",
    b"transactwriteitems": "transact_write_items",
}


class StandingClock:
    """It stays half past twelve."""

    def now(self) -> datetime:
        """See `ports.Clock`."""
        return NOW

    def sleep(self, seconds: float) -> None:
        """Nobody waits."""


class Server:
    """All of AWS that either of them talks to. It begins anew with every reading of the index."""

    def __init__(self, records: int) -> None:
        self._pages = aws_seal.answering(aws_seal.pages(records, records // PER_WINDOW))
        self._queue: deque[str] = deque()
        self._ledger = _empty_ledger()

    def __call__(self, operation: bytes, body: bytes) -> bytes:
        """One answer."""
        if operation in LEDGER:
            return self._dynamodb(operation, body)
        if operation == b"updateitem":
            return b"{}"
        said = json.loads(body)
        answer = {
            b"batchmeterusage": _metered,
            b"sendmessage": self._send,
            b"receivemessage": self._receive,
            b"deletemessagebatch": _deleted,
        }[operation](said)
        return json.dumps(answer).encode()

    def _dynamodb(self, operation: bytes, body: bytes) -> bytes:
        if operation == b"query" and NAMES.records.encode() in body:
            if b"ExclusiveStartKey" not in body and b'"true"' in body:
                self._ledger = _empty_ledger()
            return self._pages(operation, body)
        if operation == b"batchexecutestatement" and NAMES.records.encode() in body:
            count = body.count(b'"Statement":')
            return b'{"Responses":[' + b",".join([b"{}"] * count) + b"]}"
        parameters = json.loads(body, object_hook=with_bytes)
        parameters.pop("ClientRequestToken", None)
        answer = getattr(self._ledger, LEDGER[operation])(**parameters)
        return json.dumps(as_sent(answer)).encode()

    def _send(self, said: Mapping[str, Any]) -> dict[str, Any]:
        self._queue.append(said["MessageBody"])
        digest = hashlib.md5(said["MessageBody"].encode(), usedforsecurity=False).hexdigest()
        return {"MessageId": "1", "MD5OfMessageBody": digest}

    def _receive(self, said: Mapping[str, Any]) -> dict[str, Any]:
        count = min(said["MaxNumberOfMessages"], len(self._queue))
        bodies = [self._queue.popleft() for _ in range(count)]
        return {
            "Messages": [
                {
                    "MessageId": "1",
                    "ReceiptHandle": "1",
                    "Body": body,
                    "MD5OfBody": hashlib.md5(body.encode(), usedforsecurity=False).hexdigest(),
                }
                for body in bodies
            ]
        }


def _empty_ledger() -> FakeDynamoDb:
    tables = {table.name: table for table in map(Table, definitions(STACK))}
    return FakeDynamoDb(tables, FaultInjector(Faults(), 0), Nothing())


def _metered(said: Mapping[str, Any]) -> dict[str, Any]:
    results = [
        {"UsageRecord": record, "MeteringRecordId": f"id-{number}", "Status": "Success"}
        for number, record in enumerate(said["UsageRecords"])
    ]
    return {"Results": results, "UnprocessedRecords": []}


def _deleted(said: Mapping[str, Any]) -> dict[str, Any]:
    return {"Successful": [{"Id": each["Id"]} for each in said["Entries"]], "Failed": []}


def ours(url: str) -> int:
    """Seal, send, mark; answers how many usage records are marked."""
    store = DynamoStore(client(url), NAMES, now=lambda: NOW)
    metering = client(url, "meteringmarketplace", retries={"total_max_attempts": 1})
    clock, policy = StandingClock(), Policy(requests_per_second=PACE)
    ports = Ports(store, MarketplaceApi(metering, clock, PACE), clock, LogNotifier())
    sealed = seal(ports, policy)
    submitted = submit(ports, policy)
    assert submitted.billed == sealed.entries, "not everything was billed"
    return submitted.written_back


def plain(url: str, records: int) -> int:
    """The guide's two functions, with marks by one `UpdateItem` each."""
    endpoint = {
        "AWS_ENDPOINT_URL": url,
        "AWS_ACCESS_KEY_ID": "benchmark",
        "AWS_SECRET_ACCESS_KEY": "benchmark",
        "AWS_DEFAULT_REGION": "us-east-1",
    }
    with patch.dict(os.environ, endpoint):
        functions = Plain(NAMES.records, f"{url}/000000000000/metering")
        functions.job()
        while functions.processor():
            pass
    return records


def on_server(records: int, work: Callable[[str], int]) -> float:
    """The rate of a piece of work, with a server of its own."""
    mine, others = split_cores()
    with served(Server(records), others) as url, only_on(mine):
        return rate(records, lambda: work(url))


def run(records: int, plain_records: int, repeats: int) -> Result:
    """Measure both ways one after the other."""
    rates = repeated(
        repeats,
        lambda: {
            "ours": on_server(records, ours),
            "plain: as the guide, boto3": on_server(
                plain_records, lambda url: plain(url, plain_records)
            ),
        },
    )
    figures = [Figure.of(name, "records/s", values) for name, values in rates.items()]
    return Result(
        f"end to end on AWS: {records:,} usage records, {PER_WINDOW} in each window",
        figures,
        [f"ours is {figures[0].median / figures[1].median:.1f} times plain"],
    )


def main() -> None:
    """Measure and show."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--records", type=int, default=100_000)
    parser.add_argument("--plain-records", type=int, default=5_000)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--json", metavar="FILE")
    chosen = parser.parse_args()
    result = run(chosen.records, chosen.plain_records, chosen.repeats)
    result.show()
    save(chosen.json, [result])


if __name__ == "__main__":
    main()
