"""Two stores that do the same and must stay the same; what was done is a story that can be told."""

from __future__ import annotations

from datetime import datetime

from marketplace_metering.core.policy import Policy
from tests.differential.marks import marks
from tests.differential.operations import BUYERS, Operation
from tests.differential.side import Side
from tests.differential.views import differences, view
from tests.support.stores import SQLITE


class Difference(AssertionError):  # noqa: N818 - what is looked for
    """The stores did not do the same."""

    told = 0  # how many stories it took


class Twins:
    """The embedded store and another one."""

    def __init__(self, other: str, starts_at: datetime, policy: Policy) -> None:
        self.sides = (Side(SQLITE, starts_at, policy), Side(other, starts_at, policy))
        self.names = (SQLITE, other)
        self.story: list[str] = []
        self.steps = 0

    def do(self, operation: Operation) -> None:
        """One step on both; raises Difference with the story so far."""
        self.steps += 1
        self.story.append(f"{self.sides[0].clock.now():%d %b %H:%M:%S}  {operation}")
        answers: list[list[str]] = []
        for side in self.sides:
            try:
                answers.append(list(operation.run(side)))
            except Exception as error:  # noqa: BLE001 - a bug of one store is a difference, too
                answers.append([f"it raised {type(error).__name__}: {error}"])
            side.step_is_over()
        if answers[0] != answers[1]:
            told = [
                f"answered by {name}: {line}"
                for name, lines in zip(self.names, answers, strict=True)
                for line in lines
            ]
            self.fail(told)
        self.story += [f"                   = {line}" for line in answers[0]]
        self.compare()

    def compare(self) -> None:
        """Both hold and say the same."""
        one, other = (view(side, BUYERS) for side in self.sides)
        found = differences(one, other, self.names)
        found += marks(*self.sides)
        if found:
            self.fail(found)

    def fail(self, found: list[str]) -> None:
        """Tell the story and how it ends."""
        kept = found[:12] + ([f"and {len(found) - 12} more"] if len(found) > 12 else [])
        raise Difference("\n".join(["the stores differ:", *self.story, "", *kept]))

    def close(self) -> None:
        """The story is over."""
        for side in self.sides:
            side.close()
