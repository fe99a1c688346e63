"""Marking usage records with their outcome on DynamoDB, against a server of canned answers.

    python -m benchmarks.aws_write_back [--records 250000] [--windows 2500] [--json FILE]

*ours* is `store.write_back` through real boto3 clients: every entry with marks that are behind is
read, its members are unpacked, and each gets its one conditional write. *plain* is what the guide
asks for literally: one `UpdateItem` a record with boto3, in 16 threads. Rates are by the
processor's time of this process, since cores are shared; the server runs on another core.
"""

from __future__ import annotations

import argparse
import json
from array import array
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

from benchmarks.canned import client, only_on, rate, served, split_cores
from benchmarks.measuring import Figure, Result, repeated, save
from marketplace_metering.adapters.dynamodb import DynamoStore, table_names
from marketplace_metering.adapters.dynamodb.items.member_list import MemberColumns
from marketplace_metering.adapters.dynamodb.items.tables import definitions
from marketplace_metering.core import ledger
from marketplace_metering.core.hours import NS_PER_MS, UsageHour
from marketplace_metering.core.identity import Meter
from marketplace_metering.core.ledger import Change, Entry
from marketplace_metering.core.outcome import Accepted
from marketplace_metering.core.plan import Book, Group, plan
from marketplace_metering.core.policy import Policy, Scope
from marketplace_metering.core.quantity import Quantity
from marketplace_metering.proof.fake_dynamodb import FakeDynamoDb, Faults
from marketplace_metering.proof.fake_dynamodb.client import FaultInjector
from marketplace_metering.proof.fake_dynamodb.tables import Table

STACK = "bench"
NOW = datetime(2026, 11, 20, 12, 30, tzinfo=UTC)
HOUR = datetime(2026, 11, 20, 11, tzinfo=UTC)
PLAIN_THREADS = 16


class Nothing:
    """What happens between two steps of the stand-in."""

    def between(self, place: str) -> None:
        """Nothing."""

    def inside(self, place: str) -> None:
        """Nothing."""


def billed_ledger(windows: int, members: int) -> FakeDynamoDb:
    """A stand-in in which so many entries are billed and no member is marked."""
    tables = {table.name: table for table in map(Table, definitions(STACK))}
    stand_in = FakeDynamoDb(tables, FaultInjector(Faults(), 0), Nothing())
    store = DynamoStore(stand_in, table_names(STACK), now=lambda: NOW, workers=1)
    hour = UsageHour.of(HOUR)
    policy = Policy()
    start_ms = int(HOUR.timestamp() * 1_000)
    plans = []
    for window in range(windows):
        ns = array("q", ((start_ms + n * 3_599_000 // members) * NS_PER_MS for n in range(members)))
        micros = array("q", (1_000_000 for _ in range(members)))
        meter = Meter("abc123xyz456", f"{window:012d}", "api_calls", None)
        columns = MemberColumns(ns, micros)
        group = Group(meter, hour, (), Quantity(sum(micros)), members, ns[0], columns)
        book = Book(meter.book_key, 0)
        plans.append(plan(book, [group], NOW, policy, Scope.CLOSED_HOURS))
    assert all(store.append(plans, NOW)), "the plans do not fit an empty ledger"
    keys = [sealing.entry.key for each in plans for sealing in each.sealings]

    def begin(entry: Entry) -> Change | None:
        return ledger.begin(entry, NOW, policy)

    def bill(entry: Entry) -> Change | None:
        return ledger.answer(entry, entry.begun, Accepted("1f3f2e5c-0000-4000"), NOW, policy)

    store.change(keys, begin, NOW)
    assert len(store.change(keys, bill, NOW)) == windows
    return stand_in


def answering(stand_in: FakeDynamoDb) -> Callable[[bytes, bytes], bytes]:
    """That ledger, whose writes are all answered with success and never done."""

    def answer(operation: bytes, body: bytes) -> bytes:
        if operation == b"batchexecutestatement":
            count = body.count(b'"Statement":')
            return b'{"Responses":[' + b",".join([b'{"TableName":"%s"}' % b"bench"] * count) + b"]}"
        if operation == b"updateitem":
            return b"{}"
        name = {b"query": "query", b"batchgetitem": "batch_get_item"}[operation]
        return json.dumps(as_sent(getattr(stand_in, name)(**_read(json.loads(body))))).encode()

    return answer


def as_sent(value: object) -> object:
    """Binary attributes as they go over the wire."""
    import base64

    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    if isinstance(value, dict):
        return {name: as_sent(each) for name, each in value.items() if name != "ResponseMetadata"}
    return [as_sent(each) for each in value] if isinstance(value, list) else value


def _read(value: dict[str, object]) -> dict[str, object]:
    return {name: each for name, each in value.items() if name != "ReturnConsumedCapacity"}


def ours(url: str) -> int:
    store = DynamoStore(client(url), table_names(STACK), now=lambda: NOW)
    return store.write_back(None)


def plain(url: str, records: int) -> int:
    dynamodb = client(url, max_pool_connections=PLAIN_THREADS)

    def mark(number: int) -> int:
        dynamodb.update_item(
            TableName=table_names(STACK).records,
            Key={
                "customerAWSAccountId": {"S": f"{number % 1_000:012d}"},
                "create_timestamp": {"N": str(1_700_000_000_000 + number)},
            },
            UpdateExpression="SET metering_response = :said REMOVE metering_pending",
            ExpressionAttributeValues={":said": {"S": "Success"}},
        )
        return 1

    with ThreadPoolExecutor(PLAIN_THREADS) as pool:
        return sum(pool.map(mark, range(records)))


def run(records: int, windows: int, plain_records: int, repeats: int) -> Result:
    """Measure both ways one after the other."""
    mine, others = split_cores()
    members = records // windows
    records = members * windows
    stand_in = billed_ledger(windows, members)
    with served(answering(stand_in), others) as url, only_on(mine):
        rates = repeated(
            repeats,
            lambda: {
                "ours": rate(records, lambda: ours(url)),
                "plain: UpdateItem, 16 threads": rate(
                    plain_records, lambda: plain(url, plain_records)
                ),
            },
        )
    figures = [Figure.of(name, "records/s", values) for name, values in rates.items()]
    return Result(
        f"write back on AWS: mark {records:,} usage records of {windows:,} windows",
        figures,
        [f"ours is {figures[0].median / figures[1].median:.1f} times plain"],
    )


def main() -> None:
    """Measure and show."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--records", type=int, default=250_000)
    parser.add_argument("--windows", type=int, default=2_500)
    parser.add_argument("--plain-records", type=int, default=4_000)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--json", metavar="FILE")
    chosen = parser.parse_args()
    result = run(chosen.records, chosen.windows, chosen.plain_records, chosen.repeats)
    result.show()
    save(chosen.json, [result])


if __name__ == "__main__":
    main()
