"""`metering prove`: prove on this machine that usage is metered exactly once."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable

import click

from marketplace_metering.cli.options import FAILED, OK, json_option
from marketplace_metering.cli.render import errors, note, out, print_json, say, table
from marketplace_metering.proof.worlds.runner import Total, processors, simulate
from marketplace_metering.proof.worlds.world_run import Life, live

RUNS_DEFAULT = 100
LINES_SHOWN = 60
WORLDS_PER_SIGN_OF_LIFE = 1_000  # in a log; a terminal sees the number rise


@click.command()
@click.option(
    "--seed",
    type=click.IntRange(0),
    help="The first world; without --runs, its story is printed in full.",
)
@click.option("--runs", type=click.IntRange(1), help="How many worlds, one for each seed.")
@click.option(
    "--store", type=click.Choice(("sqlite", "dynamodb")), default="sqlite", show_default=True
)
@click.option("--jobs", type=click.IntRange(1), help="Processors to use; all if not given.")
@click.option("--story", is_flag=True, help="Print everything that happened in the first world.")
@json_option
def prove(
    seed: int | None, runs: int | None, store: str, jobs: int | None, story: bool, as_json: bool
) -> None:
    """Meter usage in simulated worlds full of crashes and lost answers, and audit them.

    A seed decides everything in its world: what is used, who runs when, what fails. Exits with 1
    if a single unit of usage is lost, billed twice or left without a reason in any of them.
    """
    first = 1 if seed is None else seed
    if story or (seed is not None and runs is None and not as_json):
        _tell(live(first, store), in_full=True)
    count = runs or (RUNS_DEFAULT if seed is None else 1)
    began_s = time.monotonic()
    seeds = range(first, first + count)
    total = simulate(seeds, store, jobs or processors(), _progress(count))
    took_s = time.monotonic() - began_s
    if as_json:
        print_json({"store": store, "seconds": round(took_s, 3), **total.as_json()})
    else:
        _report(total, took_s)
    if total.violations and not as_json:
        worst, _what = total.violations[0]
        _tell(live(worst, store), in_full=False)
    sys.exit(FAILED if total.violations else OK)


def _progress(count: int) -> Callable[[Total], None]:
    """Say on stderr how far it is, and what was found as soon as it is: a long run takes hours."""
    told = 0

    def show(total: Total) -> None:
        nonlocal told
        for seed, what in total.violations[told:]:
            note(f"VIOLATION in world {seed}: {what}")
        told = len(total.violations)
        if errors.is_terminal and total.seeds % 20 == 0:
            errors.print("\r", total.seeds, " of ", count, " worlds", sep="", end="")
        elif not errors.is_terminal and total.seeds % WORLDS_PER_SIGN_OF_LIFE == 0:
            note(f"{total.seeds} of {count} worlds, violations: {told}")

    return show


def _report(total: Total, took_s: float) -> None:
    pace_ms = took_s * 1_000 / max(total.seeds, 1)
    say(
        f"{total.seeds} worlds in {took_s:.1f} s ({pace_ms:.0f} ms each): {total.steps} steps, "
        f"{sum(total.runs.values())} runs, {total.requests} requests to AWS, "
        f"{total.accepted} windows billed"
    )
    for title, counts in (("faults", total.faults), ("rare branches", total.marks)):
        drawn = table(title, "what", "times", numbers=1)
        for name, times in sorted(counts.items(), key=lambda each: (-each[1], each[0])):
            drawn.row(name, str(times))
        out.print(drawn)
    if not total.violations:
        out.print("no unit of usage was lost, billed twice or left without a reason")
    for seed, what in total.violations:
        say(f"VIOLATION in world {seed}: {what}")


def _tell(life: Life, in_full: bool) -> None:
    told = life.lines
    lines = told if in_full else told[-LINES_SHOWN:]
    say(f"the story of world {life.seed}, with {', '.join(life.mix) or 'no faults'}")
    if len(lines) < len(told):
        say(f"... {len(told) - len(lines)} lines before")
    for line in lines:
        say(line)
    say(f"timeline {life.digest}; to see it again:")
    say(f"  metering prove --seed {life.seed} --store {life.store}")
