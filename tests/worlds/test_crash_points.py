"""Job and processor die before and after each of their external calls; the books come out right.

`python -m tests.worlds.aws_path` prints the calls of the scenario.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from decimal import Decimal
from functools import cache
from pathlib import Path

import pytest

from marketplace_metering.proof.worlds.snapshot import MeterName
from tests.worlds.aws_path import OTHER, AwsPath, Gate, play
from tests.worlds.stage import METER, STORAGE, WRONG

PARTS = 16
PROOF = Path(__file__).parents[2] / "docs/proof.md"
METERS = (METER, STORAGE, OTHER)


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


@cache
def _undisturbed() -> tuple[Gate, AwsPath]:
    gate = Gate()
    return gate, play(gate)


def _documented() -> list[tuple[str, str]]:
    """Whatever the two functions ask of AWS, as docs/proof.md lists it."""
    _before, rest = PROOF.read_text().split("<!-- calls -->")
    table, _after = rest.split("<!-- end of calls -->")
    return re.findall(r"^\| (job|processor) \| (.+) \|$", table, re.MULTILINE)


def test_the_scenario_makes_every_kind_of_call() -> None:
    gate, path = _undisturbed()
    assert sorted({(call.function, f"{call.service} {call.operation}") for call in gate.calls}) == (
        _documented()
    )
    assert _billed(path) == {METER: 14, STORAGE: 7, OTHER: Decimal("14.5")}
    _check_poison(path, "undisturbed")


@pytest.mark.parametrize("is_done", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("part", range(PARTS))
def test_a_crash_at_each_call(part: int, is_done: bool) -> None:
    """The same usage is billed, listed and told, whatever the process had come to."""
    gate, path = _undisturbed()
    for number in range(part, len(gate.calls), PARTS):
        dying = Gate(number, is_done)
        survivor = play(dying)  # with the auditor's books compared after every run
        assert dying.has_died
        assert dying.calls[: number + 1] == gate.calls[: number + 1]
        where = f"call {number}, {gate.calls[number]}"
        assert _billed(survivor) == _billed(path), where
        _check_poison(survivor, where)


def _check_poison(path: AwsPath, where: str) -> None:
    """Given back and listed; but where an attempt's answer died with the process, unresolved."""
    [entry] = [entry for entry in path.books.entries if entry.meter == WRONG]
    if entry.begun == entry.refused:
        assert (entry.state, _listed(path)) == ("released", [(WRONG, 3_000_000)]), where
    else:
        assert (entry.state, _listed(path)) == ("unresolved", []), where
    assert {"parked", "refused input", entry.state} == set(path.alarms()), where


def _billed(path: AwsPath) -> dict[MeterName, Decimal]:
    return {meter: sum(map(Decimal, path.billed(meter).values()), Decimal()) for meter in METERS}


def _listed(path: AwsPath) -> list[tuple[MeterName, int]]:
    return [(row.meter, row.micros) for row in path.listed()]
