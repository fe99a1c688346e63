"""What can never be metered is refused by the call, in words that say what to do."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from marketplace_metering import InvalidUsageError, RecorderSettingError, UsageRecorder
from marketplace_metering.core.record import UsageRecord
from tests.recorder.build import BUYER, DIMENSION, LICENSE, PRODUCT, ListSink, recorder

QUANTITY = "must be a number from 0 to 9999999999.999999 with at most six decimals"
PAST = datetime(2024, 5, 6, 7, tzinfo=UTC)

REFUSED: list[tuple[dict[str, Any], str]] = [
    (
        {"account": 123456789012},
        "account 123456789012 refused: must be a string, this is a number; write it in quotes",
    ),
    (
        {"account": "12345"},
        "account '12345' refused: must be exactly 12 digits, this has 5 characters; "
        "use the account id that ResolveCustomer returned, leading zeros included",
    ),
    ({"account": []}, "account [] refused: must be a string, this is a list; write it in quotes"),
    (
        {"dimension": ""},
        "dimension '' refused: must be 1 to 255 characters; use the API name of a dimension of "
        "the listing, with the same upper and lower case",
    ),
    (
        {"quantity": -1},
        f"quantity -1 refused: {QUANTITY}; AWS takes nothing back: correct over-billing with a "
        "refund, not with usage",
    ),
    (
        {"quantity": Decimal("NaN")},
        f"quantity NaN refused: {QUANTITY}; record the quantity that was used",
    ),
    (
        {"quantity": 0.1 + 0.2},
        f"quantity 0.30000000000000004 refused: {QUANTITY}; pass an int or a Decimal: a float "
        "cannot be billed exactly. If you mean it, pass Decimal('0.3')",
    ),
    (
        {"quantity": float("nan")},
        f"quantity nan refused: {QUANTITY}; pass an int or a Decimal: a float cannot be billed "
        "exactly",
    ),
    (
        {"quantity": Decimal("0.0000001")},
        f"quantity 1E-7 refused: {QUANTITY}; round it to six decimals where you measure it",
    ),
    (
        {"quantity": 10**10},
        f"quantity 10000000000 refused: {QUANTITY}; record it in parts, or in a larger unit of "
        "the dimension",
    ),
    (
        {"quantity": True},
        f"quantity True refused: {QUANTITY}; this is a boolean: write the number without quotes",
    ),
    (
        {"quantity": "5"},
        f"quantity '5' refused: {QUANTITY}; this is a string: write the number without quotes",
    ),
    (
        {"product": "no spaces"},
        "product 'no spaces' refused: must be 1 to 255 letters, digits or -/=:_.@; copy the "
        "product code from the AWS Marketplace Management Portal",
    ),
    (
        {"at": datetime(2026, 11, 20, 9, 0)},  # noqa: DTZ001
        "at datetime.datetime(2026, 11, 20, 9, 0) refused: must be a datetime with a time zone; "
        "pass for example datetime.now(UTC)",
    ),
    (
        {"at": datetime(2010, 1, 1, tzinfo=UTC)},
        "at 2010-01-01T00:00:00+00:00 refused: is before 2016-01-14, when AWS Marketplace began "
        "to meter; pass the time of the usage as a datetime with a time zone, and keep the "
        "machine's clock right",
    ),
    (
        {"event_id": "order-1"},
        "at refused: an event with an id needs its own time: the event is known by both; pass "
        "at=, the time of the event, the same whenever it is recorded again",
    ),
    (
        {"event_id": "", "at": PAST},
        "event_id '' refused: must be a string of 1 to 256 characters; give each event one id of "
        "its own",
    ),
    (
        {"event_id": "sum:1", "at": PAST},
        "event_id 'sum:1' refused: ids that begin with 'sum:' are the recorder's own; begin it "
        "otherwise",
    ),
    (
        {"tags": {"team": "ä"}},
        "tags 'ä' refused: a tag value must be a string of 1 to 256 letters, digits, spaces or "
        "+-=._:/@; correct the value, or drop the tag",
    ),
    (
        {"license_arn": "l-1"},
        "license_arn 'l-1' refused: must be a licence ARN such as arn:aws:license-manager::"
        "111122223333:license:l-0123; store and send exactly what ResolveCustomer returned",
    ),
]


def call(sink: Any, **changes: Any) -> None:
    arguments: dict[str, Any] = {"account": BUYER, "dimension": DIMENSION, "quantity": 1} | changes
    with recorder(sink, None) as usage:
        usage.record(**arguments)


@pytest.mark.parametrize(("changes", "words"), REFUSED, ids=[str(each[0]) for each in REFUSED])
def test_wrong_usage_is_refused_by_the_call(changes: dict[str, Any], words: str) -> None:
    sink = ListSink()
    with pytest.raises(InvalidUsageError) as refused:
        call(sink, **changes)
    assert str(refused.value) == words
    assert not sink.records


def test_everything_wrong_is_said_at_once() -> None:
    with pytest.raises(InvalidUsageError) as refused:
        call(ListSink(), account="1", dimension="", quantity=-1)
    fields = [problem.field for problem in refused.value.problems]
    assert fields == ["account", "dimension", "quantity"]


def test_usage_from_the_future_is_refused() -> None:
    with pytest.raises(InvalidUsageError, match="16 minutes in the future"):
        call(ListSink(), at=datetime.now(UTC) + timedelta(minutes=16, seconds=30))


def test_a_clock_that_was_never_set_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    with recorder(ListSink(), None) as usage:
        usage.record(BUYER, DIMENSION, 1)
        monkeypatch.setattr(time, "time_ns", lambda: 0)
        with pytest.raises(InvalidUsageError, match="at the machine's clock refused: is before"):
            usage.record(BUYER, DIMENSION, 1)
        monkeypatch.undo()


def test_a_product_must_come_from_somewhere() -> None:
    with (
        UsageRecorder(ListSink(), durable=False, background=False) as usage,
        pytest.raises(InvalidUsageError) as refused,
    ):
        usage.record(BUYER, DIMENSION, 1)
    assert str(refused.value) == (
        "product refused: it is missing, and every usage record needs it; pass product=, or give "
        "the recorder one: UsageRecorder(..., product=...)"
    )


def test_an_unknown_keyword_is_named() -> None:
    with pytest.raises(TypeError, match="unexpected keyword argument 'licence_arn'"):
        call(ListSink(), licence_arn=LICENSE)


def test_a_wrong_call_after_a_right_one_is_still_refused() -> None:
    """What is known of a meter does not excuse the rest of the call."""
    with recorder(ListSink(), None) as usage:
        usage.record(BUYER, DIMENSION, 1)
        for wrong in (True, 0.5, -1, 10**10, "1"):
            with pytest.raises(InvalidUsageError):
                usage.record(BUYER, DIMENSION, wrong)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("quantity", "micros"),
    [(0, 0), (Decimal("0.000001"), 1), (Decimal("1E+3"), 10**9), (9_999_999_999, 9999999999000000)],
)
def test_right_quantities_arrive_exactly(quantity: Any, micros: int) -> None:
    sink = ListSink()
    call(sink, quantity=quantity)
    assert sink.micros == micros


def test_every_part_of_a_call_arrives() -> None:
    sink = ListSink()
    at = datetime(2024, 5, 6, 9, 10, 11, 500_000, tzinfo=UTC)
    call(sink, at=at, event_id="e-1", tags={"b": "2", "a": "1"}, license_arn=LICENSE)
    (found,) = sink.records.values()
    assert found == UsageRecord(
        account=BUYER,
        product=PRODUCT,
        dimension=DIMENSION,
        created_ns=found.created_ns,
        micros=1_000_000,
        license_arn=LICENSE,
        tags=(("a", "1"), ("b", "2")),
        event_id="e-1",
    )
    assert found.created_ns // 10**9 == int(at.timestamp())


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({}, "usage needs a place that survives a crash: give spool='/a/directory'"),
        ({"spool": "x", "durable": False}, "durable=False keeps usage in memory"),
        ({"durable": False, "fsync": True}, "fsync=True needs a spool"),
        ({"durable": False, "flush_interval": 900}, "flush_interval 900 refused"),
        ({"durable": False, "when_full": "wait"}, "when_full 'wait' refused: give one of 'raise'"),
        ({"durable": False, "spool_bytes_max": 1}, "spool_bytes_max 1 refused"),
        ({"durable": False, "product": "a b"}, "product 'a b' refused"),
    ],
)
def test_a_recorder_that_cannot_work_is_not_made(settings: dict[str, Any], words: str) -> None:
    with pytest.raises(RecorderSettingError) as refused:
        UsageRecorder(ListSink(), **settings)
    assert str(refused.value).startswith(words)


@pytest.mark.parametrize(
    "url",
    [
        "metering.db",
        "sqlite:///",
        "sqlite:////",
        "sqlite:///:memory:",
        "dynamodb://",
        "dynamodb://t?zone=1",
        "s3://bucket",
    ],
)
def test_an_unknown_destination_is_refused(url: str) -> None:
    with pytest.raises(RecorderSettingError, match="dynamodb://STACK"):
        UsageRecorder(url, durable=False)
