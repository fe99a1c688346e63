"""Reading and grouping a million pending usage records on DynamoDB, from canned answers.

    python -m benchmarks.aws_seal [--records 1000000] [--windows 10000] [--json FILE]

*ours* is `store.pending`: every page of the index through boto3, grouped, and compared with the
ledger's heads. *floor* is the same bytes, fetched with signed requests by urllib3 and parsed by
orjson, and nothing done with them. *plain* is boto3's client as it comes, summing into a dict as
the guide's job does. Rates are by the processor's time of this process, since cores are shared.
"""

from __future__ import annotations

import argparse
import json
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal

import orjson
import urllib3
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from benchmarks.canned import REGION, client, only_on, rate, served, split_cores
from benchmarks.measuring import Figure, Result, repeated, save
from marketplace_metering.adapters.dynamodb import DynamoStore, table_names
from marketplace_metering.core.policy import Policy

PAGE_BYTES = 1_000_000  # a Query answers at most 1 MB of items at a time
ITEM_BYTES = 115  # of a record in the guide's format, names and values, as DynamoDB counts
NOW = datetime(2026, 11, 20, 12, 30, tzinfo=UTC)
HOURS = 10
PRODUCT = "abc123xyz456"


def pages(records: int, windows: int, hours: int = HOURS) -> list[bytes]:
    """The answers to the queries; the times rise as they do in the index."""
    buyers = max(windows // hours, 1)
    start_ms = int(datetime(2026, 11, 20, 2, tzinfo=UTC).timestamp() * 1_000)
    per_page = PAGE_BYTES // ITEM_BYTES
    answers: list[bytes] = []
    for first in range(0, records, per_page):
        items = [
            {
                "customerAWSAccountId": {"S": f"{number * 7919 % buyers:012d}"},
                "quantity": {"N": str(1 + number % 9)},
                "productCode": {"S": PRODUCT},
                "create_timestamp": {"N": str(start_ms + number * hours * 3_600_000 // records)},
                "metering_pending": {"S": "true"},
                "dimension": {"S": "api_calls"},
            }
            for number in range(first, min(first + per_page, records))
        ]
        answer: dict[str, object] = {
            "Count": len(items),
            "Items": items,
            "ScannedCount": len(items),
        }
        if first + per_page < records:
            answer["LastEvaluatedKey"] = {"page": {"S": str(len(answers) + 1)}}
        answers.append(json.dumps(answer, separators=(",", ":")).encode())
    return answers


def answering(answers: list[bytes]) -> Callable[[bytes, bytes], bytes]:
    """DynamoDB with these pages in its index, and an empty ledger."""

    def answer(operation: bytes, body: bytes) -> bytes:
        if operation == b"query":
            if b'"true.' in body:
                return b'{"Count":0,"Items":[],"ScannedCount":0}'  # the shards are empty
            key = json.loads(body).get("ExclusiveStartKey")
            return answers[int(key["page"]["S"]) if key else 0]
        return b'{"Responses":{}}'

    return answer


def ours(url: str) -> int:
    store = DynamoStore(client(url), table_names("bench"), now=lambda: NOW)
    found = store.pending(NOW, Policy())
    return sum(group.record_count for _book, groups in found for group in groups)


def plain(url: str) -> int:
    """As the guide's job: the resource-like client, and a sum for each window."""
    dynamodb = client(url)
    sums: Counter[tuple[str, str, str, int]] = Counter()
    query = {"TableName": "bench-MeteringRecords", "IndexName": "PendingMeteringRecordsIndex"}
    key: dict[str, object] = {}
    count = 0
    while True:
        answer = dynamodb.query(**query, **key)
        for item in answer["Items"]:
            window = (
                item["customerAWSAccountId"]["S"],
                item["productCode"]["S"],
                item["dimension"]["S"],
                int(item["create_timestamp"]["N"]) // 3_600_000,
            )
            sums[window] += Decimal(item["quantity"]["N"])  # type: ignore[assignment]
        count += len(answer["Items"])
        if "LastEvaluatedKey" not in answer:
            return count
        key = {"ExclusiveStartKey": answer["LastEvaluatedKey"]}


def floor(url: str) -> int:
    """Signed requests without boto3, parsed by orjson."""
    pool = urllib3.PoolManager()
    signer = SigV4Auth(Credentials("benchmark", "benchmark"), "dynamodb", REGION)
    key: object = None
    count = 0
    while True:
        query = {"TableName": "bench-MeteringRecords", "IndexName": "PendingMeteringRecordsIndex"}
        body = json.dumps(query | ({"ExclusiveStartKey": key} if key else {})).encode()
        request = AWSRequest(
            "POST",
            url,
            data=body,
            headers={
                "X-Amz-Target": "DynamoDB_20120810.Query",
                "Content-Type": "application/x-amz-json-1.0",
            },
        )
        signer.add_auth(request)
        answer = pool.request("POST", url, body=body, headers=dict(request.headers.items()))
        found = orjson.loads(answer.data)
        count += len(found["Items"])
        key = found.get("LastEvaluatedKey")
        if key is None:
            return count


def run(records: int, windows: int, repeats: int) -> Result:
    """Measure the three ways one after the other."""
    mine, others = split_cores()
    answers = pages(records, windows)
    with served(answering(answers), others) as url, only_on(mine):
        rates = repeated(
            repeats,
            lambda: {
                "floor: urllib3 and orjson alone": rate(records, lambda: floor(url)),
                "ours": rate(records, lambda: ours(url)),
                "plain: boto3's client": rate(records, lambda: plain(url)),
            },
        )
    figures = [Figure.of(name, "records/s", values) for name, values in rates.items()]
    floor_figure, our_figure, plain_figure = figures
    return Result(
        f"seal on AWS: read and group {records:,} usage records in {windows:,} windows",
        figures,
        [
            f"ours is {our_figure.median / floor_figure.median:.2f} of the floor, "
            f"{our_figure.median / plain_figure.median:.1f} times plain"
        ],
    )


def main() -> None:
    """Measure and show."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--records", type=int, default=1_000_000)
    parser.add_argument("--windows", type=int, default=10_000)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--json", metavar="FILE")
    chosen = parser.parse_args()
    result = run(chosen.records, chosen.windows, chosen.repeats)
    result.show()
    save(chosen.json, [result])


if __name__ == "__main__":
    main()
