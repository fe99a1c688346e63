"""The day while it passes: a live line of counters on a terminal, a few plain lines elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta

from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from marketplace_metering.proof.demo.day import Progress
from marketplace_metering.proof.demo.listings import AWS_IS_DOWN, DAY_BEGINS, MONTH_ENDS, SUSPENSION
from marketplace_metering.proof.worlds.timeline import Span

HOUR = timedelta(hours=1)
HOURS = 34  # until the last record of the file has arrived and is metered
HOURS_BETWEEN_LINES = 4
WIDTH_MAX = 79
NOVEMBER_CLOSES = MONTH_ENDS + 6 * HOUR
NEWS = (
    AWS_IS_DOWN,
    Span("AWS is back", AWS_IS_DOWN.ends_at, AWS_IS_DOWN.ends_at + HOUR),
    SUSPENSION._replace(what="a buyer is suspended"),
    Span("November closes at 06:00", MONTH_ENDS, NOVEMBER_CLOSES),
    Span("November is closed", NOVEMBER_CLOSES, NOVEMBER_CLOSES + 4 * HOUR),
)

COUNTERS = {
    "records read": "cyan",
    "windows billed": "green",
    "faults": "yellow",
    "crashes": "red",
    "alarms": "magenta",
}

OnHour = Callable[[Progress], None]


@contextmanager
def watching(console: Console, is_quiet: bool) -> Iterator[OnHour]:
    """A view of the day that is told of each hour."""
    if is_quiet:
        yield lambda progress: None
    elif console.is_terminal and not console.is_dumb_terminal:
        first = _picture(Progress(DAY_BEGINS), console.width)
        with Live(first, console=console, transient=True, auto_refresh=False) as live:
            yield lambda progress: live.update(_picture(progress, console.width), refresh=True)
    else:
        console.print(_HEADER)
        yield lambda progress: _print_line(console, progress)


def news(now: datetime) -> str:
    """What is special about this hour."""
    return next((span.what for span in NEWS if span.covers(now)), "")


def _hours_passed(now: datetime) -> int:
    return (now - DAY_BEGINS) // HOUR


def _picture(progress: Progress, width: int) -> Group:
    now, *counts = progress
    when = Text.assemble((f"{now:%A %d %B %H:%M} UTC", "bold"), "   ", (news(now), "yellow"))
    counters = Table.grid(padding=(0, 3))
    counters.add_row(
        *(
            Text.assemble((f"{count:,}", style), f" {what}")
            for count, (what, style) in zip(counts, COUNTERS.items(), strict=True)
        )
    )
    passed = min(_hours_passed(now), HOURS)
    bar = ProgressBar(total=HOURS, completed=passed, width=min(width, WIDTH_MAX))
    bar_line = Table.grid()  # a bar does not end its line by itself
    bar_line.add_row(bar)
    return Group(when, bar_line, counters)


_COLUMNS = "{:<13}{:>7,}{:>9,}{:>8,}{:>9,}{:>8,}  {}"
_HEADER = "UTC             read  windows  faults  crashes  alarms"


def _print_line(console: Console, progress: Progress) -> None:
    now, *counts = progress
    hours = _hours_passed(now)
    if hours % HOURS_BETWEEN_LINES == 0 or hours == HOURS:
        line = _COLUMNS.format(f"{now:%d %b %H:%M}", *counts, news(now))
        console.print(line.rstrip(), markup=False)
