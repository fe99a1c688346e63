"""docs/aws-rules.md has every rule of AWS that the code cites, and each has a test that exists."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs/aws-rules.md"
MARK = re.compile(r"\[([MRQP]\d{1,2})\]")
# What looks like a mark and is none: without brackets, or of a page that is not here.
STRAY = re.compile(r"(?<![\[\w])[MRQ]\d{1,2}\b(?!\])|\[(?:model \d|doc D\d)[^\]]*\]|aws-facts")
FOLDERS = ("src", "tests", "benchmarks")


class Row(NamedTuple):
    """One rule of the page."""

    sources: str
    tests: list[str]


def rows(page: str) -> dict[str, Row]:
    """Every row of the page by its mark."""
    found = {}
    for line in re.findall(r"^\| [MRQP]\d{1,2} \|.*\|$", page, re.MULTILINE):
        mark, _rule, sources, _reading, tests = [cell.strip() for cell in line.split("|")[1:-1]]
        assert mark not in found, f"{mark} has two rows"
        found[mark] = Row(sources, re.findall(r"`(tests/[^`]+)`", tests))
    return found


def cited(texts: Mapping[str, str]) -> dict[str, set[str]]:
    """The files that cite each mark."""
    found: dict[str, set[str]] = {}
    for name, text in texts.items():
        for mark in MARK.findall(text):
            found.setdefault(mark, set()).add(name)
    return found


def without_a_row(page: str, texts: Mapping[str, str]) -> list[str]:
    known = rows(page)
    return sorted(
        f"{mark} in {', '.join(sorted(names))}"
        for mark, names in cited(texts).items()
        if mark not in known
    )


def without_a_use(page: str, texts: Mapping[str, str]) -> list[str]:
    return sorted(rows(page).keys() - cited(texts).keys())


def without_a_test(page: str) -> list[str]:
    found = [f"{mark} has no test" for mark, row in rows(page).items() if not row.tests]
    for mark, row in rows(page).items():
        found += [f"{mark}: no {test}" for test in row.tests if not exists(test)]
    return found


def without_a_source(page: str) -> list[str]:
    """Rows whose sources are none of the page's, and sources without a link."""
    table = page.split("\n## Sources\n")[1]
    names = dict(re.findall(r"^\| ([^|]+?) \| ([^|]+?) \|$", table, re.MULTILINE))
    found = [
        f"{mark}: {row.sources}"
        for mark, row in rows(page).items()
        if not any(re.search(rf"\b{re.escape(name)}\b", row.sources) for name in names)
        and row.sources != "Not said"
    ]
    linked = {name: link for name, link in names.items() if name not in {"name", "---"}}
    return found + [name for name, link in linked.items() if "http" not in link]


@cache
def functions(path: Path) -> frozenset[str]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return frozenset(node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef))


def exists(test: str) -> bool:
    name, _, function = test.partition("::")
    return (ROOT / name).is_file() and function in functions(ROOT / name)


def texts(*folders: str) -> Iterator[tuple[str, str]]:
    for folder in folders:
        for path in sorted((ROOT / folder).rglob("*.py")):
            if path != Path(__file__):
                yield str(path.relative_to(ROOT)), path.read_text(encoding="utf-8")


def test_every_mark_in_the_code_is_explained() -> None:
    assert not without_a_row(PAGE.read_text(), dict(texts(*FOLDERS)))


def test_every_rule_is_one_that_the_code_rests_on() -> None:
    assert not without_a_use(PAGE.read_text(), dict(texts(*FOLDERS)))


def test_every_rule_is_held_by_a_test_that_exists() -> None:
    assert not without_a_test(PAGE.read_text())


def test_every_rule_has_a_public_source() -> None:
    assert not without_a_source(PAGE.read_text())


def test_no_mark_of_the_source_stands_outside_of_its_brackets() -> None:
    found = [f"{name}: {stray}" for name, text in texts(*FOLDERS) for stray in STRAY.findall(text)]
    assert not found


def test_a_reader_of_one_rule_is_not_sent_to_a_mark_that_has_no_row() -> None:
    """A row says "see Q13": there is one."""
    page = PAGE.read_text()
    assert not set(re.findall(r"\b([MRQP]\d{1,2})\b", page)) - rows(page).keys()


SMALL = """
| M1 | a rule | model | as it says | `tests/docs/test_aws_rules.py::test_planted` |

## Sources

| name | source |
|---|---|
| model | https://example.com |
"""


@pytest.mark.parametrize(
    ("page", "code", "found"),
    [
        (SMALL, "[M1]", []),
        (SMALL, "[M1] [M2]", ["M2 in code.py"]),
        (SMALL, "", ["M1"]),
        (
            SMALL.replace("test_planted", "test_gone"),
            "[M1]",
            ["M1: no tests/docs/test_aws_rules.py::test_gone"],
        ),
        (SMALL.replace("`", ""), "[M1]", ["M1 has no test"]),
        (SMALL.replace("| model | as", "| hearsay | as"), "[M1]", ["M1: hearsay"]),
        (SMALL.replace("https://example.com", "a letter"), "[M1]", ["model"]),
    ],
)
def test_planted(page: str, code: str, found: list[str]) -> None:
    """Each check finds what it is there for."""
    code_of = {"code.py": code}
    assert found == [
        *without_a_row(page, code_of),
        *without_a_use(page, code_of),
        *without_a_test(page),
        *without_a_source(page),
    ]


@pytest.mark.parametrize(
    ("text", "is_stray"),
    [
        ("# [R2] the month's end", False),
        ("# R2: the month's end", True),
        ("# as Q3 reads it", True),
        ("# [model 1.44.5]", True),
        ("# [doc D24]", True),
        ("names = ['QR2d', 'EMR1x']", False),
    ],
)
def test_a_stray_mark_is_known(text: str, is_stray: bool) -> None:
    assert bool(STRAY.findall(text)) is is_stray
