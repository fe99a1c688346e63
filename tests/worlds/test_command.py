"""`metering prove`."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from click.testing import CliRunner

from marketplace_metering.cli.prove import prove
from marketplace_metering.core import wire
from marketplace_metering.core.outcome import Accepted


def test_some_worlds_are_reported() -> None:
    ran = CliRunner().invoke(prove, ["--seed", "1", "--runs", "3", "--jobs", "1"])
    assert ran.exit_code == 0
    assert ran.output.startswith("3 worlds in ")
    assert "no unit of usage was lost, billed twice or left without a reason" in ran.output


def test_a_single_world_is_told() -> None:
    ran = CliRunner().invoke(prove, ["--seed", "3"])
    assert ran.exit_code == 0
    assert ran.output.startswith("the story of world 3, with ")
    assert "process 1: submits" in ran.output
    assert "the faults end" in ran.output
    assert "metering prove --seed 3 --store sqlite" in ran.output


def test_a_violation_is_told_with_how_to_see_it_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wire, "_outcome", lambda result: Accepted(None))  # a 200 counts as billed
    ran = CliRunner().invoke(prove, ["--seed", "1", "--runs", "12", "--jobs", "1"])
    assert ran.exit_code == 1
    assert "VIOLATION in world" in ran.output
    assert "and AWS has nothing of it" in ran.output
    assert "to see it again:\n  metering prove --seed" in ran.output


def test_as_json_on_two_processors() -> None:
    program = "from marketplace_metering.cli.prove import prove; prove()"
    command = [sys.executable, "-c", program]
    options = ["--seed", "1", "--runs", "21", "--jobs", "2", "--json"]
    total = json.loads(subprocess.check_output([*command, *options]))
    assert (total["seeds"], total["violations"]) == (21, [])
    assert total["steps"] > 1_000
