"""Text that foreign programs wrote, where people read it: it is shown, and does nothing.

Whoever may write a usage record chooses its text: an escape that clears a terminal, a character
that turns the reading direction round, a line break that begins a line of its own in a log. What
is printable stays as it is, in every script; everything else is shown as an escape: controls (C0,
C1), bidirectional and zero-width characters, separators of lines and paragraphs, halves of
characters, and what Unicode does not assign.
"""

from __future__ import annotations

CUT = "..."


def one_line(text: str, longest: int | None = None) -> str:
    """The text in one line, with what cannot be seen as an escape; at most so many characters."""
    cut = text if longest is None or len(text) <= longest else text[:longest]
    if not cut.isprintable():
        cut = "".join(each if each.isprintable() else _escaped(each) for each in cut)
    if longest is None or (len(cut) <= longest and len(text) <= longest):
        return cut
    return cut[: max(longest - len(CUT), 0)] + CUT[:longest]


def _escaped(character: str) -> str:
    return character.encode("unicode_escape").decode()
