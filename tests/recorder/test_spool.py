"""Who finishes what others left, and what happens when the store takes nothing for long."""

from __future__ import annotations

import errno
import json
import logging
import os
from decimal import Decimal
from pathlib import Path

import pytest

from marketplace_metering import (
    RecorderClosedError,
    SpoolFullError,
    SpoolUnusableError,
    UsageRecorder,
)
from marketplace_metering.adapters.machine import SystemClock
from marketplace_metering.adapters.sqlite import SqliteStore
from marketplace_metering.files.json_lines import read_json
from marketplace_metering.jobs.record import record
from marketplace_metering.recorder.sinks.sqlite import SqliteSink
from marketplace_metering.recorder.spool.batch_file import read_text
from tests.recorder.build import (
    BUYER,
    DIMENSION,
    OTHER,
    PRODUCT,
    ListSink,
    an_hour_ago,
    kill,
    names,
    recorder,
    stored,
)

MICROS = 1_000_000


def test_another_process_delivers_what_a_killed_one_acknowledged(tmp_path: Path) -> None:
    sink = ListSink()
    for _ in range(3):
        usage = recorder(sink, tmp_path)
        usage.record(BUYER, DIMENSION, 1)
        kill(usage)
    assert sink.micros == 0
    with recorder(sink, tmp_path) as successor:
        successor.record(BUYER, DIMENSION, 1)
    assert sink.micros == 4 * MICROS
    assert list(tmp_path.iterdir()) == []


def test_a_living_process_keeps_its_spool_to_itself(tmp_path: Path) -> None:
    sink = ListSink()
    with recorder(sink, tmp_path) as usage:
        usage.record(BUYER, DIMENSION, 1)
        with recorder(sink, tmp_path) as other:
            other.record(OTHER, DIMENSION, 2)
            assert other.flush()
        assert sink.micros == 2 * MICROS
    assert sink.micros == 3 * MICROS


