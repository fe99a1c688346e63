"""The pages avoid words over which a reader stumbles; each has a plainer one."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").rglob("*.md"))]
PLAINER = {
    "whoever": "the process, the person",
    "whatever": "any, all",
    "anew": "again",
    "mend": "fix",
    "mended": "fixed",
    "in turns": "alternate",
    "lives through": "runs",
    "he": "it, they",
    "his": "its, their",
    "him": "it, them",
}
WORDS = re.compile(rf"\b({'|'.join(PLAINER)})\b", re.IGNORECASE)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_words_are_plain(page: Path) -> None:
    text = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    found = [f"{word}: rather {PLAINER[word.lower()]}" for word in WORDS.findall(text)]
    assert not found


def test_a_word_is_found() -> None:
    assert WORDS.findall("Whoever mends it, mend it anew") == ["Whoever", "mend", "anew"]
