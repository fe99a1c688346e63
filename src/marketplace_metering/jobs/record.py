"""Recording usage from an input: what is right is stored, what is wrong is kept and listed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import islice

from marketplace_metering.core.identity import PRODUCT_CODE
from marketplace_metering.core.quantity import ZERO, Quantity
from marketplace_metering.core.record import Problem, RefusedInput, UsageRecord
from marketplace_metering.core.record_columns import RecordColumns
from marketplace_metering.core.record_rules import billable_micros, read_record
from marketplace_metering.files.json_lines import JsonLines, Piece, Step
from marketplace_metering.ports import Clock, Intake, UsageRecords

PIECES_PER_STEP = 20_000
REFUSALS_REPORTED_MAX = 1_000


@dataclass(slots=True)
class RecordReport:
    """What became of an input."""

    read: int = 0
    added: int = 0
    added_quantity: Quantity = ZERO
    already_there: int = 0
    refused: int = 0
    refusals: list[RefusedInput] = field(default_factory=list)  # the first thousand

    def plus(self, other: RecordReport) -> RecordReport:
        """Both inputs together."""
        refusals = [*self.refusals, *other.refusals][:REFUSALS_REPORTED_MAX]
        return RecordReport(
            self.read + other.read,
            self.added + other.added,
            self.added_quantity + other.added_quantity,
            self.already_there + other.already_there,
            self.refused + other.refused,
            refusals,
        )


def record(
    store: UsageRecords,
    clock: Clock,
    source: str,
    pieces: Iterable[Piece],
    on_progress: Callable[[RecordReport], None] = lambda report: None,
    recorded_as: str | None = None,
) -> RecordReport:
    """Record every piece of an input, durably, a few thousand at a time.

    If it is interrupted, recording the same input again adds what is missing and no more.
    `source` is how people call it; `recorded_as` is what makes it the same input, if that is not
    the source (`jobs.inputs`).
    """
    source = writable(source)
    intake = store.intake(source if recorded_as is None else recorded_as, clock.now())
    report = RecordReport()
    for step in _steps(pieces, clock):
        _record_step(intake, clock, source, step, report)
        on_progress(report)
    return report


def _record_step(
    intake: Intake, clock: Clock, source: str, step: Step, report: RecordReport
) -> None:
    now = clock.now()
    good: list[UsageRecord] = []
    piece_of: dict[int, Piece] = {}
    refused: list[RefusedInput] = []
    for piece in step.pieces:
        found = (piece.item,) if isinstance(piece.item, Problem) else read_record(piece.item, now)
        if isinstance(found, UsageRecord):
            piece_of[id(found)] = piece
            good.append(found)
        else:
            refused.append(_refused(source, piece, found))
    records = step.plain.plus(good) if step.plain and good else step.plain or good
    if records:
        taken = intake.add(records)
        report.added += taken.added
        report.already_there += taken.already_there
        report.added_quantity += taken.added_quantity
        for usage, problem in taken.clashes:
            clashing = piece_of.get(id(usage))
            if clashing is None:
                assert isinstance(records, RecordColumns), f"{usage} was not in this step"
                clashing = step.piece_of(records.number_of(usage))
            refused.append(_refused(source, clashing, (problem,)))
    if refused:
        intake.refuse(refused, now)
    report.read += len(step.plain) + len(step.pieces)
    report.refused += len(refused)
    report.refusals.extend(refused[: REFUSALS_REPORTED_MAX - len(report.refusals)])


def _refused(source: str, piece: Piece, problems: tuple[Problem, ...]) -> RefusedInput:
    product = micros = None
    if not isinstance(piece.item, Problem):
        product = piece.item.get("productCode")
        micros = billable_micros(piece.item.get("quantity"))
    return RefusedInput(
        f"{source}, {piece.place}",
        writable(piece.text),
        problems,
        product if isinstance(product, str) and PRODUCT_CODE.fullmatch(product) else None,
        None if micros is None else Quantity(micros),
    )


def writable(text: str) -> str:
    """The text, with what is not UTF-8 escaped: a file name may hold it."""
    return text.encode("utf-8", "backslashreplace").decode()


def _steps(pieces: Iterable[Piece], clock: Clock) -> Iterator[Step]:
    if isinstance(pieces, JsonLines):
        yield from pieces.steps(PIECES_PER_STEP, clock.now)
        return
    left = iter(pieces)
    while step := list(islice(left, PIECES_PER_STEP)):
        yield Step(step)
