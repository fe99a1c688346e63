"""Reading inputs: every piece comes out, as attributes or as a problem with its place (rule 11)."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Iterator
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from marketplace_metering.core.record import Problem, UsageRecord
from marketplace_metering.core.record_rules import read_record
from marketplace_metering.files.csv_rows import read_csv
from marketplace_metering.files.json_lines import Piece, read_json
from tests.support.build import item
from tests.support.clock import utc

NOW = utc("12:00")
ONE, TWO = item(quantity=1), item(quantity=2)
LINE_FIX = "write one JSON object a line; for CSV use --format csv"


def lines(text: str) -> Iterator[str]:
    return iter(text.splitlines(keepends=True))


def pieces(text: str) -> list[Piece]:
    return list(read_json(lines(text)))


def read(found: Iterable[Piece]) -> list[tuple[str, object]]:
    """Place and quantity, or place and problem."""
    return [
        (each.place, str(each.item) if isinstance(each.item, Problem) else each.item["quantity"])
        for each in found
    ]


def pretty(value: object, **more: Any) -> str:
    return json.dumps(value, indent=2, **more)


# JSON


def test_json_lines() -> None:
    found = pieces(f"{json.dumps(ONE)}\n\n  \n{json.dumps(TWO)}")
    assert [(each.place, each.item) for each in found] == [("line 1", ONE), ("line 4", TWO)]
    assert found[0].text == json.dumps(ONE)


@pytest.mark.parametrize(
    ("text", "places"),
    [
        (pretty(ONE), ["line 1"]),
        (f"\n\n{pretty(ONE)}\n", ["line 3"]),
        (pretty([ONE, TWO]), ["line 2", "line 10"]),
        (json.dumps([ONE, TWO]), ["line 1", "line 1"]),
        (f"{pretty(ONE)}\n{pretty(TWO)}\n", ["line 1", "line 9"]),
        (f"{pretty(ONE)},\n{pretty(TWO)},\n", ["line 1", "line 9"]),
        (f"[\n{json.dumps(ONE)},\n{json.dumps(TWO)}\n]\n", ["line 2", "line 3"]),
        (f"\ufeff{json.dumps(ONE)}\n{json.dumps(TWO)}\n", ["line 1", "line 2"]),
        (f"\ufeff{pretty([ONE, TWO])}", ["line 2", "line 10"]),
        (pretty(ONE).replace("\n", "\r\n"), ["line 1"]),
        ("", []),
        ("\n \n", []),
        ("[]", []),
    ],
)
def test_json_documents(text: str, places: list[str]) -> None:
    found = pieces(text)
    assert [each.place for each in found] == places
    assert [each.item for each in found] == [ONE, TWO][: len(places)]


def test_a_bad_line_costs_only_itself() -> None:
    text = f'{json.dumps(ONE)}\n{{"quantity": \n{json.dumps(TWO)}\nrubbish\n[1]\n7\n'
    found = read(pieces(text))
    assert found[0] == ("line 1", 1)
    assert found[2] == ("line 3", 2)
    assert found[1] == (
        "line 2",
        "the line '{\"quantity\": ' refused: it is not JSON (Expecting value: line 1 column 14 "
        f"(char 13)); {LINE_FIX}",
    )
    assert found[3] == (
        "line 4",
        "the line 'rubbish' refused: it is not JSON (Expecting value: line 1 column 1 (char 0)); "
        f"{LINE_FIX}",
    )
    no_object = "it is JSON, but not an object; write each usage record as"
    assert found[4][1] == f"the line '[1]' refused: {no_object} " + (
        '{"customerAWSAccountId": "...", ...}'
    )
    assert found[5][1] == f"the line '7' refused: {no_object} " + (
        '{"customerAWSAccountId": "...", ...}'
    )


def test_a_first_line_that_was_cut_off_costs_only_itself() -> None:
    """A log that was copied while it was written: what follows is not taken for its rest."""
    found = read(pieces(f'{{"quantity": 5,\n{json.dumps(ONE)}\n{json.dumps(TWO)}\n'))
    assert [place for place, _said in found] == ["line 1", "line 2", "line 3"]
    assert [said for _place, said in found[1:]] == [1, 2]


def test_a_broken_object_of_a_document_costs_only_itself() -> None:
    broken = pretty(ONE).replace('"quantity": 1', '"quantity": ,')
    found = read(pieces(f"{pretty(ONE)}\n{broken}\n{pretty(TWO)}\n"))
    assert [place for place, _said in found] == ["line 1", "line 9", "line 17"]
    assert found[0][1] == 1 and found[2][1] == 2
    found = read(pieces(f"[\n{pretty(ONE)},\n{broken},\n{pretty(TWO)}\n]"))
    assert [place for place, _said in found] == ["line 2", "line 10", "line 18"]


def test_the_text_of_a_broken_end_is_kept() -> None:
    found = pieces(f'{pretty(ONE)}\n{{\n  "quantity": 5,\n')
    assert found[1].text == '{\n  "quantity": 5,'


@pytest.mark.parametrize("cut", range(1, len(pretty(ONE).splitlines())))
def test_a_document_is_known_by_its_first_line_wherever_that_breaks(cut: int) -> None:
    """One, two or more attributes on the first line: all are one object over several lines."""
    written = pretty(ONE).splitlines()
    text = " ".join(written[:cut]) + "\n" + "\n".join(written[cut:])
    [piece] = pieces(text)
    assert piece.item == ONE


def test_numbers_stay_exact() -> None:
    text = json.dumps(ONE).replace('"quantity": 1', '"quantity": 0.1000000000000000055511')
    [piece] = pieces(text)
    assert not isinstance(piece.item, Problem)
    assert piece.item["quantity"] == Decimal("0.1000000000000000055511")


@pytest.mark.parametrize("word", ["NaN", "Infinity", "-Infinity"])
def test_no_numbers_are_refused_as_quantities(word: str) -> None:
    [piece] = pieces(json.dumps(ONE).replace('"quantity": 1', f'"quantity": {word}'))
    assert not isinstance(piece.item, Problem)
    found = read_record(piece.item, NOW)
    assert not isinstance(found, UsageRecord)
    assert str(found[0]).startswith(f"quantity {word} refused: must be a number from 0 to")


@pytest.mark.parametrize(
    ("number", "why"),
    [
        ("1e99999999999999999999", "InvalidOperation"),
        ("1" * 5_000, "Exceeds the limit"),
        ("[" * 100_000, "recursion"),
    ],
)
def test_what_no_number_or_machine_can_hold_is_a_problem_of_its_line(number: str, why: str) -> None:
    found = pieces(f'{json.dumps(ONE)}\n{{"quantity": {number}}}\n{json.dumps(TWO)}\n')
    assert [each.place for each in found] == ["line 1", "line 2", "line 3"]
    assert isinstance(found[1].item, Problem)
    assert why in found[1].item.rule


def test_an_attribute_that_stands_twice_is_refused() -> None:
    found = read(pieces('{"quantity": 1, "dimension": "d", "quantity": 2}\n'))
    assert found == [
        (
            "line 1",
            """the line '{"quantity": 1, "dimension": "d", "quantity": 2}' refused: """
            "the attribute 'quantity' appears twice; keep only the one that you mean",
        )
    ]


def test_what_is_not_utf_8_is_refused_by_line() -> None:
    """The command decodes with surrogate escapes; here the second line is Latin-1."""
    good, bad = json.dumps(ONE).encode(), json.dumps(ONE).encode().replace(b"api", b"\xe4pi")
    decoded = [each.decode("utf-8", "surrogateescape") for each in (good, bad, good)]
    found = list(read_json(decoded))
    assert isinstance(found[1].item, Problem)
    assert (found[1].item.rule, found[1].item.fix) == (
        "it is not UTF-8",
        "save the file in UTF-8",
    )
    assert str(found[1].item).encode()
    assert [isinstance(each.item, Problem) for each in found] == [False, True, False]


def test_a_long_document_is_read_in_one_pass() -> None:
    """Each place is counted from the one before, not from the top of the file."""
    found = pieces(pretty([ONE] * 20_000))
    assert len(found) == 20_000
    assert found[-1].place == f"line {2 + 8 * 19_999}"


# CSV

HEADER = "customerAWSAccountId,productCode,create_timestamp,dimension,quantity"
ROW = "111122223333,prod-abc123,1795165800000,api_calls,"


def rows(text: str) -> list[Piece]:
    return list(read_csv(lines(text)))


def test_csv_with_the_names_of_the_guide() -> None:
    found = rows(f"{HEADER}\n{ROW}5\n\n{ROW}0.1\n")
    assert [each.place for each in found] == ["line 2", "line 4"]
    assert found[0].item == {
        "customerAWSAccountId": "111122223333",
        "productCode": "prod-abc123",
        "create_timestamp": 1795165800000,
        "dimension": "api_calls",
        "quantity": 5,
        "metering_pending": "true",
    }
    assert found[0].text == f"{ROW}5"
    assert not isinstance(found[1].item, Problem)
    assert found[1].item["quantity"] == Decimal("0.1")
    assert isinstance(read_record(found[0].item, utc("2026-11-21 00:00")), UsageRecord)


def test_csv_as_spreadsheets_write_it() -> None:
    """A byte order mark, CRLF, quotes, blanks around cells, empty cells and rows."""
    found = rows('\ufeff"customerAWSAccountId", quantity ,note\r\n" 111 ",\t5,\r\n,,\r\n  \r\n')
    [piece] = found
    assert piece.item == {
        "customerAWSAccountId": "111",
        "quantity": 5,
        "metering_pending": "true",
    }


def test_csv_tags_are_json() -> None:
    found = rows('quantity,tags\n5,"{""team"": ""red""}"\n5,team=red\n')
    assert [each.item["tags"] for each in found if not isinstance(each.item, Problem)] == [
        {"team": "red"},
        "team=red",
    ]


def test_an_own_column_for_pending_is_kept_to() -> None:
    found = rows("quantity,metering_pending\n5,true\n5,\n5,no\n")
    pending = [each.item.get("metering_pending") for each in found if isinstance(each.item, dict)]
    assert pending == ["true", None, "no"]


def test_csv_numbers_are_numbers_only_where_they_are_meant() -> None:
    found = rows(f"{HEADER},own\n{ROW}1e3,7\n{ROW}five,7\n{ROW}1_000,7\n{ROW}٥,7\n")
    items = [each.item for each in found if isinstance(each.item, dict)]
    assert [each["quantity"] for each in items] == [Decimal(1000), "five", "1_000", "٥"]
    assert items[0]["own"] == "7"


def test_bad_csv_rows_cost_only_themselves() -> None:
    found = rows(f'{HEADER}\n{ROW}5,6\n{ROW}5"x\n{ROW}"5"x\n{ROW}7\n')
    assert read(found)[0] == (
        "line 2",
        f"the row '{ROW}5,6' refused: it has 6 cells under 5 column names; "
        "quote cells that hold commas; a number has a decimal point, as 1.5",
    )
    assert read(found)[2] == (
        "line 4",
        f"the row '{ROW}\"5\"x' refused: it is not CSV (',' expected after '\"'); "
        "quote cells that hold commas or quotes",
    )
    assert read(found)[3] == ("line 5", 7)


def test_a_column_that_stands_twice_is_refused_row_by_row() -> None:
    found = rows("quantity,dimension,quantity\n1,d,2\n")
    assert read(found) == [
        (
            "line 2",
            "the row '1,d,2' refused: the column 'quantity' appears twice; "
            "keep only the one that you mean",
        )
    ]


def test_a_broken_header_does_not_make_the_next_row_the_header() -> None:
    found = rows(f'a,"b"c\n{ROW}5\n')
    assert [each.place for each in found] == ["line 1", "line 2"]
    assert all(isinstance(each.item, Problem) for each in found)


def test_an_open_quote_costs_its_own_line_and_swallows_no_other() -> None:
    found = rows(f'{HEADER}\n{ROW}5\n"111122223333,x\n{ROW}5\n')
    assert [each.place for each in found] == ["line 2", "line 3", "line 4"]
    assert read(found)[0][1] == read(found)[2][1] == 5
    assert found[1].text == '"111122223333,x'
    assert isinstance(found[1].item, Problem)
    assert "not closed on its line" in found[1].item.rule


def test_stray_quotes_of_own_columns_hide_no_row() -> None:
    """An inch mark, a quote that opens, and one that closes lines later."""
    notes = ['24" screen', '"24 inch', "ok", '27 inch"', '"a ""b"", c"', "ok"]
    found = rows(f"{HEADER},note\n" + "".join(f"{ROW}1,{note}\n" for note in notes))
    assert [each.place for each in found] == [f"line {n}" for n in range(2, 8)]
    wrong = [each.place for each in found if isinstance(each.item, Problem)]
    assert wrong == ["line 3"]
    said = [each.item["note"] for each in found if not isinstance(each.item, Problem)]
    assert said == ['24" screen', "ok", '27 inch"', 'a "b", c', "ok"]


@pytest.mark.parametrize("separator", [";", "\t"])
@pytest.mark.parametrize("before", ["", "sep=;\n"])
def test_the_separator_is_the_one_of_the_header(separator: str, before: str) -> None:
    text = f"{HEADER},note\n{ROW}5,ok\n".replace(",", separator)
    [piece] = rows(before + text)
    assert not isinstance(piece.item, Problem)
    assert isinstance(read_record(piece.item, utc("2026-11-21 00:00")), UsageRecord)


@pytest.mark.parametrize("row", [f'{ROW}"1,5"', f'{ROW}"1.234,5"', f'{ROW}"1,234"'])
def test_a_comma_in_a_number_is_refused_because_it_may_mean_two_things(row: str) -> None:
    [(_place, said)] = read(rows(f"{HEADER}\n{row}\n"))
    assert "a comma in a number may stand for decimals or for thousands" in str(said)
    semicolons = f"{HEADER};{ROW}".replace(";", "\n").replace(",", ";") + "1,5"
    [(_place, said)] = read(rows(semicolons))
    assert str(said).startswith("quantity '1,5' refused: a comma in a number")


def test_empty_cells_beyond_the_header_are_no_difference() -> None:
    found = rows(f"{HEADER}\n{ROW}5,,\n{ROW}1,5\n")
    assert read(found)[0] == ("line 2", 5)
    assert "a number has a decimal point" in str(read(found)[1][1])


ROUNDED_TIME = "1.79608E+12"


@pytest.mark.parametrize(
    ("number", "is_rounded"),
    [
        ("1.23457e+06", True),
        ("1.2e+06", True),
        ("1E+09", True),
        ("2.5", False),
        ("1e3", False),
        ("1E+03", False),
        ("1.0E7", False),
        ("1.234567e+06", False),
        ("1.2345678e+06", False),
        ("0e+10", False),
        ("1500000.0", False),
        ("2.5e-05", False),
    ],
)
def test_a_rounded_number_is_refused_and_an_exact_one_is_not(number: str, is_rounded: bool) -> None:
    in_json = pieces(json.dumps(ONE).replace('"quantity": 1', f'"quantity": {number}'))
    in_csv = rows(f"{HEADER}\n{ROW}{number}\n")
    for [piece] in (in_json, in_csv):
        assert not isinstance(piece.item, Problem)
        found = read_record(piece.item, utc("2026-11-21 00:00"))
        if not is_rounded:
            assert isinstance(found, UsageRecord)
            continue
        assert not isinstance(found, UsageRecord)
        [problem] = found
        assert problem.field == "quantity" and "it was rounded" in problem.rule
        assert "write all its digits" in problem.fix


def test_a_rounded_time_is_refused_and_that_of_java_is_not() -> None:
    rounded = rows(f"{HEADER}\n{ROW}5\n".replace("1795165800000", ROUNDED_TIME))
    exact = rows(f"{HEADER}\n{ROW}5\n".replace("1795165800000", "1.7951658E12"))
    found = read_record(rounded[0].item, utc("2026-12-21 00:00"))  # type: ignore[arg-type]
    assert isinstance(found, tuple)
    assert [str(each) for each in found] == [
        "create_timestamp 1.79608E+12 refused: it was rounded where it was written: its last "
        "digits are gone; write all 13 digits (in a spreadsheet: format the column as 0)"
    ]
    assert isinstance(read_record(exact[0].item, utc("2026-12-21 00:00")), UsageRecord)  # type: ignore[arg-type]


def test_rounded_numbers_of_the_seller_s_own_are_kept() -> None:
    [piece] = pieces(json.dumps({**ONE, "own": 1}).replace('"own": 1', '"own": 1.5e+06'))
    found = read_record(piece.item, utc("2026-12-21 00:00"))  # type: ignore[arg-type]
    assert isinstance(found, UsageRecord) and found.extras == {"own": 1_500_000}


def test_csv_that_is_not_utf_8_is_refused_by_row() -> None:
    decoded = [f"{HEADER}\n", f"{ROW}5\n".replace("api", "\udce4pi")]
    [piece] = read_csv(decoded)
    assert isinstance(piece.item, Problem) and piece.item.rule == "it is not UTF-8"


# Any text

BITS = st.sampled_from(
    [*'{}[]",:\n\r \t\\', "{", "\n", json.dumps(ONE), json.dumps(TWO), '"a"', "1", "é", "\udce4"]
)
TEXTS = st.lists(BITS, max_size=25).map("".join) | st.text(max_size=40)


def without_separators(text: str) -> str:
    return "".join(sign for sign in text if not sign.isspace() and sign not in ",[]\ufeff")


@given(TEXTS)
def test_any_text_comes_out_whole_as_json(text: str) -> None:
    """Nothing raises, and apart from what separates the pieces no sign is lost or doubled."""
    found = pieces(text)
    kept = "".join(without_separators(each.text) for each in found)
    assert kept == without_separators(text)
    for each in found:
        assert each.place.startswith("line ")
        if isinstance(each.item, Problem):
            assert str(each.item).encode()
        else:
            read_record(each.item, NOW)


@given(TEXTS)
def test_any_text_comes_out_whole_as_csv(text: str) -> None:
    found = list(read_csv(lines(f"quantity,dimension\n{text}")))
    kept = "".join(without_separators(each.text) for each in found)
    assert kept.replace('"', "") == without_separators(text).replace('"', "")
    for each in found:
        if isinstance(each.item, Problem):
            assert str(each.item).encode()
        else:
            read_record(each.item, NOW)


@given(st.lists(st.lists(st.text("abc,\"' x", max_size=5), min_size=2, max_size=2), max_size=5))
def test_what_csv_writes_csv_reads(table: list[list[str]]) -> None:
    """But for line breaks: a row is one line."""
    written = io.StringIO()
    writer = csv.writer(written)
    writer.writerow(["dimension", "own"])
    writer.writerows(table)
    found = rows(written.getvalue())
    expected = [
        {name: cell.strip() for name, cell in zip(("dimension", "own"), row, strict=True)}
        for row in table
        if any(cell.strip() for cell in row)
    ]
    assert [
        {"dimension": "", "own": "", **each.item} for each in found if isinstance(each.item, dict)
    ] == [{**each, "metering_pending": "true"} for each in expected]
