"""Names that foreign programs wrote, for a terminal: they are shown, and do nothing."""

from __future__ import annotations


def one_line(text: str) -> str:
    """The text with what moves a cursor, ends a line or cannot be seen as an escape."""
    if text.isprintable():
        return text
    return "".join(each if each.isprintable() else _escaped(each) for each in text)


def _escaped(character: str) -> str:
    return character.encode("unicode_escape").decode()
