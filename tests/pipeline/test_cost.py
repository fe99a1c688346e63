"""The benchmark of requests and request units runs, and tells the plain pipeline from ours.

Its targets hold for 5,000 usage records and more: each run costs some requests by itself.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from tests.deploy.emulator import REPOSITORY


def test_the_benchmark_counts_requests_and_write_units(tmp_path: Path) -> None:
    found = tmp_path / "found.json"
    options = ["--records", "500", "--json", str(found)]
    command = [sys.executable, "-m", "benchmarks.aws_requests", *options]
    subprocess.run(command, cwd=REPOSITORY, check=True, stdout=subprocess.DEVNULL)
    ours, plain = json.loads(found.read_text())["results"]
    assert plain["requests"]["DynamoDB UpdateItem"] == 500
    assert plain["requests"]["Marketplace BatchMeterUsage"] == 10
    assert plain["write_units_per_record"] == 7
    assert ours["requests"]["DynamoDB BatchExecuteStatement"] == 500 / 25 + 3
    assert ours["requests"]["Marketplace BatchMeterUsage"] == 1
    assert ours["write_units_of_the_puts"] == {
        "MeteringRecords": 500,
        "PendingMeteringRecordsIndex": 500,
        "ProductCodeIndex": 500,
    }
    assert 5 < ours["write_units_per_record"] < 5.5
