"""The demo as it is run: balanced books, readable output, and an exit code that means it."""

import io
import json
import re
from contextlib import chdir
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from marketplace_metering.adapters.sqlite import SqliteStore
from marketplace_metering.adapters.sqlite.reports import SqliteReports
from marketplace_metering.proof.demo.day import Progress
from marketplace_metering.proof.demo.listings import DAY_BEGINS
from marketplace_metering.proof.demo.run import run_demo
from marketplace_metering.proof.demo.usage_file import Arrivals, read_lines
from marketplace_metering.proof.demo.watch import watching
from marketplace_metering.proof.worlds.aws import FAULTS
from marketplace_metering.simulator import MarketplaceSimulator

ESCAPE = "\x1b"


@dataclass
class Run:
    code: int
    text: str
    store: Path | None


def run(seed: int, *, store: Path | None = None, as_json: bool = False) -> Run:
    out = io.StringIO()
    console = Console(file=out, width=80, highlight=False)
    kept = None if store is None else str(store)
    code = run_demo(seed=seed, store_path=kept, console=console, as_json=as_json)
    return Run(code, out.getvalue(), store)


@pytest.fixture(scope="module")
def shown(tmp_path_factory) -> Run:
    """The demo as `make demo` shows it, with its file kept."""
    folder = tmp_path_factory.mktemp("demo")
    with chdir(folder):  # so that the path is as short as one types it
        kept = run(7, store=Path("books.db"))
    return replace(kept, store=folder / "books.db")


def test_the_books_balance_and_the_exit_code_says_so(shown):
    assert shown.code == 0
    assert "The books balance" in shown.text
    assert "WRONG" not in shown.text


def test_output_that_is_no_terminal_is_plain_and_80_wide(shown):
    assert ESCAPE not in shown.text
    assert "\r" not in shown.text
    assert [line for line in shown.text.splitlines() if len(line.rstrip()) > 80] == []
    assert "\N{HORIZONTAL ELLIPSIS}" not in shown.text  # no amount is cut
    assert len(shown.text.splitlines()) < 100
    assert shown.text.isascii()


def test_it_happened_what_was_promised(shown):
    words = " ".join(shown.text.split())  # a table breaks lines between words
    for cause in ("AWS is down", "buyer suspended", *FAULTS):
        assert re.search(rf"{cause} [1-9]", words), cause
    for place in ("a call to AWS", "a call to the store", "inside a transaction"):
        assert re.search(rf"{place} [1-9]", words), place
    for reason in ("buyer has no agreement", "dimension unknown to AWS", "licence had ended"):
        assert reason in shown.text


def test_a_kept_store_holds_balanced_books_and_every_line(shown):
    store = SqliteStore(str(shown.store))
    try:
        balances = SqliteReports(store.connection).balances()
    finally:
        store.close()
    assert all(balance.is_balanced for balance in balances)
    assert "metering status --store sqlite:///books.db\n" in shown.text


def test_an_older_file_is_not_touched(shown, capsys):
    before = shown.store.read_bytes()
    again = run(7, store=shown.store)
    assert again.code == 2
    assert again.text == ""
    assert "exists, and the demo needs a new file" in capsys.readouterr().err
    assert shown.store.read_bytes() == before


def test_a_folder_that_is_not_there_is_said_before_anything_runs(tmp_path, capsys):
    nowhere = run(7, store=tmp_path / "no" / "books.db")
    assert (nowhere.code, nowhere.text) == (2, "")
    assert "does not exist" in capsys.readouterr().err


def test_json_is_one_object_with_the_numbers_of_the_tables(shown):
    """The same seed in another run: the day is the same."""
    told = run(7, as_json=True)
    report = json.loads(told.text)
    assert told.code == 0
    assert report["balanced"] is True
    assert all(check["holds"] for check in report["checks"])
    assert len(report["meters"]) > 80
    assert all(isinstance(meter["recorded"], str) for meter in report["meters"])
    for count, what in (
        (sum(report["faults"].values()), "faults of AWS"),
        (sum(report["crashes"].values()), "crashes"),
        (report["requests"]["made"], "requests"),
        (sum(alarms["count"] for alarms in report["alarms"].values()), "alarms"),
    ):
        assert re.search(rf"^{what} +{count} ", shown.text, re.MULTILINE), (what, count)


def test_another_seed_is_another_day_with_the_same_books():
    report = json.loads(run(23, as_json=True).text)
    assert report["balanced"] is True
    assert report["crashes"]
    assert {row["product"] for row in report["invoices"]} == {
        row["product"] for row in report["products"] if row["product"]
    }


def test_a_millionth_more_on_aws_s_side_fails_the_demo(monkeypatch):
    honest: Any = MarketplaceSimulator.accepted

    def tampered(simulator):
        [first, *others] = honest.fget(simulator) or [None]
        if first is None:
            return []
        content = first.content._replace(quantity=first.content.quantity + 1)
        return [replace(first, content=content), *others]

    monkeypatch.setattr(MarketplaceSimulator, "accepted", property(tampered))
    wrong = run(7)
    assert wrong.code == 1
    assert "The books do not balance." in wrong.text
    words = " ".join(wrong.text.split())
    assert "0.000001 too" in words
    assert "meter " in wrong.text
    assert re.search("metering prove audits, hour by hour +WRONG", wrong.text)  # entry by entry
    assert re.search("AWS bills .* for entry 0 of", words)


def test_a_usage_record_that_is_lost_on_the_way_in_fails_the_demo(monkeypatch):
    lost = 1_234
    pieces = Arrivals.pieces
    monkeypatch.setattr(
        Arrivals,
        "pieces",
        lambda self, numbers: (
            piece for piece in pieces(self, numbers) if piece.place != f"line {lost + 1}"
        ),
    )
    wrong = run(7)
    assert wrong.code == 1
    assert json.loads(read_lines()[lost])["customerAWSAccountId"] in wrong.text
    assert "too little" in wrong.text.replace("\n", " ")


def test_a_terminal_sees_the_day_pass_and_then_only_the_books():
    out = io.StringIO()
    console = Console(file=out, width=80, force_terminal=True, color_system="standard")
    with watching(console, is_quiet=False) as on_hour:
        on_hour(Progress(DAY_BEGINS + timedelta(hours=11), 1_300, 290, 17, 5, 20))
    text = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", out.getvalue())
    assert "Monday 30 November 11:00 UTC" in text
    assert "AWS is down" in text
    assert "1,300 records read" in text
    assert out.getvalue().endswith("\x1b[2K")  # wiped


def test_no_colour_is_drawn_where_none_is_wanted(monkeypatch):
    monkeypatch.setenv("NO_COLOR", "1")
    out = io.StringIO()
    console = Console(file=out, width=80, force_terminal=True)
    with watching(console, is_quiet=False) as on_hour:
        on_hour(Progress(DAY_BEGINS, 1, 2, 3, 4, 5))
    assert not re.search(r"\x1b\[[0-9;]*(3[0-7]|38)[;m]", out.getvalue())


def test_the_document_shows_the_tables_as_they_are(shown):
    """The three tables that depend on the usage file alone; faults differ by seed."""
    page = (Path(__file__).parents[2] / "docs/demo.md").read_text()
    text = "\n".join(line.rstrip() for line in shown.text.splitlines())
    tables = text[text.index("Recorded and billed") : text.index("On the way")]
    assert tables in page, "docs/demo.md: paste the output of metering demo again"
