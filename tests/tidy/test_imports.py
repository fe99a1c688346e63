"""Who may import whom: import-linter's contracts in pyproject.toml hold, and each of them bites."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import grimp
import pytest

ROOT = Path(__file__).parents[2]
CONFIG = ROOT / "pyproject.toml"
NAME = "marketplace_metering"
CONTRACTS: list[dict[str, Any]] = tomllib.loads(CONFIG.read_text())["tool"]["importlinter"][
    "contracts"
]
FOR_THE_TYPE_CHECKER = "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    "
INSIDE_A_FUNCTION = "def later():\n    "

# The contract, the file that breaks it, and how.
PLANTED = [
    ("floors", "core/hours.py", f"from {NAME}.ports import Store"),
    ("floors", "ports.py", f"from {NAME}.jobs import seal"),
    ("floors", "ports.py", f"from {NAME} import settings"),
    ("floors", "jobs/seal.py", f"from {NAME}.adapters.sqlite import SqliteStore"),
    ("floors", "jobs/seal.py", f"{FOR_THE_TYPE_CHECKER}from {NAME}.wiring import OpenStore"),
    ("floors", "adapters/machine.py", f"{INSIDE_A_FUNCTION}from {NAME}.cli.main import cli"),
    ("floors", "settings.py", f"from {NAME} import wiring"),
    ("floors", "simulator/clock.py", f"from {NAME}.core.hours import UsageHour"),
    ("floors", "aws_lambda/runs.py", f"from {NAME}.recorder.recorder import UsageRecorder"),
    ("floors", "a_room_without_a_floor.py", ""),
    ("dynamodb", "adapters/dynamodb/items/keys.py", f"import {NAME}.adapters.dynamodb.sealing"),
    ("dynamodb", "adapters/dynamodb/settling/due.py", f"import {NAME}.adapters.dynamodb.intake"),
    ("dynamodb", "adapters/dynamodb/a_loose_file.py", ""),
    ("stores", "adapters/sqlite/ids.py", f"from {NAME}.adapters.dynamodb.items import keys"),
    ("no-circles", "core/limits.py", f"from {NAME}.core.ledger import Entry"),
    ("no-circles", "adapters/aws/topic.py", f"import {NAME}.adapters.dynamodb.items.keys"),
    ("core", "core/hours.py", "import boto3"),
    ("core", "core/hours.py", f"{INSIDE_A_FUNCTION}import sqlite3"),
    ("simulator", "simulator/server.py", "import botocore"),
    ("only-for-trying-out", "aws_lambda/app.py", f"from {NAME}.simulator import wire"),
    ("settings", "recorder/recorder.py", f"from {NAME}.settings import Settings"),
    ("files", "recorder/recorder.py", f"from {NAME}.files.csv_rows import CsvRows"),
    ("jobs", "recorder/recorder.py", f"from {NAME}.jobs.record import record"),
    ("deploy", "aws_lambda/app.py", f"from {NAME}.deploy.stack import Stack"),
]


def broken(folder: Path) -> tuple[list[str], str]:
    """The contracts that the package in a folder breaks, and everything that was said."""
    name_of = {contract["id"]: contract["name"] for contract in CONTRACTS}
    linter = "import sys; from importlinter.cli import lint_imports_command; lint_imports_command()"
    done = subprocess.run(
        [sys.executable, "-c", linter, "--no-cache", "--no-logo", str(CONFIG)],
        cwd=folder,
        env={"COLUMNS": "1000", "NO_COLOR": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    said = done.stdout + done.stderr
    assert "Contracts:" in said, said
    found = [each for each, name in name_of.items() if f"{name} BROKEN" in said]
    assert bool(found) == bool(done.returncode), said
    return found, said


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the package to plant violations in; importing and linting look there first."""
    folder = tmp_path_factory.mktemp("house")
    for path in (ROOT / "src" / NAME).rglob("*.py"):
        target = folder / NAME / path.relative_to(ROOT / "src" / NAME)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(path.read_text())
    return folder


def test_every_contract_is_kept() -> None:
    found, said = broken(ROOT / "src")
    assert not found, said


def test_every_contract_has_a_planted_violation() -> None:
    assert {planted[0] for planted in PLANTED} == {contract["id"] for contract in CONTRACTS}


@pytest.mark.parametrize(("contract", "file", "violation"), PLANTED)
def test_a_planted_violation_is_found(copy: Path, contract: str, file: str, violation: str) -> None:
    path = copy / NAME / file
    before = path.read_text() if path.exists() else None
    try:
        path.write_text(f"{before or ''}\n{violation}\n")
        found, said = broken(copy)
        assert contract in found, said
    finally:
        if before is None:
            path.unlink()
        else:
            path.write_text(before)


@pytest.mark.parametrize("part", ["core", "simulator"])
def test_no_library_is_forgotten(part: str) -> None:
    """Import-linter forbids by name: each library that the package uses anywhere is named."""
    graph = grimp.build_graph(NAME, include_external_packages=True, cache_dir=None)
    outside = {module.split(".")[0] for module in graph.modules} - {NAME}
    libraries = outside - set(sys.stdlib_module_names)
    assert libraries >= {"boto3", "botocore", "click", "rich"}
    [contract] = [contract for contract in CONTRACTS if contract["id"] == part]
    assert libraries <= set(contract["forbidden_modules"])
