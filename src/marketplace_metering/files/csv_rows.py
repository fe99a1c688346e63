"""Reading usage records from CSV; nothing is lost on the way, as in `json_lines`."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal

from marketplace_metering.core.record import Problem
from marketplace_metering.core.record_rules import is_text
from marketplace_metering.files.json_lines import DECODER, REFUSALS, Piece, without_mark

NUMBER = re.compile(r"[+-]?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]{1,6})?")
NUMBER_COLUMNS = frozenset({"create_timestamp", "quantity"})


def read_csv(lines: Iterable[str]) -> Iterator[Piece]:
    """Usage records from CSV with the guide's attribute names as its header.

    An empty cell is an absent attribute. Without a column `metering_pending` every row is pending.
    `tags` holds a JSON object.
    """
    kept: list[str] = []

    def keeping() -> Iterator[str]:
        for line in without_mark(iter(lines)):
            kept.append(line)
            yield line

    reader = csv.reader(keeping(), strict=True)
    header: list[str] | None = None
    while True:
        kept.clear()
        first_line = reader.line_num + 1
        try:
            row = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            text = "".join(kept).rstrip("\r\n")
            fix = "quote cells that hold commas or quotes"
            problem = Problem.of("the row", text, f"it is not CSV ({error})", fix)
            yield Piece(f"line {first_line}", text, problem)
            header = header or []  # without column names nothing after it can be read either
            continue
        if not any(cell.strip() for cell in row):  # a spreadsheet leaves empty rows behind
            continue
        if header is None:
            header = [name.strip() for name in row]
            continue
        text = "".join(kept).rstrip("\r\n")
        yield Piece(f"line {first_line}", text, _row(header, row, text))


def _row(header: list[str], row: list[str], text: str) -> Mapping[str, object] | Problem:
    if not is_text(text):
        return Problem.of("the row", text, "it is not UTF-8", "save the file in UTF-8")
    twice = [name for name in header if name and header.count(name) > 1]
    if twice:
        rule = f"the column {twice[0]!r} appears twice"
        return Problem.of("the row", text, rule, "keep only the one that you mean")
    if len(row) > len(header):
        rule = f"it has {len(row)} cells under {len(header)} column names"
        return Problem.of("the row", text, rule, "quote cells that hold commas")
    item: dict[str, object] = {
        name: _cell(name, cell.strip())
        for name, cell in zip(header, row, strict=False)
        if cell.strip()
    }
    if "metering_pending" not in header:
        item["metering_pending"] = "true"
    return item


def _cell(name: str, text: str) -> object:
    if name in NUMBER_COLUMNS and NUMBER.fullmatch(text):
        return Decimal(text)
    if name == "tags":
        try:
            return DECODER.decode(text)
        except REFUSALS:
            return text
    return text
