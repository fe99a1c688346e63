"""What foreign programs wrote is shown, and does nothing."""

from __future__ import annotations

import io
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from marketplace_metering.adapters.aws.topic import message, subject
from marketplace_metering.adapters.machine import describe
from marketplace_metering.cli.render import table
from marketplace_metering.core.hours import UsageHour
from marketplace_metering.core.identity import Meter, Window
from marketplace_metering.core.ledger import Alarm, AlarmKind
from marketplace_metering.core.plain_text import one_line
from marketplace_metering.core.quantity import Quantity
from tests.support.clock import utc

HOSTILE = (
    "\x1b[2J\x1b]0;owned\x07",  # clears the screen, renames the window
    "\x9b31m",  # the same in C1
    "real\r\nERROR all usage is lost",  # a line of its own
    "\u202etxt.exe",  # read from right to left
    "\u2066\u2069\u200f\u061c",  # more of these
    "a\u200bb\u200d\ufeff",  # cannot be seen
    "\u2028\u2029\x85\x0b\x0c",  # other ends of lines
    "\ud800",  # half of a character
    "[red]not red[/red] [link=https://evil.example]here[/link]",
    "\U000e0041",  # a tag character
)
DOES_SOMETHING = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}  # categories of Unicode
STYLES = ("\x1b[1m", "\x1b[0m", "\x1b[3m")


def does_nothing(text: str, but: str = "") -> bool:
    return not [
        each for each in text if unicodedata.category(each) in DOES_SOMETHING and each not in but
    ]


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_is_shown_as_escapes(text: str) -> None:
    assert does_nothing(one_line(text))


@pytest.mark.parametrize("text", ["größer", "東京 users", "نص عربي", "naïve - “quoted”", "🙂"])
def test_text_of_every_script_stays_as_it_is(text: str) -> None:
    assert one_line(text) == text


@given(st.text(), st.none() | st.integers(0, 50))
def test_any_text_is_one_line_that_does_nothing(text: str, longest: int | None) -> None:
    shown = one_line(text, longest)
    assert does_nothing(shown)
    assert one_line(shown, longest) == shown
    assert longest is None or len(shown) <= longest


def test_what_was_cut_says_so() -> None:
    assert one_line("x" * 10, 10) == "x" * 10
    assert one_line("x" * 11, 10) == "x" * 7 + "..."


def alarm(text: str) -> Alarm:
    window = Window(Meter("prod-1", "123456789012", text), UsageHour(498_000))
    return Alarm(AlarmKind.PARKED, window, Quantity(5), text, utc("12:00"))


@pytest.mark.parametrize("text", HOSTILE)
def test_notifications_and_logs_show_it_only(text: str) -> None:
    assert does_nothing(describe(alarm(text)))
    assert does_nothing(message("shop", [alarm(text)]), but="\n")
    assert "\nERROR" not in message("shop", [alarm(text)])
    assert does_nothing(subject("shop", [alarm(text)]))


@pytest.mark.parametrize("text", HOSTILE)
def test_tables_show_it_only(text: str) -> None:
    drawn = table("Books", "product", "dimension")
    drawn.row(text, [text, "second"])
    written = io.StringIO()
    Console(file=written, markup=False, width=300, force_terminal=True).print(drawn)
    told = written.getvalue()
    for style in STYLES:
        told = told.replace(style, "")
    assert does_nothing(told, but="\n")
    if "[red]" in text:
        assert "[red]not red[/red]" in told
