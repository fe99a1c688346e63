"""The code blocks of a page, to be run as they are printed."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs/guide.md"
SPECIFICATION = Path(__file__).with_name("specification.txt")
STACK = "YOUR_STACK_NAME"
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


class Block(NamedTuple):
    """A fenced block: its language, and its text without the fences."""

    language: str
    text: str

    def of(self, stack: str) -> str:
        """As it is typed by somebody with a stack of this name."""
        return self.text.replace(STACK, stack)


def blocks(page: Path = PAGE) -> list[Block]:
    """All blocks of a page."""
    return [Block(*found) for found in FENCE.findall(page.read_text(encoding="utf-8"))]


def block(language: str, words: str) -> Block:
    """The one block of the guide in this language with these words."""
    found = [each for each in blocks() if each.language == language and words in each.text]
    assert len(found) == 1, f"{len(found)} blocks of docs/guide.md in {language} with {words!r}"
    return found[0]
