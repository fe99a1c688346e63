"""`metering record`: a repetition is known by its input, never by an equal row (money rule 15)."""

from __future__ import annotations

import json
from pathlib import Path

from tests.cli.conftest import Metering, usage

HEADER = "customerAWSAccountId,productCode,create_timestamp,dimension,quantity\n"
OPTIONS = ("--account", "123456789012", "--product", "p1", "--dimension", "users")
AT = ("--at", "2024-02-15T16:00:00Z")


def row(quantity: int, at: int = 1708012800000) -> str:
    return f"123456789012,abc123xyz456,{at},api_calls,{quantity}\n"


def pending(metering: Metering) -> str:
    books = json.loads(metering("status", "--json").stdout)["products"]
    return str(books[0]["pending"]["quantity"]) if books else "0"


def two_hosts(folder: Path) -> None:
    (folder / "server-a.csv").write_text(HEADER + row(100) + row(7))
    (folder / "server-b.csv").write_text(HEADER + row(100) + row(9))


def test_an_equal_row_of_two_hosts_is_two_uses_in_one_command(
    metering: Metering, tmp_path: Path
) -> None:
    two_hosts(tmp_path)
    assert "recorded 4 (quantity 216)" in metering("record", "server-a.csv", "server-b.csv").stdout
    again = metering("record", "server-b.csv", "server-a.csv")
    assert "recorded 0 (quantity 0), already there 4" in again.stdout
    assert pending(metering) == "216"


def test_and_in_two_commands(metering: Metering, tmp_path: Path) -> None:
    two_hosts(tmp_path)
    for name in ("server-a.csv", "server-b.csv"):
        assert "recorded 2" in metering("record", name).stdout
    for name in ("server-a.csv", str(tmp_path / "server-b.csv"), "./server-a.csv"):
        assert "recorded 0 (quantity 0), already there 2" in metering("record", name).stdout
    assert pending(metering) == "216"


def test_a_file_that_grew_adds_what_is_new(metering: Metering, tmp_path: Path) -> None:
    file = tmp_path / "a.csv"
    file.write_text(HEADER + row(5))
    metering("record", "a.csv")
    with file.open("a") as more:
        more.write(row(5) + row(6))
    assert "recorded 2 (quantity 11), already there 1" in metering("record", "a.csv").stdout
    assert "recorded 0 (quantity 0), already there 3" in metering("record", "a.csv").stdout


def test_a_row_that_grew_is_not_one_more(metering: Metering, tmp_path: Path) -> None:
    """It was read while it was being written: its last row is another one now."""
    file = tmp_path / "a.csv"
    file.write_text(HEADER + row(5) + row(12).rstrip())
    metering("record", "a.csv")
    file.write_text(HEADER + row(5) + row(123))
    changed = metering("record", "a.csv")
    assert changed.exit_code == 3
    assert "does not begin any more with" in changed.stderr
    assert pending(metering) == "17"


def test_a_copy_is_in_doubt_until_a_person_says_what_it_is(
    metering: Metering, tmp_path: Path
) -> None:
    for name in ("a.csv", "b.csv", "c.csv"):
        (tmp_path / name).write_text(HEADER + row(5))
    result = metering("record", "a.csv", "b.csv")
    assert result.exit_code == 3
    assert "recorded 1 (quantity 5)" in result.stdout
    a, b = (str((tmp_path / name).resolve()) for name in ("a.csv", "b.csv"))
    assert f"{b}: nothing of it is recorded: it holds the same as {a}" in result.stderr
    assert "--count" in result.stderr and "--same" in result.stderr
    assert metering("record", "b.csv").exit_code == 3
    assert "recorded 0" in metering("record", "c.csv", "--same").stdout
    assert "recorded 1" in metering("record", "b.csv", "--count").stdout
    for name in ("a.csv", "b.csv", "c.csv"):
        again = metering("record", name)
        assert (again.exit_code, "already there 1" in again.stdout) == (0, True), name
    for name in ("b.csv", "a.csv"):
        assert "recorded 0" in metering("record", name, "--count").stdout
    assert pending(metering) == "10"


