"""`metering record`: what goes in, what is said, and what is kept."""

from __future__ import annotations

import json
from pathlib import Path

from tests.cli.conftest import Metering, usage


def test_json_lines_csv_and_standard_input_are_read(metering: Metering, tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text(usage() + usage(dimension="api_calls", quantity=0.5))
    (tmp_path / "b.csv").write_text(
        "customerAWSAccountId,productCode,create_timestamp,dimension,quantity,tags\n"
        '123456789012,p2,1708012345678,users,1.25,"{""team"":""blue""}"\n'
    )
    result = metering("record", "a.jsonl", "b.csv", "--json")
    assert result.exit_code == 0
    assert json.loads(result.stdout) == {
        "read": 3,
        "recorded": 3,
        "quantity": "6.75",
        "already_there": 0,
        "refused": 0,
        "refusals": [],
        "in_doubt": [],
        "store": "sqlite:///metering.db",
    }
    result = metering("record", stdin=usage(productCode="p3"))
    assert result.stdout == "recorded 1 (quantity 5) in sqlite:///metering.db\n"


def test_the_same_file_again_adds_nothing(metering: Metering, tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text(usage() + usage() + usage(quantity=7))
    assert "recorded 3 (quantity 17)" in metering("record", "a.jsonl").stdout
    assert "recorded 0 (quantity 0), already there 3" in metering("record", "a.jsonl").stdout


def test_bad_lines_are_reported_by_number_and_kept(metering: Metering, tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text(
        usage() + "nonsense\n" + usage(quantity=-1) + usage(quantity=2)
    )
    result = metering("record", "a.jsonl")
    assert result.exit_code == 3
    assert "recorded 2 (quantity 7), refused and kept 2" in result.stdout
    assert "a.jsonl, line 2: the line 'nonsense' refused: it is not JSON" in result.stderr
    assert "a.jsonl, line 3: quantity -1 refused: must be a number from 0" in result.stderr
    status = json.loads(metering("status", "--refused", "--json").stdout)
    assert {kept["place"] for kept in status["refused_input"]} == {
        "a.jsonl, line 2",
        "a.jsonl, line 3",
    }
    assert status["balanced"] is True


def test_one_record_from_options(metering: Metering) -> None:
    options = ("--account", "123456789012", "--product", "p1", "--dimension", "users")
    assert metering("record", *options, "--quantity", "2.5", "--tag", "team=blue").exit_code == 0
    assert metering("record", *options, "--quantity", "2.5").exit_code == 0
    books = json.loads(metering("status", "--json").stdout)["products"]
    assert books[0]["pending"] == {"quantity": "5", "usage_records": 2}


def test_an_event_counts_once(metering: Metering) -> None:
    line = usage(event_id="e-1")
    assert "recorded 1" in metering("record", stdin=line).stdout
    assert "recorded 0 (quantity 0), already there 1" in metering("record", stdin=line).stdout
    result = metering("record", stdin=usage(event_id="e-1", quantity=6))
    assert result.exit_code == 3
    assert "it was recorded before with quantity 5, and an event counts once" in result.stderr


def test_one_event_from_options_needs_its_time(metering: Metering) -> None:
    options = ("--account", "123456789012", "--product", "p1", "--dimension", "users")
    event = (*options, "--quantity", "2.5", "--event-id", "e-1")
    refused = metering("record", *event)
    assert refused.exit_code == 2
    assert "--event-id needs --at: the time of the event" in refused.stderr
    at = ("--at", "2024-02-15T16:26:52.300Z")
    assert "recorded 1" in metering("record", *event, *at).stdout
    assert "recorded 0 (quantity 0), already there 1" in metering("record", *event, *at).stdout


def test_mistakes_of_the_caller_exit_with_2(metering: Metering, tmp_path: Path) -> None:
    missing = metering("record", "nowhere.jsonl")
    assert (missing.exit_code, missing.stderr) == (
        2,
        "Error: cannot read nowhere.jsonl: No such file or directory\n",
    )
    both = metering("record", "a.jsonl", "--account", "1")
    assert both.exit_code == 2
    assert "either FILEs or the options of one usage record" in both.stderr
    assert metering("status", "--store", "mysql://x").exit_code == 2
    (tmp_path / "bad.toml").write_text("grace = 1")
    wrong = metering("status", "--config", "bad.toml")
    assert wrong.exit_code == 2
    assert "setting grace = 1 refused: must be one of these: store, region" in wrong.stderr


def test_a_file_that_is_no_database_is_refused(metering: Metering, tmp_path: Path) -> None:
    (tmp_path / "metering.db").write_text("this is a letter to my grandmother, not a database")
    result = metering("status")
    assert result.exit_code == 2
    assert "file is not a database; choose a writable file with --store" in result.stderr


def test_a_store_that_is_none_is_said_and_not_traced(metering: Metering, tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text(usage())
    result = metering("record", "--store", str(tmp_path / "x.db"), "a.jsonl")
    assert result.exit_code == 2
    assert "setting store = " in result.stderr
    assert "give sqlite:///file" in result.stderr
