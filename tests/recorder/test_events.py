"""An event with an id counts once, from any process and at any later time, in both stores."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from marketplace_metering import DynamoDBSink, UsageRecorder
from marketplace_metering.core.event import place_of
from marketplace_metering.core.record import Problem, UsageRecord
from marketplace_metering.recorder.sinks import dynamodb
from tests.recorder.build import BUYER, DIMENSION, LICENSE, OTHER, an_hour_ago, recorder, stored
from tests.recorder.table import NAME, Table, client_of

AT = an_hour_ago()


class Store:
    """A store with two recorders, as of two processes, and what it holds."""

    def __init__(self, open_: Callable[[], Any], quantity: Callable[[], Decimal]) -> None:
        self.refused: list[tuple[UsageRecord, Problem]] = []
        self.one = self._recorder(open_())
        self.other = self._recorder(open_())
        self.quantity = quantity

    def _recorder(self, sink: Any) -> UsageRecorder:
        return recorder(sink, None, on_refused=lambda *refused: self.refused.append(refused))


@pytest.fixture(params=["dynamodb", "sqlite"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    if request.param == "dynamodb":
        table = Table()
        return Store(lambda: DynamoDBSink(NAME, client=client_of(table)), table.quantity)
    path = tmp_path / "metering.db"
    return Store(
        lambda: f"sqlite:///{path}",
        lambda: sum((Decimal(row[1]) / 10**6 for row in stored(path)), Decimal(0)),
    )


def test_the_same_event_counts_once(store: Store) -> None:
    for usage in (store.one, store.other, store.one):
        for _ in range(2):
            usage.record(BUYER, DIMENSION, 5, at=AT, event_id="e-1")
        assert usage.flush()
    assert store.quantity() == 5
    assert not store.refused
    assert store.one.stats().repeated == 2
    assert store.one.stats().already_there == 1
    assert store.other.stats().added == 0


def test_events_and_sums_stand_side_by_side(store: Store) -> None:
    for number in range(20):
        store.one.record(BUYER, DIMENSION, 1, at=AT, event_id=f"e-{number % 10}")
        store.one.record(BUYER, DIMENSION, 1, at=AT)
    assert store.one.flush()
    assert store.quantity() == 30
    assert store.one.stats().added == 11


def test_the_same_id_of_another_buyer_is_another_event(store: Store) -> None:
    store.one.record(BUYER, DIMENSION, 5, at=AT, event_id="e-1")
    store.one.record(OTHER, DIMENSION, 6, at=AT, event_id="e-1")
    assert store.one.flush()
    assert store.quantity() == 11


@pytest.mark.parametrize("is_same_flush", [True, False])
def test_another_quantity_under_the_same_id_is_refused_and_reported(
    store: Store, is_same_flush: bool
) -> None:
    store.one.record(BUYER, DIMENSION, 5, at=AT, event_id="e-1")
    if not is_same_flush:
        assert store.one.flush()
    usage = store.one if is_same_flush else store.other
    usage.record(BUYER, DIMENSION, 7, at=AT, event_id="e-1")
    assert usage.flush()
    assert store.quantity() == 5
    ((record, problem),) = store.refused
    assert record.micros == 7_000_000
    assert str(problem) == (
        "event_id 'e-1' refused: it was recorded before with quantity 5, and an event counts "
        "once; give the new event an id of its own"
    )
    assert usage.stats().refused == 1


@pytest.mark.parametrize(
    "changes",
    [
        {"dimension": "users"},
        {"product": "another"},
        {"tags": {"a": "b"}},
        {"license_arn": LICENSE},
    ],
    ids=str,
)
def test_another_meter_under_the_same_id_is_refused(store: Store, changes: dict[str, Any]) -> None:
    store.one.record(BUYER, DIMENSION, 5, at=AT, event_id="e-1")
    assert store.one.flush()
    call: dict[str, Any] = {"dimension": DIMENSION} | changes
    store.other.record(BUYER, quantity=5, at=AT, event_id="e-1", **call)
    assert store.other.flush()
    assert store.quantity() == 5
    assert "for another product, licence, dimension" in store.refused[0][1].rule


def test_events_that_fall_on_one_place_are_told_apart(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two ids with one hash: the second stands beside the first, and is found there again."""
    monkeypatch.setattr(
        "marketplace_metering.recorder.segments.place_of",
        lambda _id, ns: ns - ns % 10**9 + 999_999_999,
    )
    for usage in (store.one, store.other):
        for event_id, quantity in (("a", 1), ("b", 2), ("c", 4)):
            usage.record(BUYER, DIMENSION, quantity, at=AT, event_id=event_id)
        assert usage.flush()
    assert store.quantity() == 7
    assert store.other.stats().already_there == 3
    assert not store.refused


def test_a_sum_beside_a_plain_record_of_the_same_instant() -> None:
    """Whoever writes by the guide's example may stand on the place of a sum."""
    table = Table()
    usage = recorder(DynamoDBSink(NAME, client=client_of(table)), None)
    usage.record(BUYER, DIMENSION, 5, at=AT, event_id="e-1")
    place = Decimal(place_of("e-1", int(AT.timestamp()) * 10**9)) / 10**6
    table.items[BUYER, place] = {"quantity": {"N": "5"}, "dimension": {"S": DIMENSION}}
    assert usage.flush()
    assert table.quantity() == 10
    assert sorted(key[1] for key in table.items) == [place, place + Decimal("0.000001")]


def test_a_second_that_is_full_of_others_keeps_the_event(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dynamodb, "PLACES_MAX", 3)
    table = Table()
    usage = recorder(DynamoDBSink(NAME, client=client_of(table)), None)
    usage.record(BUYER, DIMENSION, 5, at=AT, event_id="e-1")
    usage.record(OTHER, DIMENSION, 6, at=AT, event_id="e-2")
    place = Decimal(place_of("e-1", int(AT.timestamp()) * 10**9)) / 10**6
    for step in range(3):
        table.items[BUYER, place + step * Decimal("0.000001")] = {"quantity": {"N": "1"}}
    assert not usage.flush(timeout=0.0)
    assert table.quantity(OTHER) == 6
    assert "3 places of one buyer's second are taken" in str(usage.stats().last_failure)


def test_an_event_stands_in_the_hour_it_happened(store: Store) -> None:
    at = datetime.now(UTC).replace(minute=59, second=59, microsecond=999_999) - timedelta(hours=2)
    store.one.record(BUYER, DIMENSION, 5, at=at, event_id="e-1")
    store.other.record(BUYER, DIMENSION, 5, at=at.replace(microsecond=0), event_id="e-1")
    assert store.one.flush()
    assert store.other.flush()
    assert store.quantity() == 5


def test_the_embedded_store_lists_what_it_refuses(tmp_path: Path) -> None:
    path = tmp_path / "metering.db"
    with recorder(f"sqlite:///{path}", tmp_path / "spool") as usage:
        usage.record(BUYER, DIMENSION, 5, at=AT, event_id="e-1")
        usage.record(BUYER, DIMENSION, 6, at=AT, event_id="e-1")
    assert [row[1] for row in stored(path)] == [5_000_000]
    refused = (tmp_path / "spool/refused.jsonl").read_text()
    assert '"quantity": 6' in refused
    assert "recorded before with quantity 5" in refused
