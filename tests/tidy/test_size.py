"""A file is readable in one sitting, a function on one screen, and the core is pure."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[2] / "src/marketplace_metering"
FILES = sorted(PACKAGE.rglob("*.py"))
FILE_LINES_MAX = 450
FUNCTION_LINES_MAX = 60
IMPURE = re.compile(
    r"=\s*float\(|return float\(|datetime\.now|utcnow|time\.time|uuid4|\brandom\b|os\.environ"
    r"|\bopen\(|\bprint\("
)


def too_long(source: str) -> list[str]:
    """What of a source is longer than it may be."""
    lines = len(source.splitlines())
    found = [f"{lines} lines"] if lines > FILE_LINES_MAX else []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            assert node.end_lineno is not None
            length = node.end_lineno - node.lineno + 1
            if length > FUNCTION_LINES_MAX:
                found.append(f"{node.name}: {length} lines")
    return found


def impure(source: str) -> list[str]:
    """The lines that take anything from outside, or lose exactness."""
    lines = (line.split("#")[0] for line in source.splitlines())
    return [line.strip() for line in lines if IMPURE.search(line)]


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_files_and_functions_are_short(path: Path) -> None:
    assert not too_long(path.read_text())


@pytest.mark.parametrize(
    "path", sorted((PACKAGE / "core").glob("*.py")), ids=lambda path: path.name
)
def test_the_core_is_pure(path: Path) -> None:
    assert not impure(path.read_text())


def test_planted_violations_are_found() -> None:
    body = "    pass\n" * FUNCTION_LINES_MAX
    assert too_long("class A:\n    async def long(self):\n    " + body.replace("\n", "\n    "))
    assert too_long(f"def long():\n{body}") == [f"long: {FUNCTION_LINES_MAX + 1} lines"]
    assert not too_long(f"def short():\n{body.removesuffix('    pass' + chr(10))}")
    assert too_long("\n" * (FILE_LINES_MAX + 1)) == [f"{FILE_LINES_MAX + 1} lines"]
    assert impure("now = datetime.now(UTC)") and impure("price = float(quantity)")
    assert not impure("now = later  # not datetime.now()")
