"""Dependencies point inward, and the core is pure: read from the imports themselves."""

from __future__ import annotations

import ast
import re
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2] / "src/marketplace_metering"
NAME = "marketplace_metering"
JOBS = ("core", "ports", "files", "jobs")
# Who may import what of this package.
ALLOWED = {
    "core": ("core",),
    "simulator": ("simulator",),
    "files": ("core", "files"),
    "ports": ("core",),
    "settings": ("core",),
    "adapters": ("core", "ports", "adapters"),
    "jobs": JOBS,
    "wiring": (*JOBS, "adapters", "settings"),
    "recorder": ("core", "ports", "recorder", "adapters", "wiring"),
    "aws_lambda": (*JOBS, "adapters", "settings", "wiring", "aws_lambda"),
    "deploy": ("core", "adapters", "deploy"),
    "local": ("deploy", "local"),
}
THIRD_PARTY_IN_CORE: frozenset[str] = frozenset()
IMPURE = re.compile(
    r"=\s*float\(|return float\(|datetime\.now|utcnow|time\.time|uuid4|\brandom\b|os\.environ"
    r"|\bopen\(|\bprint\("
)


def imports_of(source: str) -> set[str]:
    """The modules that a source names, as dotted names."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute here"
            found.add(node.module or "")
            if node.module == NAME:
                found.update(f"{NAME}.{alias.name}" for alias in node.names)
    return found


def violations(part: str, source: str) -> list[str]:
    """What a source of a part of the house must not import."""
    allowed = ALLOWED.get(part)
    wrong = []
    for module in imports_of(source):
        if module == NAME or not module.startswith(f"{NAME}."):
            top = module.split(".")[0]
            if part in ("core", "simulator") and top not in (*sys.stdlib_module_names, NAME, ""):
                wrong.append(module)
            continue
        target = module.split(".")[1]
        if (target in ("cli", "proof") and part not in ("cli", "proof", "__main__")) or (
            allowed is not None and target not in allowed
        ):
            wrong.append(module)
    return wrong


FILES = sorted(path for path in ROOT.rglob("*.py"))


def part_of(path: Path) -> str:
    first = path.relative_to(ROOT).parts[0]
    return first.removesuffix(".py")


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_dependencies_point_inward(path: Path) -> None:
    part = part_of(path)
    wrong = violations(part, path.read_text())
    if path.name == "in_process.py" and part == "simulator":
        wrong = [module for module in wrong if not module.startswith("botocore")]
    assert not wrong, f"{path.relative_to(ROOT)} imports {wrong}"


@pytest.mark.parametrize(
    ("part", "planted"),
    [
        ("core", "import boto3"),
        ("core", f"from {NAME}.ports import Store"),
        ("simulator", f"from {NAME}.core.hours import UsageHour"),
        ("jobs", f"from {NAME}.adapters.sqlite import SqliteStore"),
        ("adapters", f"from {NAME}.cli.main import cli"),
        ("settings", f"from {NAME} import wiring"),
    ],
)
def test_a_planted_violation_is_found(part: str, planted: str) -> None:
    """The rule is alive."""
    assert violations(part, planted)


@pytest.mark.parametrize(
    "path", [path for path in FILES if part_of(path) == "core"], ids=lambda path: path.name
)
def test_the_core_is_pure(path: Path) -> None:
    for number, line in enumerate(path.read_text().splitlines(), start=1):
        code = line.split("#")[0]
        assert not IMPURE.search(code), f"{path.name}:{number}: {line.strip()}"


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_file_is_readable_in_one_sitting(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= 400
