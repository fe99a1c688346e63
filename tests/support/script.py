"""A marketplace that answers from a script, for what the simulator would never say."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from marketplace_metering.core.batch import Batch
from marketplace_metering.core.ledger import EntryKey
from marketplace_metering.core.outcome import Accepted, Answered, Lost, Outcome, RequestRefused

Answer = Answered[EntryKey] | RequestRefused | Lost | Callable[[Batch], "Answer"]


def all_of(batch: Batch, outcome: Outcome) -> Answered[EntryKey]:
    """One outcome for the whole batch."""
    return Answered({entry.key: outcome for entry in batch.entries})


class Script:
    """See `ports.Marketplace`; after the last answer of the script everything is accepted."""

    def __init__(self, *answers: Answer) -> None:
        self.answers = list(answers)
        self.sent: list[Batch] = []
        self.turns = 0

    def take_turn(self) -> None:
        self.turns += 1

    def submit(self, batch: Batch) -> Answered[EntryKey] | RequestRefused | Lost:
        self.sent.append(batch)
        answer: Answer = self.answers.pop(0) if self.answers else self._accept
        while callable(answer):
            answer = answer(batch)
        return answer

    def _accept(self, batch: Batch) -> Answered[EntryKey]:
        return all_of(batch, Accepted(f"record-{len(self.sent)}"))

    @property
    def sizes(self) -> Sequence[int]:
        """How many entries each request had."""
        return [len(batch.entries) for batch in self.sent]