def test_a_copy_that_grew_is_in_doubt_as_well(metering: Metering, tmp_path: Path) -> None:
    """A log is renamed, and somebody records it under its new name."""
    (tmp_path / "usage.csv").write_text(HEADER + row(5))
    metering("record", "usage.csv")
    (tmp_path / "usage.csv.1").write_text(HEADER + row(5) + row(6))
    result = metering("record", "--format", "csv", "usage.csv.1")
    assert result.exit_code == 3
    assert "it begins with all that was recorded from" in result.stderr
    same = metering("record", "--format", "csv", "usage.csv.1", "--same")
    assert "recorded 1 (quantity 6), already there 1" in same.stdout
    assert pending(metering) == "11"


def test_a_file_that_holds_something_else_is_in_doubt(metering: Metering, tmp_path: Path) -> None:
    file = tmp_path / "a.csv"
    file.write_text(HEADER + row(5) + row(6))
    metering("record", "a.csv")
    file.write_text(HEADER + row(5) + row(7) + row(6))
    result = metering("record", "a.csv", "--json")
    assert result.exit_code == 3
    answer = json.loads(result.stdout)
    assert answer["recorded"] == 0
    assert answer["in_doubt"][0]["input"] == str(file.resolve())
    assert (
        "recorded 1 (quantity 7), already there 2" in metering("record", "a.csv", "--same").stdout
    )
    assert "recorded 0 (quantity 0), already there 3" in metering("record", "a.csv").stdout


def test_a_file_that_is_written_again_each_hour_is_counted(
    metering: Metering, tmp_path: Path
) -> None:
    file = tmp_path / "now.csv"
    file.write_text(HEADER + row(5))
    metering("record", "now.csv")
    file.write_text(HEADER + row(1) + row(5))
    assert metering("record", "now.csv").exit_code == 3
    assert "recorded 2 (quantity 6)" in metering("record", "now.csv", "--count").stdout
    assert "recorded 0 (quantity 0), already there 2" in metering("record", "now.csv").stdout
    named = metering("record", "now.csv", "--input", "hour 10")
    assert named.exit_code == 3  # the same content under another name
    file.write_text(HEADER + row(8) + row(1))
    assert "recorded 2" in metering("record", "now.csv", "--input", "hour 11").stdout
    assert "recorded 0" in metering("record", "now.csv", "--input", "hour 11").stdout
    assert pending(metering) == "20"


def test_events_need_no_word(metering: Metering, tmp_path: Path) -> None:
    """They count by their id, wherever they stand."""
    for name in ("a.jsonl", "b.jsonl"):
        (tmp_path / name).write_text(usage(event_id="e-1") + usage(event_id="e-2"))
    assert "recorded 2" in metering("record", "a.jsonl").stdout
    for _time in range(2):
        again = metering("record", "b.jsonl")
        assert (again.exit_code, "already there 2" in again.stdout) == (0, True)
    (tmp_path / "a.jsonl").write_text(usage(event_id="e-3") + usage(event_id="e-1"))
    changed = metering("record", "a.jsonl")
    assert (changed.exit_code, "recorded 1 " in changed.stdout) == (0, True)


def test_standard_input_is_known_by_its_content_or_by_a_name(metering: Metering) -> None:
    assert "recorded 1" in metering("record", stdin=usage()).stdout
    again = metering("record", stdin=usage())
    assert again.exit_code == 3
    assert "standard input: nothing of it is recorded: it holds the same as" in again.stderr
    assert "already there 1" in metering("record", "--same", stdin=usage()).stdout
    unnamed = metering("record", "--count", stdin=usage())
    assert unnamed.exit_code == 3
    assert "--count --input NAME" in unnamed.stderr
    named = ("record", "--input", "host b")
    assert metering(*named, stdin=usage()).exit_code == 3
    assert "recorded 1" in metering(*named, "--count", stdin=usage()).stdout
    assert "already there 1" in metering(*named, stdin=usage()).stdout
    assert "recorded 1" in metering(*named, stdin=usage() + usage(quantity=7)).stdout
    assert pending(metering) == "17"


def test_two_commands_of_equal_usage_are_two_uses_and_it_is_said(metering: Metering) -> None:
    for _time in range(2):
        result = metering("record", *OPTIONS, "--quantity", "3", *AT)
        assert "recorded 1 (quantity 3)" in result.stdout
        assert "the same command again is another one; with --event-id" in result.stderr
    assert pending(metering) == "6"
    named = metering("record", *OPTIONS, "--quantity", "3", *AT, "--event-id", "e")
    assert "another one" not in named.stderr


