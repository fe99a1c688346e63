"""What one foreign record may cost: its own refusal, and no other record."""

from __future__ import annotations

import json
from typing import Any

import pytest

from marketplace_metering.adapters.dynamodb.api.attributes import UnstorableError, attribute_of
from marketplace_metering.core.budgets import (
    DEPTH_MAX,
    PROBLEMS_MAX,
    RECORD_CHARACTERS_KEPT,
    RECORD_CHARACTERS_MAX,
)
from marketplace_metering.core.record import Problem, UsageRecord
from marketplace_metering.core.record_rules import read_record
from marketplace_metering.files import csv_rows
from marketplace_metering.files.csv_rows import read_csv
from marketplace_metering.files.json_lines import Piece, is_too_deep, read_json
from tests.support.build import item
from tests.support.clock import utc

NOW = utc("12:00")
GOOD = json.dumps(item(quantity=2))


def problems_of(attributes: dict[str, Any]) -> tuple[Problem, ...]:
    found = read_record(attributes, NOW)
    assert not isinstance(found, UsageRecord)
    return found


def test_only_the_first_problems_of_a_record_are_told() -> None:
    wrong: dict[str, Any] = {f"licens{'_' * count}earn": "x" for count in range(3_000)}
    told = problems_of(item(quantity=1) | wrong)
    assert len(told) == PROBLEMS_MAX + 1
    assert "it has 2,990 more problems; correct these first" in str(told[-1])


def test_tens_of_thousands_of_bad_tags_are_a_few_words() -> None:
    tags = {f"\0{number}": "x" for number in range(40_000)}
    told = problems_of(item(quantity=1) | {"tags": tags})
    assert "a usage record has at most 5 tags, this has 40000" in str(told[0])
    assert sum(len(str(problem)) for problem in told) < 5_000


def test_a_misspelt_name_is_looked_for_among_a_few(monkeypatch: pytest.MonkeyPatch) -> None:
    """Comparing one name with thirty thousand others took nine seconds for each record."""
    compared: list[list[str]] = []

    def get_close_matches(_name: str, names: Any, **_options: Any) -> list[str]:
        compared.append(list(names))
        return []

    monkeypatch.setattr("difflib.get_close_matches", get_close_matches)
    own = {"x" * 60_000: 1} | {f"own_{number}": 1 for number in range(30_000)}
    without = item(quantity=1) | own
    del without["dimension"]
    problems_of(without)
    assert [len(names) for names in compared] == [100]
    assert max(map(len, compared[0])) <= 60


LARGE = json.dumps(item(quantity=1, note="x" * RECORD_CHARACTERS_MAX))


@pytest.mark.parametrize(
    "text", [LARGE + "\n" + GOOD, f"[{LARGE},\n{GOOD}]"], ids=["lines", "document"]
)
def test_json_that_is_larger_than_any_record_costs_only_itself(text: str) -> None:
    large, good = read_json(text.splitlines(keepends=True))
    assert is_refused_as_large(large)
    assert isinstance(good.item, dict)


def test_a_row_that_is_larger_than_any_record_costs_only_itself() -> None:
    rows = ["quantity,note\n", f"1,{'x' * RECORD_CHARACTERS_MAX}\n", "2,y\n"]
    large, good = read_csv(rows)
    assert is_refused_as_large(large)
    assert isinstance(good.item, dict)


def is_refused_as_large(piece: Piece) -> bool:
    assert len(piece.text) < RECORD_CHARACTERS_KEPT + 100
    assert "characters in all" in piece.text
    return isinstance(piece.item, Problem) and "a usage record at most 400,000" in str(piece.item)


@pytest.mark.parametrize("levels", range(DEPTH_MAX - 1, DEPTH_MAX + 4))
@pytest.mark.parametrize("core", ["", "1"])
def test_both_stores_keep_what_is_nested_as_deep(levels: int, core: str) -> None:
    text = "[" * levels + core + "]" * levels
    line = json.dumps(item(quantity=1, own=json.loads(text)))
    try:
        attribute_of(json.loads(text))
        is_kept = True
    except UnstorableError:
        is_kept = False
    assert is_too_deep(line, json.loads(line)) == (not is_kept)


@pytest.mark.parametrize("levels", [40, 600, 900])
@pytest.mark.parametrize("name", ["own", "quantity", "tags"])
def test_what_is_nested_deeper_costs_only_itself(levels: int, name: str) -> None:
    """Python reads deeper than it writes: the whole file ended in a traceback."""
    nested = "[" * levels + "]" * levels
    deep = GOOD[:-1] + f', "{name}": {nested}' + "}"
    if name == "quantity":
        deep = GOOD.replace('"quantity": 2', f'"quantity": {nested}')
    refused, good = read_json([deep + "\n", GOOD])
    assert isinstance(refused.item, Problem)
    assert isinstance(good.item, dict)


def test_tags_in_a_cell_that_are_nested_deeper_cost_only_themselves() -> None:
    nested = '{""a"":' * 900 + "1" + "}" * 900
    [row] = read_csv(["quantity,tags\n", f'1,"{nested}"\n'])
    assert isinstance(row.item, dict)
    assert any("must be a map of strings" in str(each) for each in problems_of(dict(row.item)))


def test_column_names_are_looked_through_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Once for every name and row, it took half a second a row with five thousand columns."""
    names = ",".join(f"c{number}" for number in range(3_000))
    built: list[list[str]] = []
    original = csv_rows._Header

    def header(columns: list[str]) -> csv_rows._Header:
        built.append(columns)
        return original(columns)

    monkeypatch.setattr(csv_rows, "_Header", header)
    rows = list(read_csv([f"quantity,{names}\n", *["1\n"] * 50]))
    assert len(rows) == 50
    assert len(built) == 1
