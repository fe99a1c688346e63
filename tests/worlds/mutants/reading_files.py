"""Switches in the reading of files, and in what is known of inputs."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Iterator
from typing import Any

import pytest

from marketplace_metering.core import inputs as core_inputs
from marketplace_metering.core import rounded
from marketplace_metering.core.inputs import Doubt, apart
from marketplace_metering.files import csv_rows
from marketplace_metering.files.json_lines import Piece


def believe_rounded_numbers(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(rounded, "SIGNED_EXPONENT", re.compile("(?!)"))


def let_rows_go_over_lines(patch: pytest.MonkeyPatch) -> None:
    def read_csv(lines: Iterable[str]) -> Iterator[Piece]:
        rows = csv.reader(lines)
        header = csv_rows._Header(next(rows))
        for number, row in enumerate(rows, 2):
            text = ",".join(row)
            yield Piece(f"line {number}", text, csv_rows._row(header, row, text))

    patch.setattr(csv_rows, "read_csv", read_csv)


def record_copies(patch: pytest.MonkeyPatch) -> None:
    original = core_inputs.decide

    def decide(name: Any, content: Any, known: Any, word: Any) -> Any:
        decided = original(name, content, known, word)
        return apart(name, content, known) if isinstance(decided, Doubt) else decided

    patch.setattr("marketplace_metering.jobs.inputs.decide", decide)
