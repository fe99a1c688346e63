"""What the documents tell to install exists, and comes from this folder or by hash."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted(ROOT.glob("docs/**/*.md"))]
INSTALLS = re.compile(r"pip install (.*)")
OPTIONS = {"--upgrade", "--quiet", "--require-hashes"}


def lines() -> list[tuple[str, str]]:
    return [
        (page.name, found.group(1).split("#")[0].split("&&")[0].strip())
        for page in PAGES
        for found in INSTALLS.finditer(page.read_text(encoding="utf-8"))
    ]


@pytest.mark.parametrize(("page", "line"), lines())
def test_each_line_names_this_folder_its_extras_or_a_lock(page: str, line: str) -> None:
    words = [word for word in line.replace("`", " ").split() if word not in OPTIONS]
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    match words:
        case ["-r", file]:
            assert "--require-hashes" in line, page
            assert (ROOT / file).is_file(), page
        case ["."]:
            pass
        case [quoted]:
            found = re.fullmatch(r"'\.\[([a-z,]+)\]'", quoted)
            assert found, f"{page}: pip install {line}"
            assert set(found[1].split(",")) <= set(extras), page
        case _:
            pytest.fail(f"{page}: pip install {line}")


def test_there_are_such_lines() -> None:
    assert len(lines()) > 3
