"""The examples do what they say."""

from __future__ import annotations

import asyncio
import json
import re
import subprocess
from collections import Counter
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from marketplace_metering import UsageRecorder
from marketplace_metering.core.event import next_place, place_of
from marketplace_metering.core.record_item import timestamp_text
from tests.guide.node import BIN
from tests.recorder.build import BUYER, OTHER, ListSink, an_hour_ago, kill, recorder

ROOT = Path(__file__).parents[2]
NODE = str(BIN / "node")  # of the locked environment: none has to be installed
NODE_EXAMPLE = ROOT / "examples/record_usage.mjs"


@pytest.fixture
def sink() -> ListSink:
    return ListSink()


@pytest.fixture
def usage(sink: ListSink, tmp_path: Path) -> Iterator[UsageRecorder]:
    with recorder(sink, tmp_path) as usage:
        yield usage


def sums(sink: ListSink) -> Counter[tuple[str, str]]:
    found: Counter[tuple[str, str]] = Counter()
    for record in sink.records.values():
        found[record.account, record.dimension] += record.micros
    return found


def test_fastapi_counts_the_calls_of_each_tenant(sink: ListSink, usage: UsageRecorder) -> None:
    from examples.fastapi_app import make_app

    app = make_app(usage)

    async def calls() -> list[int]:
        async with app.router.lifespan_context(app):
            return [
                *[await status_of(app, "GET", "/hello", "key-of-ada") for _ in range(3)],
                await status_of(app, "POST", "/files", "key-of-bob", bytes(2_500_000)),
                await status_of(app, "GET", "/missing", "key-of-bob"),
                await status_of(app, "GET", "/hello", "of nobody"),
            ]

    assert asyncio.run(calls()) == [200, 200, 200, 200, 404, 401]
    assert sums(sink) == {
        (BUYER, "api_calls"): 3_000_000,
        (OTHER, "api_calls"): 1_000_000,
        (OTHER, "storage_gb"): 2_500,
    }


async def status_of(app: Any, method: str, path: str, key: str, body: bytes = b"") -> int:
    """One request, as an ASGI server hands it to an application."""
    status = 0

    async def receive() -> dict[str, object]:
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: dict[str, Any]) -> None:
        nonlocal status
        status = message.get("status", status)

    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": method,
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "headers": [(b"x-api-key", key.encode())],
    }
    await app(scope, receive, send)
    return status


def test_the_worker_counts_jobs_that_come_again_once(sink: ListSink, tmp_path: Path) -> None:
    from examples.worker import Queue, job_of, work

    queue = Queue()
    for number in range(5):
        queue.waiting.append(job_of(f"job-{number}", BUYER, "1.5", an_hour_ago()))

    def die_at_the_fourth(job_id: str) -> None:
        if job_id == "job-3":
            raise KeyboardInterrupt

    usage = recorder(sink, tmp_path)
    with pytest.raises(KeyboardInterrupt):
        work(queue, usage, die_at_the_fourth)
    kill(usage)
    queue.redeliver()
    queue.waiting.append(job_of("job-0", BUYER, "1.5", an_hour_ago()))
    with recorder(sink, tmp_path) as successor:
        assert work(queue, successor, lambda job_id: None) == 3
    assert sums(sink) == {(BUYER, "transcoded_minutes"): 5 * 1_500_000}


def test_the_worker_puts_aside_what_can_never_be_metered(
    usage: UsageRecorder, capsys: pytest.CaptureFixture[str]
) -> None:
    from examples.worker import Queue, job_of, work

    queue = Queue()
    queue.waiting.append(job_of("job-1", "12345", "1.5", an_hour_ago()))
    assert work(queue, usage, lambda job_id: None) == 1
    assert "account '12345' refused: must be exactly 12 digits" in capsys.readouterr().out


def run_node(script: str) -> object:
    source = f"import * as example from {json.dumps(NODE_EXAMPLE.as_uri())};\n{script}"
    out = subprocess.check_output([NODE, "--input-type=module", "-e", source], text=True)
    return json.loads(out)


def test_node_finds_the_same_places() -> None:
    at_ms = 1_708_012_345_678
    ids = ["order-4711", "größe ✓", "x" * 256]
    found = run_node(
        f"console.log(JSON.stringify({json.dumps(ids)}.map(id => {{"
        f"const places = example.placesOf(id, new Date({at_ms}));"
        "return [places.next().value, places.next().value] })))"
    )
    expected = []
    for event_id in ids:
        place = place_of(event_id, at_ms * 1_000_000)
        expected.append([Decimal(timestamp_text(each)) for each in (place, next_place(place))])
    assert [[Decimal(each) for each in pair] for pair in found] == expected  # type: ignore[attr-defined]


def test_node_counts_an_event_once_and_records_as_the_guide_does() -> None:
    """Against a table in JavaScript that answers as DynamoDB does."""
    script = """
const items = new Map();
const marshalled = (item) => Object.fromEntries(Object.entries(item).map(
    ([name, value]) => [name, {[typeof value === 'number' ? 'N' : 'S']: String(value)}]));
const table = {
    number: (text) => text,
    put: async ({ Item, ConditionExpression }) => {
        const key = Item.customerAWSAccountId + Item.create_timestamp;
        if (ConditionExpression && items.has(key)) {
            const error = new Error('condition');
            error.name = 'ConditionalCheckFailedException';
            error.Item = marshalled(items.get(key));
            throw error;
        }
        items.set(key, Item);
    },
};
const at = new Date(1708012345678);
const record = (quantity, id) => example.recordEvent(
    table, '123456789012', 'abc123xyz456', 'orders', quantity, id, at);
const answers = [await record(1, 'a'), await record(1, 'a'), await record(2, 'b')];
await record(5, 'a').catch((error) => answers.push(error.message));
await example.recordUsage(table, '123456789012', 'abc123xyz456', 'api_calls', 10);
console.log(JSON.stringify({ answers, items: [...items.values()] }));
"""
    found = run_node(script)
    assert isinstance(found, dict)
    assert found["answers"] == [
        *(True, False, True),
        "event a was recorded before with other content",
    ]
    assert [item["quantity"] for item in found["items"]] == [1, 2, 10]
    plain = found["items"][2]
    assert plain["metering_pending"] == "true"
    assert set(plain) == {
        "customerAWSAccountId",
        "productCode",
        "create_timestamp",
        "dimension",
        "quantity",
        "metering_pending",
    }


def test_the_page_shows_the_guides_example_as_it_is_tested() -> None:
    """What stands in docs/recorder.md and what Node.js ran above write the same item."""
    page = (ROOT / "docs/recorder.md").read_text()
    shown = re.search(r"Item: (\{.*?\})", page, re.DOTALL)
    tested = re.search(r"Item: (\{.*?\})", NODE_EXAMPLE.read_text(), re.DOTALL)
    assert shown is not None
    assert tested is not None
    assert shown[1].split() == tested[1].split()


def test_the_pages_python_works_as_printed(tmp_path: Path) -> None:
    page = (ROOT / "docs/recorder.md").read_text()
    block = page.split("```python")[1].split("```")[0]
    block = block.replace("dynamodb://my-stack", f"sqlite:///{tmp_path}/m.db")
    exec(block.replace("/var/lib/my-app/usage", f"{tmp_path}/spool"), {})
    assert (tmp_path / "m.db").exists()
    assert not list((tmp_path / "spool").iterdir())
