"""The simulator stays light, its files short. What it may import: see pyproject.toml."""

import ast
import subprocess
import sys
from pathlib import Path

import marketplace_metering.simulator as simulator

FOLDER = Path(simulator.__file__).parent
OWN = "marketplace_metering.simulator"


def test_importing_the_simulator_stays_light() -> None:
    probe = f"import sys, {OWN}; print(*sys.modules)"
    run = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True)
    heavy = {"botocore", "boto3", "http.server", "socketserver", "ssl", "asyncio", "sqlite3"}
    assert not heavy & set(run.stdout.split())


def test_files_and_functions_stay_short() -> None:
    for path in sorted(FOLDER.glob("*.py")):
        text = path.read_text(encoding="utf-8")
        assert text.count("\n") <= 400, path.name
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef):
                assert node.end_lineno is not None
                assert node.end_lineno - node.lineno < 50, f"{path.name}: {node.name}"
