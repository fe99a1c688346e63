"""Nothing that foreign programs wrote reaches a terminal but through `render`."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

CLI = Path(__file__).parents[2] / "src/marketplace_metering/cli"
# A cell, and a text with a value in it, printed past what makes them safe.
PAST_IT = re.compile(r"\.add_row\(|\b(?:out|errors)\.print\(\s*f[\"']|(?<![\w.])print\(")


@pytest.mark.parametrize("path", sorted(CLI.rglob("*.py")), ids=lambda path: path.name)
def test_text_is_printed_by_render(path: Path) -> None:
    if path.name == "render.py":
        return
    found = [line for line in path.read_text().splitlines() if PAST_IT.search(line)]
    assert not found, "use say, note or a table's row"
