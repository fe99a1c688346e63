"""The workshop: what the Makefile, CI, the hooks and the metadata promise fits together."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import yaml  # type: ignore[import-untyped]

ROOT = Path(__file__).parents[2]
MAKEFILE = (ROOT / "Makefile").read_text()
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
WORKFLOW = yaml.safe_load((ROOT / ".github/workflows/ci.yml").read_text())
MATRIX = WORKFLOW["jobs"]["test"]["strategy"]["matrix"]["include"]
TARGETS = set(re.findall(r"^([a-z]+):", MAKEFILE, re.MULTILINE))


def run(*command: str | Path) -> str:
    """What a command prints; it has to succeed."""
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def versions() -> list[str]:
    """The Pythons that CI tests."""
    return sorted(
        each["python"] for each in WORKFLOW["jobs"]["test"]["strategy"]["matrix"]["include"]
    )


def test_ci_runs_targets_that_exist_on_every_supported_python() -> None:
    assert {each["target"] for each in MATRIX} == {"test", "quick"} <= TARGETS
    assert PROJECT["requires-python"] == f">={versions()[0]}"
    in_ci_run = re.search(r"for version in (.+); do", (ROOT / ".ci/run").read_text())
    assert in_ci_run is not None
    assert in_ci_run[1].split() == versions()


def test_the_classifiers_name_pythons_that_are_tested() -> None:
    named = re.findall(r"Python :: (3\.\d+)", " ".join(PROJECT["classifiers"]))
    assert set(named) <= set(versions())
    assert named[0] == versions()[0]


def test_actions_are_pinned_to_a_major_version() -> None:
    steps = [step for job in WORKFLOW["jobs"].values() for step in job["steps"]]
    used = [step["uses"] for step in steps if "uses" in step]
    assert used
    assert all(re.fullmatch(r"actions/[\w-]+@v\d+", each) for each in used)


def test_the_hooks_are_valid_and_download_nothing() -> None:
    python = Path(sys.executable)
    run(python, "-m", "pre_commit", "validate-config", ".pre-commit-config.yaml")
    [repository] = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"]
    assert repository["repo"] == "local"
    for hook in repository["hooks"]:
        assert hook["language"] == "system"
        tool = Path(hook["entry"].split()[0])
        assert tool.parent == Path(".venv/bin")
        assert (python.parent / tool.name).exists(), f"{tool} is not installed"


def test_the_folders_of_the_quick_loop_exist() -> None:
    for path in re.findall(r"tests/[\w/.]+", MAKEFILE):
        assert (ROOT / path).exists(), f"the Makefile names {path}"


def test_contributing_names_what_there_is() -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text()
    for target in re.findall(
        r"make (?:\w+=\S+ )*([a-z]+)", "\n".join(re.findall(r"`+[^`]+`+", text))
    ):
        assert target in TARGETS, f"there is no make {target}"
    folders = {f"tests/{path.name}" for path in (ROOT / "tests").iterdir() if path.is_dir()}
    table = text.split("## Which tests are where")[1]
    named = set(re.findall(r"`(tests/\w+)`", table))
    assert named == folders - {"tests/support", "tests/__pycache__"}


def test_a_python_counts_only_if_it_runs_and_is_that_version(tmp_path: Path) -> None:
    """As under pyenv, whose shims are on the path for versions that are not switched on."""
    find = ROOT / ".ci/find-python"

    def found(version: str) -> str:
        done = subprocess.run(
            [find, version],
            env={"PATH": f"{tmp_path}/shims:/usr/bin:/bin"},
            capture_output=True,
            text=True,
            check=False,
        )
        assert (done.returncode == 0) == bool(done.stdout)
        return done.stdout.strip()

    assert found("3.99") == ""
    script(tmp_path / "shims/python3.99", "exit 127")
    assert found("3.99") == ""
    script(tmp_path / "shims/python3.99", "echo 3.98")
    assert found("3.99") == ""
    behind = script(tmp_path / "versions/3.99.1/bin/python3.99", "echo 3.99")
    assert found("3.99") == str(behind)
    direct = script(tmp_path / "shims/python3.99", "echo 3.99")
    assert found("3.99") == str(direct)


def test_an_old_python_is_told_so(tmp_path: Path) -> None:
    """The first thing that a newcomer may see."""
    said = set_up_with(
        tmp_path,
        f"""exec {sys.executable} -c "import sys
sys.version_info, sys.version = (3, 10), '3.10'
$2" """,
    )
    assert "Python 3.11 or newer is needed, this is 3.10" in said


def test_a_set_up_that_fails_says_at_what_and_why(tmp_path: Path) -> None:
    """A Python without the module venv, as Debian ships it."""
    said = set_up_with(tmp_path, '[ "$1" = -c ] && exit 0\necho "No module named $2" >&2\nexit 1')
    assert "No module named venv" in said
    assert "failed at a virtual environment: the reason stands above" in said


def set_up_with(folder: Path, python: str) -> str:
    """What make says, on standard error, when the Python is a script that does this."""
    path = script(folder / "python", python)
    done = subprocess.run(
        ["make", "unit", f"PYTHON={path}", f"VENV={folder}/venv"],
        cwd=ROOT,
        env={**os.environ, "MAKEFLAGS": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode != 0
    return done.stderr


def script(path: Path, body: str) -> Path:
    """A program for /bin/sh."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(0o755)
    return path
