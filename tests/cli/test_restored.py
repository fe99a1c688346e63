"""`metering restored`: a restored file asks, and goes on when it is told."""

from __future__ import annotations

import json
import shutil
import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import Metering, usage


def _hours_ago(hours: float) -> int:
    return int((time.time() - hours * 3_600) * 1_000)


def _books(metering: Metering) -> dict[str, Any]:
    [product] = json.loads(metering("status", "--json").stdout)["products"]
    books: dict[str, Any] = product
    return books


def _copy_plainly(folder: Path) -> None:
    for file in folder.glob("metering.db*"):
        shutil.copy(file, folder / f"copy-of-{file.name}")


def _back_up(folder: Path) -> None:
    with (
        closing(sqlite3.connect(folder / "metering.db")) as store,
        closing(sqlite3.connect(folder / "copy-of-metering.db")) as copy,
    ):
        store.backup(copy)


@pytest.mark.parametrize("copy", [_copy_plainly, _back_up])
def test_a_copy_of_the_file(
    copy: Callable[[Path], None], metering: Metering, tmp_path: Path
) -> None:
    metering("record", "-", stdin=usage(create_timestamp=_hours_ago(2), quantity=100))
    copy(tmp_path)
    assert metering("run").exit_code == 0
    for file in tmp_path.glob("metering.db*"):
        if not file.name.endswith(".mark"):
            file.unlink()
    for file in tmp_path.glob("copy-of-*"):
        file.rename(tmp_path / file.name.removeprefix("copy-of-"))

    shown = metering("status", "--check")
    assert shown.exit_code == 3
    assert "restored from a copy" in shown.stderr
    for command in ("run", "seal", "submit"):
        refused = metering(command)
        assert refused.exit_code == 3
        assert "restored from a copy" in refused.stderr
        assert "metering restored --at TIME" in refused.stderr

    held = metering("restored", "--at", "2026-11-20T02:00")
    assert "held as unresolved: quantity 100 of 1 usage records" in held.output
    assert metering("run").exit_code == 0
    assert _books(metering)["unresolved"]["quantity"] == "100"
    assert "nothing had to be held" in metering("restored", "--at", "2026-11-20T02:00").output


def test_a_mark_that_is_missing(metering: Metering, tmp_path: Path) -> None:
    metering("record", "-", stdin=usage(create_timestamp=_hours_ago(3)))
    metering("run")
    (tmp_path / "metering.db.mark").unlink()
    metering("record", "-", stdin=usage(create_timestamp=_hours_ago(2)))
    assert metering("run").exit_code == 3

    assert "metering run" in metering("restored", "--not-a-copy").output

    assert metering("run").exit_code == 0
    assert _books(metering)["billed"]["usage_records"] == 2


def test_a_copy_of_before_anything_was_sent_on_a_new_disk(
    metering: Metering, tmp_path: Path
) -> None:
    metering("record", "-", stdin=usage(create_timestamp=_hours_ago(2), quantity=100))
    _back_up(tmp_path)
    metering("run")
    for file in tmp_path.glob("metering.db*"):
        file.unlink()
    (tmp_path / "copy-of-metering.db").rename(tmp_path / "metering.db")

    held = metering("restored", "--at", "2026-11-20T02:00")

    assert "held as unresolved: quantity 100 of 1 usage records" in held.output
    assert metering("run").exit_code == 0
    assert _books(metering)["unresolved"]["quantity"] == "100"


def test_nobody_says_both_or_neither(metering: Metering) -> None:
    assert metering("restored").exit_code == 2
    assert metering("restored", "--at", "2026-11-20", "--not-a-copy").exit_code == 2
    assert metering("restored", "--at", "2999-01-01").exit_code == 2
