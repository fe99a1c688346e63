"""The guide from its first example to its last command, on `metering local up`.

Two products and three buyers; what the examples write is billed by the job that the guide's own
command runs. Each command is run as it is printed, with the AWS CLI in both versions.
"""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tests.deploy.story import into_the_hour
from tests.guide import aws_cli, node
from tests.guide.blocks import ROOT, block, blocks
from tests.guide.world import GuideWorld, Meter, Up

pytestmark = pytest.mark.xdist_group("guide")

A, B = "abc123xyz456", "def789uvw012"
FIRST, SECOND, THIRD = "123456789012", "111122223333", "444455556666"
# With the functions of the examples, for two more buyers; never twice in a millisecond.
MORE_PYTHON = f"""
record_usage('{SECOND}', '{A}', 'users', 3)
time.sleep(0.002)
record_usage('{SECOND}', '{B}', 'api_calls', 250)
"""
PAUSE = "await new Promise((done) => setTimeout(done, 2));"
MORE_NODE = f"""
await recordUsage('{THIRD}', '{A}', 'api_calls', 12);
{PAUSE}
await recordUsage('{THIRD}', '{A}', 'api_calls', 8);
{PAUSE}
await recordUsage('{THIRD}', '{B}', 'storage_gb', 1.5);
"""
WRITTEN: dict[Meter, Decimal | int] = {
    (A, FIRST, "api_calls"): 10 + 10 + 10,  # as printed, by the program, by the recorder
    (B, FIRST, "users"): 5 + 5,
    (A, FIRST, "users"): 5,
    (B, FIRST, "storage_gb"): 100,
    (A, FIRST, "transactions"): 1,
    (A, SECOND, "users"): 3,
    (B, SECOND, "api_calls"): 250,
    (A, THIRD, "api_calls"): 20,
    (B, THIRD, "storage_gb"): Decimal("1.5"),
}
RECORDS = 13
LOG_PATIENCE_S = 20


@pytest.fixture(scope="module")
def world(up: Up) -> GuideWorld:
    """A stack without usage."""
    return up("guide")


@pytest.fixture(scope="module")
def written(world: GuideWorld) -> Any:
    """Every example was run; what the query for pending records answers then."""
    into_the_hour()
    world.shell.folder.joinpath("node_modules").symlink_to(node.project() / "node_modules")
    _run_python(world, block("python", "def record_usage(").of(world.stack) + MORE_PYTHON)
    _run_python(world, block("python", "record_usage_safely").of(world.stack))
    _run_python(world, block("python", "UsageRecorder").of(world.stack))
    example = block("javascript", "PutCommand").of(world.stack)
    (world.shell.folder / "example.mjs").write_text(example + MORE_NODE)
    for name in ("require.mjs", "record_usage.js"):
        shutil.copy(ROOT / "examples/guide" / name, world.shell.folder)
    world.shell.run("node --import ./require.mjs example.mjs")
    world.shell.run(f"TABLE={world.stack}-MeteringRecords node record_usage.js")
    return world.pending()


def _run_python(world: GuideWorld, source: str) -> None:
    (world.shell.folder / "example.py").write_text(source)
    world.shell.run("python example.py")


@pytest.fixture(scope="module")
def metered(world: GuideWorld, written: Any) -> Mapping[str, Any]:
    """The job was invoked by hand; what it answered."""
    answer: Mapping[str, Any] = world.invoke()
    world.wait_until_nothing_is_pending()
    return answer


def test_what_the_examples_wrote_is_pending(written: Any) -> None:
    items = written["Items"]
    assert len(items) == RECORDS
    assert {each["metering_pending"]["S"] for each in items} == {"true"}


def test_the_simulator_accepted_what_was_written(
    world: GuideWorld, metered: Mapping[str, Any]
) -> None:
    """Two products, three buyers: to the last decimal, and nothing else."""
    assert (metered["usage_records"], metered["quantity"]) == (RECORDS, str(sum(WRITTEN.values())))
    ours = {meter: sum_ for meter, sum_ in world.billed().items() if meter[0] in (A, B)}
    assert ours == WRITTEN


@pytest.mark.usefixtures("metered")
def test_each_record_shows_its_outcome(world: GuideWorld) -> None:
    by_buyer = world.command("customerAWSAccountId = :buyer")
    seen = 0
    for buyer in (FIRST, SECOND, THIRD):
        for item in world.shell.json(by_buyer.replace(FIRST, buyer))["Items"]:
            seen += 1
            assert item["metering_response"]["S"].startswith("billed: window ")
            assert "metering_pending" not in item
            assert "metering_failed" not in item
    assert seen == RECORDS


