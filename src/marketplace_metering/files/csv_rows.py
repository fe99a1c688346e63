"""Reading usage records from CSV; nothing is lost on the way, as in `json_lines`."""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping

from marketplace_metering.core.budgets import RECORD_CHARACTERS_MAX
from marketplace_metering.core.record import Problem
from marketplace_metering.core.record_rules import KNOWN, is_text
from marketplace_metering.core.rounded import number_as_written
from marketplace_metering.files.json_lines import (
    DECODER,
    REFUSALS,
    Piece,
    is_too_deep,
    too_large,
    without_mark,
)

NUMBER = re.compile(r"[+-]?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]{1,6})?")
COMMA_NUMBER = re.compile(r"[+-]?[0-9][0-9.,]*,[0-9.,]*")
SEPARATOR_LINE = re.compile(r'"?sep=[,;\t]?"?', re.IGNORECASE)
SEPARATORS = ",;\t"
NUMBER_COLUMNS = frozenset({"create_timestamp", "quantity"})


def read_csv(lines: Iterable[str]) -> Iterator[Piece]:
    """Usage records from CSV with the guide's attribute names as its header.

    An empty cell is an absent attribute. Without a column `metering_pending` every row is pending.
    `tags` holds a JSON object. The separator is the one of the header: a comma, semicolon or tab.

    A row is one line: a quote that is not closed on its line costs that line, and no other.
    """
    header: _Header | None = None
    separator = ","
    for number, line in enumerate(without_mark(iter(lines)), start=1):
        text = line.rstrip("\r\n")
        if header is None:
            if SEPARATOR_LINE.fullmatch(text.strip()):  # a word from one spreadsheet to another
                continue
            separator = _separator(text)
        if header is not None and len(text) > RECORD_CHARACTERS_MAX:
            yield too_large(f"line {number}", text)
            continue
        try:
            row = next(csv.reader([text], strict=True, delimiter=separator), [])
        except csv.Error as error:
            yield Piece(f"line {number}", text, _no_csv(text, error))
            header = header or _Header([])  # without column names nothing can be read either
            continue
        if not any(cell.strip() for cell in row):  # a spreadsheet leaves empty rows behind
            continue
        if header is None:
            header = _Header([name.strip() for name in row])
            continue
        yield Piece(f"line {number}", text, _row(header, row, text))


class _Header:
    """The names of the columns, looked through once for all rows."""

    def __init__(self, names: list[str]) -> None:
        self.names = names
        counted = Counter(filter(None, names))
        self.twice = next((name for name, count in counted.items() if count > 1), None)
        self.says_pending = "metering_pending" in counted


def _separator(header: str) -> str:
    """The separator under which the header has the most names of the guide; a comma if none."""

    def known(separator: str) -> int:
        names = (name.strip(' "') for name in header.split(separator))
        return sum(name in KNOWN for name in names)

    return max(SEPARATORS, key=known)


def _no_csv(text: str, error: csv.Error) -> Problem:
    rule, fix = f"it is not CSV ({error})", "quote cells that hold commas or quotes"
    if "unexpected end" in str(error):
        rule = "a quote in it is not closed on its line, and a usage row is one line"
        fix = 'close the quote, or write a quote within a cell twice (""), without line breaks'
    return Problem.of("the row", text, rule, fix)


def _row(header: _Header, row: list[str], text: str) -> Mapping[str, object] | Problem:
    if not is_text(text):
        return Problem.of("the row", text, "it is not UTF-8", "save the file in UTF-8")
    names = header.names
    if header.twice is not None:
        rule = f"the column {header.twice!r} appears twice"
        return Problem.of("the row", text, rule, "keep only the one that you mean")
    if any(cell.strip() for cell in row[len(names) :]):  # empty ones a spreadsheet leaves behind
        rule = f"it has {len(row)} cells under {len(names)} column names"
        fix = "quote cells that hold commas; a number has a decimal point, as 1.5"
        return Problem.of("the row", text, rule, fix)
    for name, cell in zip(names, row, strict=False):
        if name in NUMBER_COLUMNS and COMMA_NUMBER.fullmatch(cell.strip()):
            rule = "a comma in a number may stand for decimals or for thousands"
            fix = "write it with a decimal point and nothing else, as 1.5 or 1500"
            return Problem.of(name, cell.strip(), rule, fix)
    item: dict[str, object] = {
        name: _cell(name, cell.strip())
        for name, cell in zip(names, row, strict=False)
        if cell.strip()
    }
    if not header.says_pending:
        item["metering_pending"] = "true"
    return item


def _cell(name: str, text: str) -> object:
    if name in NUMBER_COLUMNS and NUMBER.fullmatch(text):
        return number_as_written(text)
    if name == "tags":
        try:
            tags = DECODER.decode(text)
        except REFUSALS:
            return text
        return text if is_too_deep(text, tags) else tags
    return text
