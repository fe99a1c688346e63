"""A journal holds what was acknowledged, whatever became of its end or of its disk."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from marketplace_metering.recorder.errors import SpoolUnusableError
from marketplace_metering.recorder.spool.journal import FileJournal, read_journal

LINES = [b"u 0 1000000", b"u 0 2000000", b"u 1 3000000"]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "a.journal"
    journal = FileJournal(path, "a")
    for line in LINES:
        journal.append(line)
    assert journal.size == path.stat().st_size
    journal.close()
    return path


def test_every_line_comes_back(path: Path) -> None:
    assert read_journal(path, "a").good == LINES


def test_a_torn_end_costs_only_the_call_that_was_never_acknowledged(path: Path) -> None:
    whole = path.read_bytes()
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        found = read_journal(path, "a")
        assert found.good == LINES[: len(found.good)]
        assert len(found.good) == whole[:length].count(b"\n")
        assert not found.damaged


@pytest.mark.parametrize("place", range(20))
def test_a_changed_byte_is_seen_and_costs_only_its_line(path: Path, place: int) -> None:
    whole = bytearray(path.read_bytes())
    whole[place] ^= 0x01
    path.write_bytes(whole)
    found = read_journal(path, "a")
    assert len(found.damaged) == 1
    assert [line for line in LINES if line not in found.good] in ([LINES[0]], [LINES[1]])


def test_lines_of_another_journal_do_not_count(path: Path) -> None:
    """A power cut may leave the blocks of a deleted file in this one's place."""
    assert not read_journal(path, "b").good
    assert len(read_journal(path, "b").damaged) == 3


def test_a_line_that_fits_only_in_part_is_taken_away(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The disk is full in the middle of a line: the call fails, and later ones are readable."""
    journal = FileJournal(path.with_name("b.journal"), "b")
    journal.append(LINES[0])
    write = os.write
    with monkeypatch.context() as patched:
        patched.setattr(os, "write", lambda fd, text: write(fd, text[:5]))
        with pytest.raises(SpoolUnusableError, match="took only a part of a line"):
            journal.append(LINES[1])
    journal.append(LINES[2])
    journal.close()
    assert read_journal(journal.path, "b").good == [LINES[0], LINES[2]]


def test_where_half_a_line_cannot_be_taken_away_nothing_follows_it(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_fd: int, _size: int) -> None:
        raise OSError(errno.EIO, "Input/output error")

    journal = FileJournal(path.with_name("b.journal"), "b")
    journal.append(LINES[0])
    write = os.write
    with monkeypatch.context() as patched:
        patched.setattr(os, "write", lambda fd, text: write(fd, text[:5]))
        patched.setattr(os, "ftruncate", refuse)
        with pytest.raises(SpoolUnusableError):
            journal.append(LINES[1])
    with pytest.raises(SpoolUnusableError):
        journal.append(LINES[2])
    assert read_journal(journal.path, "b").good == [LINES[0]]


def test_threads_that_wait_for_the_disk_share_a_sync(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    syncs: list[int] = []
    monkeypatch.setattr(os, "fdatasync", syncs.append)
    journal = FileJournal(path.with_name("b.journal"), "b")
    positions = []
    for line in LINES:
        journal.append(line)
        positions.append(journal.size)
    for position in positions:
        journal.sync(position)
    assert len(syncs) == 1
    journal.append(LINES[0])
    journal.sync(journal.size)
    assert len(syncs) == 2
    journal.close()
    journal.sync(journal.size + 1)
    assert len(syncs) == 2
