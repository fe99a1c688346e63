"""Real processes, killed with -9 at random: the small version of `tests/recorder/killing.py`."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

EVENTS = os.environ.get("METERING_TEST_RECORDER_EVENTS", "24000")
KILLS = os.environ.get("METERING_TEST_RECORDER_KILLS", "16")


def test_sums_are_exact_however_often_processes_are_killed(tmp_path: Path) -> None:
    done = subprocess.run(
        [
            *(sys.executable, "-m", "tests.recorder.killing"),
            *("--directory", tmp_path, "--events", EVENTS, "--kills", KILLS),
        ],
        capture_output=True,
        text=True,
        cwd=Path(__file__).parents[2],
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(f"exact: {EVENTS} calls, {KILLS} kills")
