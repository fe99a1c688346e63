"""What an application pays for the import, and what its type checker sees."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
HEAVY = {"boto3", "botocore", "sqlite3", "asyncio", "http.server", "logging", "opentelemetry"}


def loaded_by(program: str, tmp_path: Path) -> set[str]:
    text = f"import sys\n{program}\nprint(*sys.modules)"
    out = subprocess.check_output([sys.executable, "-c", text], text=True, cwd=tmp_path)
    return set(out.split())


@pytest.mark.parametrize(
    "program",
    [
        "from marketplace_metering import UsageRecorder",
        "from marketplace_metering import UsageRecorder\n"
        "usage = UsageRecorder('sqlite:///m.db', spool='s', product='p', background=False)\n"
        "usage.record('123456789012', 'api_calls', 1)",
        "from marketplace_metering import UsageRecorder\n"
        "usage = UsageRecorder('dynamodb://t', spool='s', product='p', background=False)\n"
        "usage.record('123456789012', 'api_calls', 1)\nusage._active.close()",
    ],
    ids=["import", "record for sqlite", "record for dynamodb"],
)
def test_nothing_heavy_is_loaded_before_the_first_flush(program: str, tmp_path: Path) -> None:
    assert not loaded_by(program, tmp_path) & HEAVY


def test_the_import_alone_loads_little_of_ours(tmp_path: Path) -> None:
    """How long it takes is measured by benchmarks/recorder.py; this is what keeps it short."""
    loaded = loaded_by("from marketplace_metering import UsageRecorder", tmp_path)
    assert not loaded & {"json", "hashlib", "random", "pathlib", "urllib.parse", "subprocess"}
    ours = {name for name in loaded if name.startswith("marketplace_metering.")}
    assert all(name.split(".")[1] in ("core", "recorder") for name in ours)


def test_an_unknown_name_is_no_attribute() -> None:
    import marketplace_metering

    with pytest.raises(AttributeError, match="no attribute 'UsageRecoder'"):
        marketplace_metering.UsageRecoder  # noqa: B018


USER_CODE = """
from datetime import UTC, datetime
from decimal import Decimal

from marketplace_metering import AsyncUsageRecorder, InvalidUsageError, UsageRecorder

with UsageRecorder("sqlite:///m.db", spool="spool", product="p") as recorder:
    try:
        recorder.record("123456789012", "api_calls", Decimal("1.5"), tags={"a": "b"})
    except InvalidUsageError as error:
        print(error.problems[0].field)
    recorder.record("123456789012", "api_calls", 1, at=datetime.now(UTC), event_id="e-1")
    done: bool = recorder.flush()
    recorded: int = recorder.stats().recorded

async def count(usage: AsyncUsageRecorder) -> None:
    async with usage:
        await usage.record("123456789012", "api_calls", 1)

recorder.record("123456789012", "api_calls", 1, licence_arn="arn")
recorder.record("123456789012", "api_calls", 0.5)
recorder.record(123456789012, "api_calls", 1)
UsageRecorder("sqlite:///m.db", durable=False, when_full="wait")
AsyncUsageRecorder("sqlite:///m.db", spol="spool")
async def miscount(usage: AsyncUsageRecorder) -> None:
    await usage.record("123456789012", "api_calls", 1, tags={"a": 1})
    await usage.record("123456789012", "api_calls", 1, event="e-1")
"""


def test_a_users_strict_type_checker_is_content_and_finds_mistakes(tmp_path: Path) -> None:
    program = tmp_path / "app.py"
    program.write_text(USER_CODE)
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "--cache-dir", ROOT / ".mypy_cache", program],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
    )
    lines = [line.split(": ", 1)[1] for line in done.stdout.splitlines() if ": error: " in line]
    assert len(lines) == 7, done.stdout
    assert "licence_arn" in lines[0]
    assert '"float"' in lines[1]
    assert '"int"' in lines[2]
    assert "when_full" in lines[3]
    assert "spol" in lines[4]
    assert '"int"' in lines[5]
    assert '"event"' in lines[6]
