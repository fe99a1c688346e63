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
from marketplace_metering.proof.demo.listings import (
    AWS_IS_DOWN,
    DAY_BEGINS,
    MONTH_ENDS,
    SUSPENSION,
    Span,
)

HOUR = timedelta(hours=1)
HOURS = 34  # until the last record of the file has arrived and is metered
HOURS_BETWEEN_LINES = 4
WIDTH_MAX = 79
NOVEMBER_CLOSES = MONTH_ENDS + 6 * HOUR
NEWS: tuple[tuple[Span, str], ...] = (
    (AWS_IS_DOWN, "AWS is down"),
    ((AWS_IS_DOWN[1], AWS_IS_DOWN[1] + HOUR), "AWS is back"),
    (SUSPENSION, "a buyer is suspended"),
    ((MONTH_ENDS, NOVEMBER_CLOSES), "November closes at 06:00"),
    ((NOVEMBER_CLOSES, NOVEMBER_CLOSES + 4 * HOUR), "November is closed"),
)

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
    return next((text for (begins, ends), text in NEWS if begins <= now < ends), "")


def _hours_passed(now: datetime) -> int:
    return (now - DAY_BEGINS) // HOUR


def _picture(progress: Progress, width: int) -> Group:
    when = Text.assemble((f"{progress.now:%A %d %B %H:%M} UTC", "bold"), "   ")
    when.append(news(progress.now), style="yellow")
    counters = Table.grid(padding=(0, 3))
    counters.add_row(
        *(
            Text.assemble((f"{count:,}", style), f" {what}")
            for count, what, style in (
                (progress.lines_read, "records read", "cyan"),
                (progress.windows_billed, "windows billed", "green"),
                (progress.faults, "faults", "yellow"),
                (progress.crashes, "crashes", "red"),
                (progress.alarms, "alarms", "magenta"),
            )
        )
    )
    passed = min(_hours_passed(progress.now), HOURS)
    bar = ProgressBar(total=HOURS, completed=passed, width=min(width, WIDTH_MAX))
    bar_line = Table.grid()  # a bar does not end its line by itself
    bar_line.add_row(bar)
    return Group(when, bar_line, counters)


_COLUMNS = "{:<13}{:>7}{:>9}{:>8}{:>9}{:>8}  {}"
_HEADER = _COLUMNS.format("UTC", "read", "windows", "faults", "crashes", "alarms", "").rstrip()


def _print_line(console: Console, progress: Progress) -> None:
    hours = _hours_passed(progress.now)
    if hours % HOURS_BETWEEN_LINES and hours != HOURS:
        return
    line = _COLUMNS.format(
        f"{progress.now:%d %b %H:%M}",
        f"{progress.lines_read:,}",
        f"{progress.windows_billed:,}",
        progress.faults,
        progress.crashes,
        progress.alarms,
        news(progress.now),
    )
    console.print(line.rstrip(), markup=False)