def test_own_attributes_in_another_order_are_the_same_event(
    metering: Metering, tmp_path: Path
) -> None:
    red = {"team": "red", "site": "north"}
    (tmp_path / "a.jsonl").write_text(usage(**red) + usage(event_id="seat-1", **red))
    metering("record", "a.jsonl")
    item = json.loads(usage(**red))
    turned = json.dumps(dict(reversed(item.items()))) + "\n"
    (tmp_path / "a.jsonl").write_text(turned + usage(event_id="seat-1", site="north", team="red"))
    same = metering("record", "a.jsonl", "--same")
    assert "recorded 0 (quantity 0), already there 2" in same.stdout


def test_an_empty_file_and_a_bare_header_are_nobody_s_copy(
    metering: Metering, tmp_path: Path
) -> None:
    for name, text in (("a.csv", ""), ("b.csv", ""), ("c.csv", HEADER), ("d.csv", HEADER)):
        (tmp_path / name).write_text(text)
    assert metering("record", "a.csv", "b.csv", "c.csv", "d.csv").exit_code == 0
    (tmp_path / "d.csv").write_text(HEADER + row(5))
    (tmp_path / "e.csv").write_text(HEADER + row(5, 1708012800001))
    assert "recorded 2" in metering("record", "d.csv", "e.csv").stdout


def test_what_stands_there_between_two_writings_says_nothing_of_the_next_one(
    metering: Metering, tmp_path: Path
) -> None:
    file = tmp_path / "a.csv"
    file.write_text(HEADER + row(5) + row(7))
    metering("record", "a.csv")
    for between in ("", HEADER):
        file.write_text(between)
        assert metering("record", "a.csv").exit_code == 0
    file.write_text(HEADER + row(2) + row(5) + row(7))
    assert metering("record", "a.csv").exit_code == 3
    assert pending(metering) == "12"
    assert (
        "recorded 1 (quantity 2), already there 2" in metering("record", "a.csv", "--same").stdout
    )


def test_a_line_that_was_cut_while_it_was_written_is_no_other_file(
    metering: Metering, tmp_path: Path
) -> None:
    text = usage(quantity=5) + usage(quantity=7) + usage(quantity=1)
    (tmp_path / "a.jsonl").write_text(text[:200])
    assert "recorded 1 (quantity 5), refused and kept 1" in metering("record", "a.jsonl").stdout
    (tmp_path / "a.jsonl").write_text(text)
    grown = metering("record", "a.jsonl")
    assert grown.exit_code == 0
    assert "recorded 2 (quantity 8), already there 1" in grown.stdout


def test_an_input_is_named_one_at_a_time(metering: Metering) -> None:
    assert metering("record", "a.csv", "b.csv", "--input", "x").exit_code == 2
    assert metering("record", *OPTIONS, "--quantity", "3", "--input", "x").exit_code == 2


def test_quotes_and_rounded_numbers_are_named_by_line_and_hide_nothing(
    metering: Metering, tmp_path: Path
) -> None:
    notes = ['"never closed', *["ok"] * 40]
    (tmp_path / "quotes.csv").write_text(
        HEADER.replace("\n", ",note\n")
        + "".join(row(1, 1708012800000 + n).replace("\n", f",{t}\n") for n, t in enumerate(notes))
    )
    result = metering("record", "quotes.csv")
    assert result.exit_code == 3
    assert "recorded 40 (quantity 40), refused and kept 1" in result.stdout
    assert "quotes.csv, line 2: the row" in result.stderr
    (tmp_path / "rounded.csv").write_text(
        HEADER + "".join(row(n).replace("1708012800000", "1.70801E+12") for n in (5, 7))
    )
    result = metering("record", "rounded.csv")
    assert result.exit_code == 3
    assert "recorded 0 (quantity 0), refused and kept 2" in result.stdout
    assert "create_timestamp 1.70801E+12 refused: it was rounded" in result.stderr
    option = metering("record", *OPTIONS, "--quantity", "1.23457e+06", *AT)
    assert (option.exit_code, "it was rounded" in option.stderr) == (3, True)
