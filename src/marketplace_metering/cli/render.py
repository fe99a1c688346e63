"""Where output goes: results to standard output, everything else to standard error."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from rich.console import Console
from rich.table import Table

from marketplace_metering.core.plain_text import one_line
from marketplace_metering.core.record import RefusedInput

# Without markup: brackets in the name of a product, a dimension or a file are brackets.
out = Console(highlight=False, soft_wrap=False, markup=False)
errors = Console(stderr=True, highlight=False, markup=False)


def say(text: str, style: str | None = None) -> None:
    """Print a line as it is; a long one stays one line."""
    out.print(one_line(text), style=style, soft_wrap=True)


def note(text: str, style: str | None = None) -> None:
    """Print a line like `say`, but not among the results."""
    errors.print(one_line(text), style=style, soft_wrap=True)


def print_json(value: dict[str, Any]) -> None:
    """Print one JSON object; quantities are strings, because they are exact."""
    out.print(json.dumps(value, indent=2), soft_wrap=True)


def refused_json(inputs: Iterable[RefusedInput]) -> list[dict[str, Any]]:
    """Refused input, with what is wrong with it."""
    return [
        {
            "place": refused.source,
            "input": refused.text,
            "problems": [str(problem) for problem in refused.problems],
        }
        for refused in inputs
    ]


def when(at: datetime | None) -> str:
    """An instant for people."""
    return "-" if at is None else f"{at:%Y-%m-%d %H:%M:%S}Z"


def iso(at: datetime | None) -> str | None:
    """An instant for programs."""
    return None if at is None else at.isoformat().replace("+00:00", "Z")


class PlainTable(Table):
    """A table in whose cells foreign text does nothing."""

    def row(self, *cells: str | Sequence[str], style: str | None = None) -> None:
        """Add a row; a cell of several texts has a line for each."""
        lines = ([cell] if isinstance(cell, str) else cell for cell in cells)
        self.add_row(*("\n".join(map(one_line, each)) for each in lines), style=style)


def table(title: str, *columns: str, numbers: int = 0) -> PlainTable:
    """A plain table whose last `numbers` columns are right-aligned; long names fold."""
    drawn = PlainTable(
        title=title, title_justify="left", title_style="bold", box=None, pad_edge=False
    )
    for index, column in enumerate(columns):
        is_number = index >= len(columns) - numbers
        drawn.add_column(
            column,
            justify="right" if is_number else "left",
            overflow="fold",
            no_wrap="product" not in column,
        )
    return drawn
