"""Which input comes: noted in the store before anything of it is recorded."""

from __future__ import annotations

from collections.abc import Callable

from marketplace_metering.core.inputs import Content, Decided, Doubt, Word, apart, decide
from marketplace_metering.ports import UsageRecords

TRIES = 10


def recognise(
    store: UsageRecords,
    name: str | None,
    content: Content,
    word: Word | None,
    has_only_events: Callable[[], bool | None],
) -> str | Doubt:
    """The source under which to record the input, or why nothing of it may be recorded.

    Noted first and recorded then: an input that breaks off is known when it comes again, and of
    two processes with the same content one sees what the other has noted.

    `has_only_events` answers None where nothing is to be recorded: that is in doubt for nobody, and
    says nothing of what comes under this name later.
    """
    for _try in range(TRIES):
        known = store.known_inputs(name, content.head)
        decided = decide(name, content, known, word)
        if isinstance(decided, Doubt):
            only_events = has_only_events()
            if only_events is None:
                return decided.name
            if not only_events:
                return decided
            decided = apart(name, content, known)
        if _is_noted(decided) or store.note_input(decided.noted, decided.instead_of):
            return decided.noted.source
    return Doubt(name or "it", "others record the same all the time", "try again")


def _is_noted(decided: Decided) -> bool:
    return decided.noted == decided.instead_of
