"""What people read when usage is not billed as recorded."""

from __future__ import annotations

from typing import Any

from marketplace_metering.adapters.aws.doorbell import SqsDoorbell
from marketplace_metering.adapters.aws.self_invocation import LambdaSuccessor
from marketplace_metering.adapters.aws.topic import (
    MESSAGE_BYTES_MAX,
    SUBJECT_LENGTH_MAX,
    SnsNotifier,
)
from marketplace_metering.core.identity import Meter
from marketplace_metering.core.ledger import Alarm, AlarmKind
from tests.support.build import quantity, window
from tests.support.clock import utc

TOPIC = "arn:aws:sns:us-east-1:123456789012:shop-MeteringNotifications"


class Client:
    """Keeps what it is asked to do."""

    def __init__(self) -> None:
        self.calls: list[dict[str, Any]] = []

    def publish(self, **call: Any) -> None:
        self.calls.append(call)

    send_message = invoke = publish


def _alarm(kind: AlarmKind, amount: str | None, dimension: str = "api_calls") -> Alarm:
    meter = Meter("prod-abc123", "111122223333", dimension)
    found = None if amount is None else quantity(amount)
    return Alarm(kind, window("09:00", meter), found, "AWS says no", utc("10:10"))


def _published(alarms: list[Alarm], product: str = "") -> dict[str, Any]:
    client = Client()
    SnsNotifier(client, TOPIC, "shop", product).notify(alarms)
    (call,) = client.calls
    return call


def test_one_message_for_a_run_names_every_quantity() -> None:
    call = _published(
        [
            _alarm(AlarmKind.PARKED, "5"),
            _alarm(AlarmKind.PARKED, "2.5"),
            _alarm(AlarmKind.UNRESOLVED, "7", "users"),
        ]
    )

    assert call["TopicArn"] == TOPIC
    assert call["Subject"] == "Metering shop: 2 parked, 1 unresolved"
    assert call["MessageAttributes"]["kinds"]["StringValue"] == "parked, unresolved"
    assert call["Message"] == (
        "Metering of shop reports usage that is not billed as recorded.\n"
        "\n"
        "parked: 2. What it means: AWS refuses it; it is tried again hourly until its deadline.\n"
        "  prod-abc123 api_calls: quantity 7.5 in 2 windows or inputs\n"
        "\n"
        "- parked, quantity 5, prod-abc123 111122223333 api_calls 2026-11-20T09:00Z: AWS says no\n"
        "- parked, quantity 2.5, prod-abc123 111122223333 api_calls 2026-11-20T09:00Z: "
        "AWS says no\n"
        "\n"
        "unresolved: 1. What it means: it may or may not be billed; compare with CloudTrail and "
        "resolve it.\n"
        "  prod-abc123 users: quantity 7 in 1 windows or inputs\n"
        "\n"
        "- unresolved, quantity 7, prod-abc123 111122223333 users 2026-11-20T09:00Z: AWS says no\n"
    )


def test_a_stack_of_one_product_says_so() -> None:
    call = _published([_alarm(AlarmKind.RELEASED, "1")], product="prod-abc123")

    assert call["Subject"] == "Metering shop (prod-abc123): 1 released"


def test_a_flood_stays_within_what_sns_takes() -> None:
    """A day on which everything is refused: sums for all of it, lines for the first twenty."""
    flood = [
        _alarm(kind, "1", f"dimension {number}") for kind in AlarmKind for number in range(3_000)
    ]

    call = _published(flood, product="é" * 200)

    assert len(call["Subject"]) <= SUBJECT_LENGTH_MAX and call["Subject"].isascii()
    assert len(call["Message"].encode()) <= MESSAGE_BYTES_MAX
    assert "and 2980 more" in call["Message"]


def test_a_refused_input_without_a_quantity_is_told_too() -> None:
    odd = Alarm(AlarmKind.REFUSED_INPUT, None, None, "no quantity", utc("10:10"))

    assert "no window: quantity unknown in 1 windows or inputs" in _published([odd])["Message"]


def test_every_ring_is_one_of_its_own() -> None:
    """SQS would swallow a repetition for five minutes, even after the first was answered."""
    client = Client()
    bell = SqsDoorbell(client, "https://queue")

    bell.ring()
    bell.ring()

    first, second = client.calls
    assert first["MessageDeduplicationId"] != second["MessageDeduplicationId"]
    assert first["MessageGroupId"] == second["MessageGroupId"] == "metering"


def test_a_successor_is_not_waited_for() -> None:
    client = Client()

    LambdaSuccessor(client, "shop-MeteringJob").start({"scope": "everything", "round": 2})

    assert client.calls == [
        {
            "FunctionName": "shop-MeteringJob",
            "InvocationType": "Event",
            "Payload": b'{"scope": "everything", "round": 2}',
        }
    ]