@pytest.fixture(params=["1", "2"])
def cli(request: pytest.FixtureRequest) -> Path:
    """The folder of an AWS CLI."""
    if request.param == "1":
        return aws_cli.version_1()
    found: Path = request.getfixturevalue("cli_2")
    return found


@pytest.mark.usefixtures("metered")
def test_nothing_is_pending_or_failed(world: GuideWorld, cli: Path) -> None:
    for words in ("PendingMeteringRecordsIndex", "aws dynamodb scan"):
        assert world.shell.json(world.command(words), cli)["Items"] == []


@pytest.mark.usefixtures("metered")
def test_records_are_found_by_product(world: GuideWorld, cli: Path) -> None:
    """And by that product alone, with all that the page says the index holds."""
    found = world.shell.json(world.command("ProductCodeIndex"), cli)["Items"]
    assert {each["productCode"]["S"] for each in found} == {A}
    sums: dict[tuple[str, str], Decimal] = {}
    for each in found:
        meter = (each["customerAWSAccountId"]["S"], each["dimension"]["S"])
        sums[meter] = sums.get(meter, Decimal(0)) + Decimal(each["quantity"]["N"])
    assert sums == {meter[1:]: total for meter, total in WRITTEN.items() if meter[0] == A}


@pytest.mark.usefixtures("metered")
def test_the_job_can_be_invoked_by_hand_again(world: GuideWorld, cli: Path) -> None:
    """With nothing pending it seals nothing, and nothing is billed again."""
    said = world.invoke(cli)
    assert (said["scope"], said["entries"], said["quantity"]) == ("everything", 0, "0")
    printed = json.loads(block("json", '"scope"').text)
    assert set(said) == set(printed)


@pytest.mark.usefixtures("metered")
def test_the_job_can_be_told_to_meter_closed_hours_only(world: GuideWorld, cli_2: Path) -> None:
    world.shell.run(world.command("closed hours"), cli_2)
    assert (world.response()["scope"], world.response()["entries"]) == ("closed hours", 0)


def test_the_schedule_is_enabled(world: GuideWorld, cli: Path) -> None:
    rule = world.shell.json(world.command("aws events describe-rule"), cli)
    assert rule["State"] == "ENABLED"
    assert rule["ScheduleExpression"] == "cron(6 * * * ? *)"


@pytest.mark.usefixtures("metered")
def test_the_logs_are_followed(world: GuideWorld, cli_2: Path) -> None:
    """Both commands show what was, and the job's goes on with what comes."""
    job, processor = (
        line for line in world.command("aws logs tail").splitlines() if line.startswith("aws")
    )
    with _following(world, job, cli_2) as job_lines, _following(world, processor, cli_2) as others:
        _wait_for(others, '"message":"submitted"', 1)
        before = _wait_for(job_lines, '"message":"sealed"', 1)
        world.invoke()
        _wait_for(job_lines, '"message":"sealed"', before + 1)
        assert len(set(job_lines)) == len(job_lines)


@contextmanager
def _following(world: GuideWorld, command: str, cli: Path) -> Iterator[list[str]]:
    """The lines that a command goes on printing until Ctrl-C."""
    # Tests that run in the background of a shell ignore Ctrl-C, and so would the command.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    process = world.shell.start(f"exec {command}", cli)
    lines: list[str] = []
    reader = threading.Thread(target=_read, args=(process, lines))
    reader.start()
    try:
        yield lines
    finally:
        process.send_signal(signal.SIGINT)
        reader.join(LOG_PATIENCE_S)
        process.communicate(timeout=LOG_PATIENCE_S)


def _read(process: subprocess.Popen[str], lines: list[str]) -> None:
    assert process.stdout is not None
    for line in process.stdout:
        lines.append(line)


def _wait_for(lines: list[str], words: str, count: int) -> int:
    end = time.monotonic() + LOG_PATIENCE_S
    while (found := sum(words in line for line in lines)) < count:
        assert time.monotonic() < end, lines
        time.sleep(0.1)
    return found


def test_no_command_of_the_page_is_left_out() -> None:
    """One that is added to the page has to be added here, and to the test that runs it."""
    tested = {
        "ProductCodeIndex",
        "customerAWSAccountId = :buyer",
        "PendingMeteringRecordsIndex",
        "aws dynamodb scan",
        "aws logs tail",
        "aws events describe-rule",
        "aws lambda invoke",
        "aws dynamodb update-item",  # test_failed.py
    }
    for each in blocks():
        if each.language == "bash":
            assert any(words in each.text for words in tested), each.text
    examples = [each.text for each in blocks() if each.language in ("python", "javascript")]
    assert len(examples) == 4
