"""Where the emulator comes from, and what is told if it cannot be had."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from marketplace_metering.local import LocalError, emulator_main, ministack


def test_an_installed_one_is_taken(tmp_path: Path) -> None:
    (tmp_path / "python").symlink_to(sys.executable)
    found = ministack.command({"METERING_MINISTACK": str(tmp_path / "ministack")})
    assert found[0] == str(tmp_path / "python")
    assert Path(found[-1]).read_text() == Path(emulator_main.__file__).read_text()


def test_one_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(LocalError) as refused:
        ministack.command({"METERING_MINISTACK": f"{tmp_path}/ministack"})
    assert str(refused.value) == (
        f"METERING_MINISTACK={tmp_path}/ministack refused: name the program `ministack` of a "
        "virtual environment, or unset it to have one made"
    )


class Pip:
    """Instead of the processes that make the environment."""

    def __init__(self, fails: bool = False) -> None:
        self.fails = fails
        self.calls: list[list[str]] = []

    def __call__(self, command: list[str], **_: Any) -> subprocess.CompletedProcess[str]:
        self.calls.append(list(command))
        if list(command[1:3]) == ["-m", "venv"]:
            python = Path(command[-1]) / "bin/python"
            python.parent.mkdir(exist_ok=True)
            python.unlink(missing_ok=True)
            python.symlink_to(sys.executable)
        return subprocess.CompletedProcess(command, int(self.fails), "", "ERROR: no network\n")


@pytest.fixture
def pip(monkeypatch: pytest.MonkeyPatch) -> Pip:
    pip = Pip()
    monkeypatch.setattr(subprocess, "run", pip)
    return pip


def _installed(folder: Path) -> tuple[list[str], list[str]]:
    said: list[str] = []
    return ministack.command({"XDG_CACHE_HOME": str(folder)}, said.append), said


def test_it_is_installed_once_and_again_when_another_version_is_asked_for(
    pip: Pip, tmp_path: Path
) -> None:
    folder = tmp_path / "marketplace-metering/ministack"
    command, said = _installed(tmp_path)
    assert command[0] == str(folder / "bin/python")
    assert said == [f"installing the AWS emulator into {folder} (once, about 90 MB) ..."]
    assert ["--require-hashes" in each for each in pip.calls] == [False, True]

    assert _installed(tmp_path) == (command, [])
    assert len(pip.calls) == 2

    (folder / "installed.txt").write_text("ministack==1.0")
    _installed(tmp_path)
    assert len(pip.calls) == 4

    (folder / "bin/python").unlink()  # as an upgrade of the Python that it was made with does
    _installed(tmp_path)
    assert len(pip.calls) == 6


def test_what_is_asked_for_is_what_is_locked() -> None:
    """By hash, so that nothing else is ever run."""
    folder = Path(ministack.__file__).parent
    asked_for = [
        line
        for line in (folder / "ministack.in").read_text().splitlines()
        if not line.startswith("#")
    ]
    locked = (folder / ministack.REQUIREMENTS_FILE).read_text()
    assert "ministack==1.5.33" in asked_for
    for requirement in asked_for:
        assert f"{requirement} \\\n    --hash=sha256:" in locked


def test_an_interrupted_installation_is_made_anew(pip: Pip, tmp_path: Path) -> None:
    pip.fails = True
    for _attempt in range(2):
        with pytest.raises(LocalError, match="cannot be installed: ERROR: no network"):
            _installed(tmp_path)
    assert len(pip.calls) == 2


def test_a_cache_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(LocalError) as refused:
        _installed(tmp_path / "file")
    assert "Not a directory; name another place with XDG_CACHE_HOME" in str(refused.value)


def test_what_a_function_logs_gets_an_id_once() -> None:
    """And what has one keeps it."""
    from threading import Lock

    events = [{"message": "a"}, {"message": "b", "eventId": "mine"}]
    logs = SimpleNamespace(
        _log_groups={"group": {"streams": {"stream": {"events": events}}}},
        _log_events_lock=Lock(),
        _resolve_log_group_name=lambda data: data["logGroupName"],
        _filter_log_events=lambda data: [dict(each) for each in events],
    )
    emulator_main.add_event_ids(logs)
    first = logs._filter_log_events({"logGroupName": "group"})
    assert first == logs._filter_log_events({"logGroupName": "group"})
    assert first[1]["eventId"] == "mine"
    assert len({each["eventId"] for each in first}) == 2
    logs._filter_log_events({"logGroupName": "another"})  # the emulator says what is wrong with it
