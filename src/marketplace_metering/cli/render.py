"""Where output goes: results to standard output, everything else to standard error."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

from rich.console import Console
from rich.table import Table

out = Console(highlight=False, soft_wrap=False)
errors = Console(stderr=True, highlight=False)


def print_json(value: dict[str, Any]) -> None:
    """One JSON object; quantities are strings, because they are exact."""
    out.print(json.dumps(value, indent=2), markup=False, soft_wrap=True)


def when(at: datetime | None) -> str:
    """An instant for people."""
    return "-" if at is None else f"{at:%Y-%m-%d %H:%M:%S}Z"


def iso(at: datetime | None) -> str | None:
    """An instant for programs."""
    return None if at is None else at.isoformat().replace("+00:00", "Z")


def table(title: str, *columns: str, numbers: int = 0) -> Table:
    """A plain table whose last `numbers` columns are right-aligned; long names fold."""
    drawn = Table(title=title, title_justify="left", title_style="bold", box=None, pad_edge=False)
    for index, column in enumerate(columns):
        is_number = index >= len(columns) - numbers
        drawn.add_column(
            column,
            justify="right" if is_number else "left",
            overflow="fold",
            no_wrap="product" not in column,
        )
    return drawn
