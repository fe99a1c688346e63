"""Inputs: when is what comes now a repetition, and when is it usage of its own?

An input is known by its place (a file's path, or a name that a person gives) and by what it held.
The same place that begins with what it held before is the same input, grown perhaps: what is
missing of it is added. Nothing else is decided here. The same content at another place may be a
copy or another host's usage; a place that holds something else may be corrected or written again:
no program can tell, so a person says it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Protocol

STANDARD_INPUT = "standard input"


@dataclass(frozen=True, slots=True)
class KnownInput:
    """An input that was begun, and what it held at that time."""

    name: str  # its place; what people call it
    source: str  # under which the store keeps its usage records: one for each input
    size: int  # in bytes
    digest: str  # of all of it
    head: str  # of its first line that names a buyer, and what stands before that
    is_counted: bool = False  # although the same content is known: a person said so

    @property
    def is_of_older_version(self) -> bool:
        """Whether nobody noted what it held."""
        return not self.digest


class Content(Protocol):
    """What an input holds."""

    def digest_up_to(self, sizes: Iterable[int]) -> None:
        """Be ready to compare its beginnings of these sizes: it is read once for all of them."""

    @property
    def head(self) -> str:
        """The digest of what comes up to the end of its first usage record."""

    @property
    def size(self) -> int:
        """In bytes."""

    @property
    def digest(self) -> str:
        """Of all of it."""

    def begins_with(self, known: KnownInput) -> bool:
        """Whether it begins with all that this input held, and goes on with a line of its own."""


class Word(Enum):
    """What a person says of content that is in doubt."""

    COUNT = "count"
    SAME = "same"


@dataclass(frozen=True, slots=True)
class Decided:
    """Under which source the input is recorded, and what is noted of it in the place of what."""

    noted: KnownInput
    instead_of: KnownInput | None = None


@dataclass(frozen=True, slots=True)
class Doubt:
    """Why nothing of the input is recorded."""

    name: str
    what: str
    fix: str

    def __str__(self) -> str:
        return f"{self.name}: nothing of it is recorded: {self.what}; {self.fix}"


def decide(
    name: str | None, content: Content, known: Sequence[KnownInput], word: Word | None
) -> Decided | Doubt:
    """What an input is.

    `known` are the inputs of its name or of its head. An input without a name, such as standard
    input, is nobody's repetition by its place.
    """
    content.digest_up_to(each.size for each in known)
    begun = [each for each in known if content.begins_with(each)]
    own = max((e for e in begun if e.name == name), key=lambda e: e.size, default=None)
    own_size = -1 if own is None else own.size
    others = [
        each
        for each in begun
        if each.name != name and each.size > own_size and (own is None or not own.is_counted)
    ]
    changed = [each for each in known if each.name == name] if own is None else []
    shown = name or STANDARD_INPUT
    if word is None and others:
        return _copied(shown, content, others)
    if word is None and changed:
        return _changed(shown, changed)
    if word is Word.SAME and (others or changed):
        return _same(name, shown, content, others or changed, known)
    is_counted = word is Word.COUNT or (own is not None and own.is_counted)
    if own is not None:
        return Decided(_noted(own.name, own.source, content, is_counted), own)
    if name is None and word is Word.COUNT and others:
        fix = "give it a name as well, so that its repetition is known: --count --input NAME"
        return Doubt(shown, f"it holds the same as {_names(others)}", fix)
    source = f"{shown} ({content.digest[:12]})" if changed or name is None else shown
    return Decided(_noted(name or source, source, content, is_counted))


def apart(name: str | None, content: Content, known: Sequence[KnownInput]) -> Decided:
    """The same for content whose every usage record has an event id: that is what it counts by."""
    source = f"{name or STANDARD_INPUT} ({content.digest[:12]})"
    noted = _noted(name or source, source, content, is_counted=True)
    there = next((e for e in known if (e.name, e.source) == (noted.name, source)), None)
    return Decided(noted, there)


def _noted(name: str, source: str, content: Content, is_counted: bool) -> KnownInput:
    return KnownInput(name, source, content.size, content.digest, content.head, is_counted)


def _names(known: Sequence[KnownInput]) -> str:
    return " and ".join(dict.fromkeys(each.name for each in known))


def _copied(shown: str, content: Content, others: Sequence[KnownInput]) -> Doubt:
    is_whole = any(each.size == content.size for each in others)
    what = "it holds the same as" if is_whole else "it begins with all that was recorded from"
    return Doubt(
        shown,
        f"{what} {_names(others)}, and a copy cannot be told from equal usage",
        "if it is other usage, say --count; if it is the same, say --same, which adds what is "
        "missing",
    )


def _changed(shown: str, changed: Sequence[KnownInput]) -> Doubt:
    size = max(each.size for each in changed)
    what = f"it does not begin any more with the {size:,} bytes that were recorded from it"
    if all(each.is_of_older_version for each in changed):
        sources = " and ".join(sorted(each.source for each in changed))
        what = f"an earlier version recorded {sources}, and did not note what it held"
    return Doubt(
        shown,
        f"{what}, so its usage may be recorded already",
        "if all of it is new usage, say --count (or give each part a name of its own with "
        "--input NAME); if lines were added or corrected, say --same: each line that is not "
        "recorded from it yet is added",
    )


def _same(
    name: str | None,
    shown: str,
    content: Content,
    with_what: Sequence[KnownInput],
    known: Sequence[KnownInput],
) -> Decided | Doubt:
    sources = {each.source for each in with_what}
    if len(sources) > 1:
        what = f"it may be the same as {' or '.join(sorted(sources))}"
        return Doubt(shown, what, "say which: --input with that name")
    [source] = sources
    noted = _noted(name or with_what[0].name, source, content, is_counted=True)
    there = next((e for e in known if (e.name, e.source) == (noted.name, source)), None)
    return Decided(noted, there)
