"""Events that come in several ways at once: recorder, files, commands and, on DynamoDB, PutItem.

One application has an order recorded by its recorder, another puts it into the table, and a person
gives the batch file of a killed recorder to `metering record`. Whoever comes first, and however
often each of them comes again: the event counts once (money rule 15).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal
from random import Random

from marketplace_metering.core.record import UsageRecord
from marketplace_metering.files.json_lines import Piece, read_json
from marketplace_metering.proof.worlds.applications import (
    HOUR_MS,
    Attributes,
    Input,
    SharedEvent,
    Writers,
)
from marketplace_metering.proof.worlds.expected_items import Written
from marketplace_metering.proof.worlds.listings import Cast
from marketplace_metering.proof.worlds.snapshot import MeterName
from marketplace_metering.recorder.segments import Segment, TaggedMeter
from marketplace_metering.recorder.spool.batch_file import text_of

MICROS = 1_000_000
NS_PER_MS = 1_000_000
SECOND_MS = 1_000
PLACES_TRIED = 20


def usage_records_of(item: Attributes) -> list[UsageRecord]:
    """What a recorder makes of a call with an event."""
    quantity, created_ms, tags = item["quantity"], item["create_timestamp"], item.get("tags") or {}
    assert isinstance(quantity, int | Decimal) and isinstance(created_ms, int)
    assert isinstance(tags, dict)
    segment = Segment("w-000001")
    meter = TaggedMeter(
        str(item["customerAWSAccountId"]),
        str(item["productCode"]),
        str(item["dimension"]),
        str(item["licenseArn"]) if "licenseArn" in item else None,
        tuple(sorted(tags.items())),
    )
    ns = created_ms * NS_PER_MS
    segment.add_event(segment.group(meter, ns), int(quantity * MICROS), ns, str(item["event_id"]))
    return segment.usage_records()


@dataclass(slots=True)
class SharedEvents:
    """Draws them, each with the ways in which it comes."""

    cast: Cast
    writers: Writers
    random: Random
    _drawn: int = 0
    _ways: dict[str, Callable[[Input, Attributes], bool]] = field(init=False)

    def __post_init__(self) -> None:
        self._ways = {
            "file": self._in_a_file,
            "batch file": self._in_a_batch_file,
            "recorder": self._flushed,
            "PutItem": self._put,
        }

    def draw(self, now_ms: int, may_put: bool) -> tuple[SharedEvent, list[Input]] | None:
        """An event of about this instant, and two to five times that it is handed over."""
        buyer, meter = self.random.choice(self.cast.meters)
        created_ms = now_ms - self.random.choice((0, 0, 2 * HOUR_MS, 26 * HOUR_MS))
        created_ms -= self.random.randint(0, 20 * 60_000)
        ends_ms = None if buyer.ends_at is None else buyer.ends_at.timestamp() * 1_000
        if created_ms < buyer.starts_at.timestamp() * 1_000 + SECOND_MS or (
            ends_ms is not None and created_ms >= ends_ms - SECOND_MS
        ):
            return None
        self._drawn += 1
        item = self.writers.usage_of(meter, created_ms)
        item["event_id"] = f"shared-{self._drawn}"
        event = SharedEvent(str(item["event_id"]), _written(meter, item))
        ways = list(self._ways) if may_put else list(self._ways)[:-1]
        handed_over = []
        for number in range(self.random.choice((2, 2, 3, 5))):
            # On DynamoDB half of them are put: that is where each has a place of its own.
            way = "PutItem" if may_put and self.random.random() < 0.4 else self.random.choice(ways)
            drawn = Input(f"{event.event_id} by {way}, {number}", event=event)
            if self._ways[way](drawn, item):
                handed_over.append(drawn)
        return event, handed_over

    def later(self) -> timedelta:
        """When it comes again, after it came."""
        return timedelta(minutes=self.random.choice((0, 0, 1, 30, 180, 1_500)))

    def _in_a_file(self, drawn: Input, item: Attributes) -> bool:
        drawn.pieces.append(Piece("line 1", str(item), dict(item)))
        return True

    def _in_a_batch_file(self, drawn: Input, item: Attributes) -> bool:
        drawn.pieces.extend(read_json(text_of(usage_records_of(item)).decode().splitlines()))
        return True

    def _flushed(self, drawn: Input, item: Attributes) -> bool:
        drawn.is_flushed = True
        return self._in_a_file(drawn, item)

    def _put(self, drawn: Input, item: Attributes) -> bool:
        account, created_ms = str(item["customerAWSAccountId"]), item["create_timestamp"]
        assert isinstance(created_ms, int)
        for _try in range(PLACES_TRIED):
            ms = created_ms // SECOND_MS * SECOND_MS + self.random.randrange(SECOND_MS)
            if self.writers.takes_for_itself(account, ms):
                break
        else:
            return False
        assert drawn.event is not None
        drawn.is_put = True
        drawn.good = [drawn.event.written]
        drawn.says = [drawn.event.written]
        pending = self.random.choice(("true", "true", "true.0", "true.19"))
        piece = {**item, "create_timestamp": ms, "metering_pending": pending}
        return self._in_a_file(drawn, piece)


def _written(meter: MeterName, item: Attributes) -> Written:
    quantity, created_ms, tags = item["quantity"], item["create_timestamp"], item.get("tags") or {}
    assert isinstance(quantity, int | Decimal) and isinstance(created_ms, int)
    assert isinstance(tags, dict)
    kept = tuple(sorted(tags.items()))
    return Written(meter, created_ms // HOUR_MS, kept, int(quantity * MICROS))
