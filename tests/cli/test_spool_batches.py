"""A recorder's batch given to `metering record`: refused where it may be in another store."""

from __future__ import annotations

from pathlib import Path

import pytest

from marketplace_metering.recorder.by_hand import may_be_elsewhere
from marketplace_metering.recorder.place import Place
from tests.cli.conftest import Metering
from tests.recorder.build import BUYER, DIMENSION, ListSink, kill, recorder

HERE = Place("us-east-1", "999900001111")


def left_by(name: str, spool: Path, *, was_put: bool = True) -> Path:
    """The batch of a killed recorder."""
    sink = ListSink(name)
    sink.at, sink.is_deaf = HERE, True
    usage = recorder(sink, spool)
    usage.record(BUYER, DIMENSION, 5)
    if was_put:
        assert not usage.flush(timeout=0.0)
    else:
        usage._freeze()
    kill(usage)
    [path] = spool.glob("*.jsonl")
    return path


@pytest.mark.parametrize("name", ["dynamodb://stack-MeteringRecords", "sqlite:////elsewhere.db"])
def test_of_another_store(name: str, metering: Metering, tmp_path: Path) -> None:
    path = left_by(name, tmp_path / "spool")
    result = metering("record", str(path))
    assert result.exit_code == 2
    words = " ".join(result.stderr.split())
    place = f" of {HERE}" if name.startswith("dynamodb") else ""
    assert f"may be in {name}{place} already; nothing was recorded" in words
    copy = tmp_path / "copy.jsonl"
    copy.write_bytes(path.read_bytes())
    assert metering("record", str(copy)).exit_code == 0


def test_none_of_several_files_is_recorded(metering: Metering, tmp_path: Path) -> None:
    path = left_by("dynamodb://stack-MeteringRecords", tmp_path / "spool")
    good = tmp_path / "good.jsonl"
    good.write_bytes(path.read_bytes())
    assert metering("record", str(good), str(path)).exit_code == 2
    assert "0 added" not in metering("record", str(good)).stdout


def test_of_this_store(metering: Metering, tmp_path: Path) -> None:
    path = left_by(f"sqlite:///{tmp_path}/metering.db", tmp_path / "spool")
    assert metering("record", str(path)).exit_code == 0


def test_that_was_never_put(metering: Metering, tmp_path: Path) -> None:
    path = left_by("dynamodb://stack-MeteringRecords", tmp_path / "spool", was_put=False)
    assert metering("record", str(path)).exit_code == 0


@pytest.mark.parametrize(
    ("at", "where"),
    [
        (HERE, None),
        (Place("us-east-1"), None),
        (Place("eu-west-1", HERE.account), f"dynamodb://stack-MeteringRecords of {HERE}"),
        (Place("us-east-1", "111100009999"), f"dynamodb://stack-MeteringRecords of {HERE}"),
    ],
    ids=str,
)
def test_of_a_namesake(at: Place, where: str | None, tmp_path: Path) -> None:
    path = left_by("dynamodb://stack-MeteringRecords", tmp_path)
    store = ListSink("dynamodb://stack-MeteringRecords")
    store.at = at
    assert may_be_elsewhere(path, store) == where


def test_of_nobody(metering: Metering, tmp_path: Path) -> None:
    """A file that only looks like a batch, or whose owner is gone."""
    path = left_by("sqlite:////elsewhere.db", tmp_path / "spool")
    [owner] = path.parent.glob("*.owner")
    owner.unlink()
    assert metering("record", str(path)).exit_code == 0
