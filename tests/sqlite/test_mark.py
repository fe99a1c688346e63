"""The mark in a file: what only a file can get wrong."""

from __future__ import annotations

import shutil
from contextlib import closing
from pathlib import Path

import pytest

from marketplace_metering.adapters.sqlite.mark import FileMark
from marketplace_metering.core.copies import Mark, MarkUnusableError, Sending, Standing
from marketplace_metering.jobs.copies import look
from marketplace_metering.jobs.restored import not_a_copy
from marketplace_metering.wiring import open_store
from tests.support.clock import Clock, utc

SENDING = Sending(7, 1, "a", utc("12:00"))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "metering.db"
    open_store(f"sqlite:///{path}").close()
    return path


def test_a_file_that_was_moved_with_its_mark_is_another(path: Path, tmp_path: Path) -> None:
    FileMark(str(path)).raise_to(SENDING)
    (tmp_path / "moved").mkdir()
    for name in ("metering.db", "metering.db.mark"):
        shutil.copy(tmp_path / name, tmp_path / "moved" / name)

    assert FileMark(str(path)).read() == Mark(SENDING)
    moved = FileMark(str(tmp_path / "moved" / "metering.db")).read()
    assert moved == Mark(SENDING, is_of_this_store=False)


def test_a_person_vouches_for_a_file_that_was_moved(path: Path, tmp_path: Path) -> None:
    with closing(open_store(f"sqlite:///{path}")) as opened:
        assert opened.mark is not None
        opened.store.set_fact("sending", str(SENDING), None)
        opened.mark.raise_to(SENDING)
    (tmp_path / "moved").mkdir()
    for file in tmp_path.glob("metering.db*"):
        shutil.copy(file, tmp_path / "moved" / file.name)
    with closing(open_store(f"sqlite:///{tmp_path}/moved/metering.db")) as opened:
        assert opened.mark is not None
        assert look(opened.store, opened.mark)[0] is Standing.ELSEWHERE
        not_a_copy(opened, Clock(utc("13:00")))
        assert look(opened.store, opened.mark)[0] is Standing.LEVEL


@pytest.mark.parametrize("damage", ["garbage\n", "sent from inode 1: 1 2 3 4 00000000\n"])
def test_what_cannot_be_read_is_said(path: Path, damage: str) -> None:
    Path(f"{path}.mark").write_text(damage)

    with pytest.raises(MarkUnusableError, match=r"metering\.db\.mark cannot be read"):
        FileMark(str(path)).read()
    with pytest.raises(MarkUnusableError):
        FileMark(str(path)).raise_to(SENDING)


def test_a_process_that_died_before_its_first_line_leaves_none(path: Path) -> None:
    Path(f"{path}.mark").touch()

    assert FileMark(str(path)).read() is None
    assert FileMark(str(path)).raise_to(SENDING) == Mark(SENDING)


def test_a_store_in_memory_has_none() -> None:
    with closing(open_store("sqlite:///:memory:")) as opened:
        assert opened.mark is None


def test_a_store_has_one_mark_by_whichever_name_it_is_opened(path: Path, tmp_path: Path) -> None:
    (tmp_path / "link.db").symlink_to(path)
    FileMark(str(tmp_path / "link.db")).raise_to(SENDING)
    assert FileMark(str(path)).read() == Mark(SENDING)
    assert not (tmp_path / "link.db.mark").exists()
