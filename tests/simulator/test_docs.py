"""docs/simulator.md: its examples run and print what it shows, its tables are complete."""

import ast
import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from marketplace_metering.simulator import Readings
from marketplace_metering.simulator.admin.faults import KINDS
from marketplace_metering.simulator.admin.routes import Admin
from tests.simulator.world import LICENSE, SimulatorWorld, call, make_client

TESTS = Path(__file__).parent
PAGE = TESTS.parents[1] / "docs" / "simulator.md"
TEXT = PAGE.read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    """The code blocks of one language."""
    return re.findall(rf"^```{language}\n(.*?)^```", TEXT, re.DOTALL | re.MULTILINE)


def commands() -> Iterator[tuple[str, str]]:
    """Every command of the page with the output shown below it."""
    for block in blocks("console"):
        for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            command, _, output = part.partition("\n")
            yield command, output


def rows(heading: str) -> list[list[str]]:
    """The cells of the first table after a heading."""
    section = TEXT.split(f"\n{heading}\n", 1)[1]
    table = section[section.index("\n|") :].split("\n\n", 1)[0]
    return [[cell.strip() for cell in line.split("|")[1:-1]] for line in table.split("\n")[3:]]


@cache
def names_of_tests() -> set[str]:
    """Every test function in this folder."""
    return {
        node.name
        for path in TESTS.glob("test_*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")
    }


def normal(text: str) -> str:
    """Without what depends on the moment or on the version of botocore."""
    text = re.sub(r"\(it is \S+ now\)", "(it is NOW now)", text)
    return re.sub(r" ?\(reached max retries: \d+\)", "", text).strip()


def shown_in(shown: Any, actual: Any) -> bool:
    """Whether an answer has everything that the page shows; newer clients may print more."""
    match shown:
        case dict():
            return all(key in actual and shown_in(shown[key], actual[key]) for key in shown)
        case list():
            pairs = zip(shown, actual, strict=True)
            return all(shown_in(left, right) for left, right in pairs)
        case _:
            return bool(shown == actual)


def environment(url: str) -> dict[str, str]:
    """What the page tells the reader to export."""
    folder = str(Path(sys.executable).parent)
    return {
        "PATH": os.pathsep.join([folder, os.environ.get("PATH", "")]),
        "AWS_ACCESS_KEY_ID": "simulated",
        "AWS_SECRET_ACCESS_KEY": "simulated",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ENDPOINT_URL_MARKETPLACE_METERING": url,
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_EC2_METADATA_DISABLED": "true",
        "L": LICENSE,
    }


def curl(command: str, url: str) -> Any:
    """What curl would print, so that the tests need no curl."""
    words = shlex.split(command.replace("$S", f"{url}/_simulator"))
    method, body, target = "GET", None, ""
    rest = iter(words[1:])
    for word in rest:
        if word == "-X":
            method = next(rest)
        elif word == "-d":
            method, body = "POST", next(rest).encode()
        else:
            target = word
    return call(url, method, target.removeprefix(url), body)[1]


def assert_prints(command: str, output: str, url: str) -> None:
    """One command prints what the page shows."""
    if command.startswith("curl "):
        assert curl(command, url) == json.loads(output), command
        return
    run = subprocess.run(
        ["sh", "-c", command],
        env=environment(url),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    if output.startswith("{"):
        assert shown_in(json.loads(output), json.loads(run.stdout)), run
    else:
        assert normal(output) in normal(run.stdout + run.stderr), run


def test_every_example_prints_what_the_page_shows(far: SimulatorWorld, url: str) -> None:
    script, shown = blocks("python")[0], blocks("text")[0]
    run = subprocess.run(
        [sys.executable, "-c", script],
        env=environment(url),
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    printed = [normal(line) for line in run.stdout.splitlines()]
    assert printed == [normal(line) for line in shown.splitlines()]
    clock_is_ours = True
    for command, output in commands():
        clock_is_ours = clock_is_ours and "$S/clock" not in command
        if clock_is_ours:
            far.clock.advance(1)  # a reader is slower than the quota
        if not command.startswith(("metering ", "L=")):
            assert_prints(command, output, url)


def test_the_in_process_example_runs(capsys: pytest.CaptureFixture[str]) -> None:
    client = make_client()
    exec(compile(blocks("python")[1], "docs/simulator.md", "exec"), {"client": client})
    client.close()
    assert capsys.readouterr().out == "[] []\n"


def test_every_admin_endpoint_has_an_example(near: SimulatorWorld) -> None:
    text = "\n".join(command for command, _ in commands() if command.startswith("curl "))
    admin = Admin(near.faults, near.clock)
    for name in admin._gets:
        assert re.search(rf'curl "?\$S/{name}\b', text), f"GET {name}"
    for name in admin._posts:
        assert re.search(rf"curl -d .* \$S/{name}$", text, re.MULTILINE), f"POST {name}"
    assert "curl -X DELETE $S/faults" in text


def test_every_behaviour_is_held_by_a_test_that_exists() -> None:
    table = rows("## What it simulates")
    assert len(table) >= 35
    assert [row[0] for row in table] == [str(number) for number in range(1, len(table) + 1)]
    for _, behaviour, source, tests in table:
        named = re.findall(r"`(\w+)`", tests)
        assert source, behaviour
        assert named, behaviour
        assert set(named) <= names_of_tests(), behaviour


def test_every_reading_is_in_the_table_with_its_default_first() -> None:
    table = rows("## Readings")
    defaults = Readings().as_json()
    assert [row[0].strip("`") for row in table] == list(defaults)
    for name, values, question, test in table:
        assert values.split("`")[1] == str(defaults[name.strip("`")])
        assert question
        assert test.strip("`") in names_of_tests()


def test_every_fault_is_in_the_table() -> None:
    assert [row[0].strip("`") for row in rows("### Faults")] == list(KINDS)
