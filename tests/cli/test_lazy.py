"""The command line loads what it needs, and no more."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.shell_completion import ShellComplete

from marketplace_metering.cli import local
from marketplace_metering.cli.lazy import LazyGroup
from marketplace_metering.cli.main import cli
from tests.cli.conftest import Metering

GROUPS = {"metering": cli, "metering local": local.local}
COMMANDS = [
    pytest.param(group, name, id=f"{path} {name}")
    for path, group in GROUPS.items()
    for name in group.commands
]
# Runs the command line and tells on standard error which modules it has loaded.
PROGRAM = """
import atexit, json, sys
from marketplace_metering.cli import main
atexit.register(lambda: print(json.dumps(sorted(sys.modules)), file=sys.stderr))
main()
"""


def loaded_by(folder: Path, *arguments: str) -> set[str]:
    """The modules that a command loads in a process of its own."""
    command = [sys.executable, "-c", PROGRAM, *arguments]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True)
    return set(json.loads(done.stderr.splitlines()[-1]))


@pytest.mark.parametrize(("group", "name"), COMMANDS)
def test_the_overview_says_what_each_command_says_of_itself(group: LazyGroup, name: str) -> None:
    shown = group.commands[name].get_short_help_str(limit=1_000)
    assert group.load(name).name == name
    assert group.load(name).get_short_help_str(limit=1_000) == shown


@pytest.mark.parametrize("path", GROUPS)
def test_no_sentence_of_the_overview_is_cut(path: str) -> None:
    group = GROUPS[path]
    overview = group.get_help(click.Context(group, info_name=path, terminal_width=100))
    assert "..." not in overview.split("Commands:")[1]


def test_the_overview_loads_no_command(tmp_path: Path) -> None:
    loaded = loaded_by(tmp_path, "--help")
    ours = {name for name in loaded if name.startswith("marketplace_metering.")}
    assert ours == {f"marketplace_metering.cli{each}" for each in ("", ".main", ".lazy")}
    assert not loaded & {"boto3", "botocore", "rich", "sqlite3"}


@pytest.mark.parametrize("arguments", ["status --json", "windows", "local status --help"])
def test_looking_at_a_file_loads_no_aws_sdk(arguments: str, tmp_path: Path) -> None:
    assert not loaded_by(tmp_path, *arguments.split()) & {"boto3", "botocore"}


def test_a_misspelt_command_is_answered_with_the_right_one(metering: Metering) -> None:
    wrong = metering("statsu")
    assert wrong.exit_code == 2
    assert "No such command 'statsu'." in wrong.stderr
    assert "status" in wrong.stderr


def test_a_shell_completes_commands_and_their_options() -> None:
    """The first from the overview alone."""
    complete = ShellComplete(cli, {}, "metering", "_METERING_COMPLETE")
    [found] = complete.get_completions([], "st")
    assert (found.value, found.help) == ("status", "Show the books of each product, and...")
    assert [found.value for found in complete.get_completions(["status"], "--ch")] == ["--check"]


@pytest.mark.parametrize(
    "wrong",
    ["record file.jsonl --quantity 5", "record not-there.jsonl", "retry", "windows --state sold"],
)
def test_a_mistake_of_the_caller_makes_no_store(
    wrong: str, metering: Metering, tmp_path: Path
) -> None:
    assert metering(*wrong.split()).exit_code == 2
    assert list(tmp_path.iterdir()) == []