def test_usage_for_another_store_is_left_alone(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """What was perhaps put into one table must not be put into another as well."""
    usage = recorder(ListSink("one"), tmp_path)
    usage.record(BUYER, DIMENSION, 1)
    kill(usage)
    other = ListSink("other")
    with recorder(other, tmp_path) as successor:
        assert successor.flush()
    assert not other.records
    assert "the spool has usage for one, which this recorder leaves alone" in caplog.text
    one = ListSink("one")
    with recorder(one, tmp_path):
        pass
    assert one.micros == MICROS


def test_usage_outlives_a_store_that_is_down_for_long(tmp_path: Path) -> None:
    sink = ListSink()
    sink.is_down = True
    usage = recorder(sink, tmp_path)
    for _ in range(5):
        usage.record(BUYER, DIMENSION, 1)
        assert not usage.flush(timeout=0.0)
    assert usage.stats().waiting_batches == 5
    assert usage.stats().last_failure == "the store is down"
    assert not usage.close(timeout=0.0)
    assert names(tmp_path)[0].endswith(".jsonl")
    sink.is_down = False
    with recorder(sink, tmp_path):
        pass
    assert sink.micros == 5 * MICROS


def test_what_waits_can_be_read_by_people_and_recorded_by_hand(tmp_path: Path) -> None:
    sink = ListSink()
    sink.is_down = True
    usage = recorder(sink, tmp_path)
    usage.record(BUYER, DIMENSION, Decimal("1.5"), tags={"a": "b"})
    assert not usage.close(timeout=0.0)
    (path,) = tmp_path.glob("*.jsonl")
    item = json.loads(path.read_text(), parse_float=Decimal)
    at = item.pop("create_timestamp")
    event_id = item.pop("event_id")
    assert item == {
        "customerAWSAccountId": BUYER,
        "productCode": PRODUCT,
        "dimension": DIMENSION,
        "quantity": Decimal("1.5"),
        "metering_pending": "true",
        "tags": {"a": "b"},
    }
    assert -at.as_tuple().exponent <= 6
    assert event_id.startswith("sum:")


def test_a_batch_recorded_by_hand_counts_once_with_its_delivery(tmp_path: Path) -> None:
    """As `metering record *.jsonl` does it."""
    sink = ListSink("sqlite:////elsewhere.db")
    sink.is_down = True
    usage = recorder(sink, tmp_path / "spool")
    usage.record(BUYER, DIMENSION, Decimal("1.5"), tags={"a": "b"})
    usage.record(BUYER, DIMENSION, 2, at=an_hour_ago(), event_id="e-1")
    assert not usage.close(timeout=0.0)
    (path,) = (tmp_path / "spool").glob("*.jsonl")
    store = SqliteStore(str(tmp_path / "metering.db"))
    for _ in range(2):
        with path.open() as lines:
            report = record(store, SystemClock(), "by hand", read_json(lines))
        assert report.refused == 0
    store.close()
    sink_of_file = SqliteSink(f"sqlite:///{tmp_path}/metering.db")
    found = sink_of_file.put(read_text(path.read_bytes()))
    sink_of_file.close()
    assert (found.added, found.already_there) == (0, 2)
    assert sum(row[1] for row in stored(tmp_path / "metering.db")) == 3_500_000


def test_a_damaged_journal_gives_what_is_good_and_keeps_the_rest(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    sink = ListSink()
    usage = recorder(sink, tmp_path)
    for quantity in (1, 2, 4):
        usage.record(BUYER, DIMENSION, quantity)
    kill(usage)
    (path,) = tmp_path.glob("*.journal")
    lines = path.read_bytes().splitlines(keepends=True)
    assert len(lines) == 4
    path.write_bytes(b"".join([*lines[:2], b"nonsense\n", lines[3], b"torn"]))
    with recorder(sink, tmp_path):
        pass
    assert sink.micros == 5 * MICROS
    assert (tmp_path / f"{path.name}.damaged").read_bytes() == b"nonsense\n"
    assert "1 lines of" in caplog.text


def test_a_damaged_batch_is_set_aside(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    sink = ListSink()
    sink.is_down = True
    usage = recorder(sink, tmp_path)
    usage.record(BUYER, DIMENSION, 1)
    assert not usage.close(timeout=0.0)
    (path,) = tmp_path.glob("*.jsonl")
    path.write_text(path.read_text().replace('"quantity": 1', '"quantity": 2'))
    sink.is_down = False
    with recorder(sink, tmp_path) as successor:
        assert successor.flush()
    assert not sink.records
    assert names(tmp_path)[0].endswith(".jsonl.damaged")
    assert "cannot be delivered: its checksum is another" in caplog.text


def fill(usage: UsageRecorder, calls: int = 5_000) -> None:
    for number in range(calls):
        usage.record(BUYER, DIMENSION, 1, event_id=f"e-{number}", at=an_hour_ago())


@pytest.mark.parametrize("durable", [True, False])
def test_a_full_spool_raises(tmp_path: Path, durable: bool) -> None:
    sink = ListSink()
    usage = recorder(sink, tmp_path if durable else None, spool_bytes_max=65_536)
    with pytest.raises(SpoolFullError, match="65536 bytes of usage wait for list; fix that"):
        fill(usage)
    acknowledged = usage.stats().recorded
    assert usage.stats().waiting_bytes < 66_000
    assert usage.flush()
    assert sink.micros == acknowledged * MICROS
    usage.record(BUYER, DIMENSION, 1)
    usage.close()


def test_a_full_spool_drops_and_counts(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    sink = ListSink()
    usage = recorder(sink, tmp_path, spool_bytes_max=65_536, when_full="drop")
    fill(usage)
    stats = usage.stats()
    assert stats.dropped > 0
    assert stats.recorded + stats.dropped == 5_000
    usage.close()
    assert sink.micros == stats.recorded * MICROS
    assert "usage was dropped, 1 calls so far: 65536 bytes of usage wait" in caplog.text


def test_a_full_spool_blocks_until_there_is_room(tmp_path: Path) -> None:
    sink = ListSink()
    settings = {"spool_bytes_max": 65_536, "when_full": "block", "background": True}
    with recorder(sink, tmp_path, **settings) as usage:
        fill(usage)
    assert sink.micros == 5_000 * MICROS
    assert len(sink.puts) > 1


def test_sums_go_on_growing_while_the_store_is_down(tmp_path: Path) -> None:
    """Hours without the store cost few usage records, and little room."""
    sink = ListSink()
    sink.is_down = True
    usage = recorder(sink, tmp_path)
    usage.record(BUYER, DIMENSION, 1)
    assert not usage.flush(timeout=0.0)
    for _ in range(50):
        usage.record(BUYER, DIMENSION, 1)
        usage._active.due_at_s = 0.0
        with usage._cycle:
            usage._run_cycle(everything=False)
    assert usage.stats().waiting_batches == 1
    sink.is_down = False
    usage.close()
    assert len(sink.records) == 2
    assert sink.micros == 51 * MICROS


def test_a_closed_recorder_says_so(tmp_path: Path) -> None:
    usage = recorder(ListSink(), tmp_path)
    usage.record(BUYER, DIMENSION, 1)
    assert usage.close()
    assert usage.close()
    assert usage.flush()
    with pytest.raises(RecorderClosedError, match="record before close"):
        usage.record(BUYER, DIMENSION, 1)


def test_a_spool_that_cannot_be_made_says_so(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    usage = recorder(ListSink(), tmp_path / "file")
    with pytest.raises(SpoolUnusableError, match="Give spool= a writable directory"):
        usage.record(BUYER, DIMENSION, 1)


def test_a_directory_that_is_none_is_seen_when_the_recorder_is_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(SpoolUnusableError, match="Not a directory"):
        recorder(ListSink(), tmp_path / "file", background=True)


def test_a_disk_without_room_keeps_usage_in_its_journal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Freezing needs room; until there is some, the journal holds what was acknowledged."""

    def refuse(_fd: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    sink = ListSink()
    usage = recorder(sink, tmp_path)
    usage.record(BUYER, DIMENSION, 1)
    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", refuse)
        assert not usage.flush(timeout=0.0)
    assert "usage stays in its journal" in caplog.text
    usage.record(BUYER, DIMENSION, 2)
    assert usage.stats().waiting_calls == 2
    assert usage.flush()
    assert sink.micros == 3 * MICROS
    usage.close()
    assert not list(tmp_path.iterdir())


def test_a_batch_that_somebody_removed_holds_nothing_up(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    sink = ListSink()
    sink.is_down = True
    usage = recorder(sink, tmp_path)
    usage.record(BUYER, DIMENSION, 1)
    assert not usage.close(timeout=0.0)
    for path in tmp_path.glob("*.jsonl"):
        path.write_bytes(b"")
    sink.is_down = False
    with recorder(sink, tmp_path) as successor:
        (batch,) = successor._spool.adopt()
        assert batch.path is not None
        batch.path.unlink()
        successor._delivery.take(batch)
        successor.record(BUYER, DIMENSION, 4)
    assert sink.micros == 4 * MICROS
    assert "is gone: it was taken away" in caplog.text


def test_a_closed_recorder_stays_closed_in_a_fork(tmp_path: Path) -> None:
    usage = recorder(ListSink(), tmp_path)
    usage.close()
    usage.restart_in_fork()
    with pytest.raises(RecorderClosedError):
        usage.record(BUYER, DIMENSION, 1)


def test_memory_that_is_lost_is_told(caplog: pytest.LogCaptureFixture) -> None:
    sink = ListSink()
    sink.is_down = True
    usage = recorder(sink, None)
    usage.record(BUYER, DIMENSION, 1)
    with caplog.at_level(logging.ERROR):
        assert not usage.close(timeout=0.0)
    assert "usage is lost, 1 batches and 0 calls were only in memory" in caplog.text


def test_fsync_reaches_the_disk_before_the_call_returns(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[int] = []
    monkeypatch.setattr(os, "fdatasync", synced.append)
    sink = ListSink()
    with recorder(sink, tmp_path, fsync=True) as usage:
        for number in range(1, 4):
            usage.record(BUYER, DIMENSION, 1)
            assert len(synced) == number
    assert sink.micros == 3 * MICROS


def test_buyers_usage_is_for_its_owner_only(tmp_path: Path) -> None:
    with recorder(ListSink(), tmp_path / "spool") as usage:
        usage.record(BUYER, DIMENSION, 1)
        modes = {path.stat().st_mode & 0o077 for path in (tmp_path / "spool").iterdir()}
        assert modes == {0}
        assert (tmp_path / "spool").stat().st_mode & 0o077 == 0
