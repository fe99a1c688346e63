"""What the applications write, and the auditor's own list of it.

Every input is known in full before a store sees it: which usage records are right and which are
not is decided here, by how they are made, not by the product's validation.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from random import Random

from marketplace_metering.files.json_lines import Piece
from marketplace_metering.proof.worlds.expected_items import Written
from marketplace_metering.proof.worlds.fault_mix import Mix
from marketplace_metering.proof.worlds.listings import Cast
from marketplace_metering.proof.worlds.snapshot import MeterName, Tags

HOUR_MS = 3_600_000
HOUR_NS = HOUR_MS * 1_000_000
CAP = Decimal("9999999999.999999")  # [M4] the most that one window can bill
# [Q11] Six distinct keys: more than one window may carry.
TAG_SETS: tuple[Tags, ...] = (
    (),
    (("team", "a"),),
    (("team", "b"),),
    (("env", "prod"), ("team", "a")),
    (("k1", "v"), ("k2", "v"), ("k3", "v"), ("k4", "v")),
)


@dataclass(slots=True, eq=False)
class SharedEvent:
    """An event that several applications hand over, each in its way: it counts once."""

    event_id: str
    written: Written
    is_begun: bool = False  # some application began to hand it over, though not by PutItem
    is_recorded: bool = False  # and knows that it is recorded
    is_put: bool = False  # some application puts it itself, or began to


@dataclass(slots=True)
class Input:
    """What one application hands over in one go, and repeats until it is confirmed."""

    source: str
    pieces: list[Piece] = field(default_factory=list)
    good: list[Written] = field(default_factory=list)
    bad: list[str] = field(default_factory=list)  # the text of each record that must be refused
    says: list[Written | None] = field(default_factory=list)  # by piece; None: made wrong
    is_confirmed: bool = False
    is_lost: bool = False  # the store was restored: nobody hands over again what may be billed
    is_put: bool = False  # by plain PutItems of the application, not through the recorder
    is_flushed: bool = False  # by a recorder's flush
    event: SharedEvent | None = None  # which comes in other ways, too


Attributes = dict[str, object]


class Writers:
    """Draws inputs; remembers what was handed over."""

    def __init__(self, mix: Mix, cast: Cast, random: Random) -> None:
        self._mix = mix
        self._cast = cast
        self._random = random
        self._codes = Random(f"codes {mix.seed}")  # noqa: S311 - repeatable, no secrets
        self._serial = 0
        self._inputs_drawn = 0
        self._ms: set[tuple[str, int]] = set()
        self._put_ms: set[tuple[str, int]] = set()  # PutItem would overwrite what is there
        # And here it does: by buyer and millisecond, the quantities that were put there.
        self._overwritten: dict[str, dict[int, list[object]]] = {}
        self._plain: list[tuple[MeterName, Attributes]] = []  # what another input may equal
        self.events: list[Attributes] = []  # of confirmed inputs: ids that are taken
        self.inputs: list[Input] = []

    def draw(self, now_ms: int, may_put: bool) -> Input | None:
        """An input of a few usage records up to this instant."""
        self._inputs_drawn += 1
        drawn = Input(f"app, part {self._inputs_drawn}")
        drawn.is_put = may_put and self._random.random() < 0.4
        for _number in range(self._random.choice((1, 1, 2, 4))):
            self._draw_usage(drawn, now_ms)
        if not drawn.pieces:
            return None
        self.inputs.append(drawn)
        return drawn

    def lose(self) -> None:
        """The store was restored: what was written is not written again, nor over."""
        self._overwritten.clear()
        self._plain.clear()
        self.events.clear()

    def confirm(self, what: Input) -> None:
        """The store has it, and the application knows."""
        if what.event is not None:
            what.is_confirmed = True
            what.event.is_recorded |= not what.is_put
        elif not what.is_confirmed:
            what.is_confirmed = True
            for item in (piece.item for piece in what.pieces):
                if isinstance(item, dict) and "event_id" in item and "made_wrong" not in item:
                    self.events.append(dict(item))

    def _draw_usage(self, drawn: Input, now_ms: int) -> None:
        buyer, meter = self._random.choice(self._cast.meters)
        if self._is_misnamed(meter):
            meter = meter._replace(product="prod-b" if meter.product == "prod-a" else "prod-a")
        created_ms = self._created_ms(now_ms)
        starts_ms = int(buyer.starts_at.timestamp() * 1_000)
        if created_ms < starts_ms:  # nobody uses what they have not bought
            created_ms = now_ms
        if created_ms < starts_ms or _is_over(buyer.ends_at, created_ms):
            return
        earlier = self._overwritten.setdefault(meter.account, {})
        if drawn.is_put and earlier and self._random.random() < 0.2:
            taken_ms = self._random.choice(list(earlier))
            if taken_ms >= starts_ms and not _is_over(buyer.ends_at, taken_ms):
                self._draw_overwriting(drawn, meter, taken_ms, earlier[taken_ms])
                return
        if not drawn.is_put and self._plain and self._random.random() < 0.05:
            self._add_good(drawn, *self._random.choice(self._plain))  # another host's equal usage
            return
        created_ms = self._own_ms(meter, created_ms, drawn.is_put)
        item = self.usage_of(meter, created_ms)
        if drawn.is_put:
            item.pop("event_id", None)  # a plain PutItem asks nobody whether the event is known
            item["metering_pending"] = self._random.choice(("true", "true", "true.0", "true.19"))
        roll = self._random.random()
        if roll < 0.06:
            self._random.choice(PUTTABLE_MISTAKES if drawn.is_put else MISTAKES)(item)
            item["made_wrong"] = True
            self._add_bad(drawn, item)
        elif roll < 0.09 and self.events and not drawn.is_put:
            item = {**self._random.choice(self.events), "quantity": 7_777, "made_wrong": True}
            self._add_bad(drawn, item)
        else:
            self._add_good(drawn, meter, item)
            if drawn.is_put:
                earlier[created_ms] = [item["quantity"]]
            elif "event_id" not in item:
                self._plain.append((meter, item))
            if "event_id" not in item and not drawn.is_put and self._random.random() < 0.08:
                self._add_good(drawn, meter, dict(item))  # two equal uses in one millisecond

    def _is_misnamed(self, meter: MeterName) -> bool:
        """Whether this usage of a licence names the other product code.

        Not where the buyer is metered by product code as well: of two identities of one hour
        nobody can tell that they are of one product, if it is named as two.
        """
        if meter.license_arn is None or not self._cast.is_only_licensed(meter.account):
            return False
        return self._codes.random() * 100 < self._mix.other_code_percent

    def _draw_overwriting(
        self, drawn: Input, meter: MeterName, created_ms: int, put: list[object]
    ) -> None:
        """The guide's own weakness: two uses of a buyer in one millisecond, of any meter.

        The quantities differ: of two that differ in their tags alone, the mark of the first may
        come onto the second, and then only one of them is metered, as only one of them is there.
        """
        item = self.usage_of(meter, created_ms)
        item.pop("event_id", None)  # a plain PutItem asks nobody whether the event is known
        while item["quantity"] in put:
            item["quantity"] = self._quantity()
        put.append(item["quantity"])
        self._add_good(drawn, meter, item)

    def _own_ms(self, meter: MeterName, created_ms: int, is_put: bool) -> int:
        """A millisecond that no PutItem of the buyer has, and for a PutItem nothing else either."""
        while (meter.account, created_ms) in self._put_ms or (
            is_put and (meter.account, created_ms) in self._ms
        ):
            created_ms -= 1
        (self._put_ms if is_put else self._ms).add((meter.account, created_ms))
        return created_ms

    def takes_for_itself(self, account: str, ms: int) -> bool:
        """A PutItem takes that millisecond of a buyer, if nothing else has it."""
        place = account, ms
        if place in self._ms or place in self._put_ms:
            return False
        self._put_ms.add(place)
        return True

    def _created_ms(self, now_ms: int) -> int:
        random = self._random
        if random.random() * 100 < self._mix.late_percent:
            return now_ms - int(random.random() * random.choice((2, 8, 30, 60)) * HOUR_MS)
        roll = random.random()
        if roll < 0.1:
            return now_ms // HOUR_MS * HOUR_MS  # exactly on the hour
        if roll < 0.15:
            return now_ms // HOUR_MS * HOUR_MS - 1  # its last millisecond
        return now_ms - random.randint(0, 20 * 60_000)

    def usage_of(self, meter: MeterName, created_ms: int) -> Attributes:
        """Some usage of a meter at that instant, as an application writes it."""
        self._serial += 1
        item: Attributes = {
            "customerAWSAccountId": meter.account,
            "productCode": meter.product,
            "create_timestamp": created_ms,
            "dimension": meter.dimension,
            "quantity": self._quantity(),
            "metering_pending": "true",
            "request": self._serial,
        }
        if meter.license_arn is not None:
            item["licenseArn"] = meter.license_arn
        if self._random.random() < 0.3:
            tags = self._random.choice(TAG_SETS)
            if tags:
                item["tags"] = dict(tags)
        if self._random.random() < 0.3:
            item["event_id"] = f"e-{self._serial}"
        return item

    def _quantity(self) -> int | Decimal:
        roll = self._random.random()
        if roll < 0.7:
            return self._random.randint(1, 1_000)
        if roll < 0.9:
            return Decimal(self._random.randint(1, 9_999_999)) / 1_000_000
        if roll < 0.94:
            return 0
        if roll < 0.97:
            return 3_000_000_000  # more than `Quantity` can hold
        return CAP - self._random.randint(0, 5)

    def _add_good(self, drawn: Input, meter: MeterName, item: Attributes) -> None:
        created_ms, quantity, tags = item["create_timestamp"], item["quantity"], item.get("tags")
        assert isinstance(created_ms, int) and isinstance(quantity, int | Decimal)
        assert tags is None or isinstance(tags, dict)
        kept = tuple(sorted(tags.items())) if tags else ()
        hour, micros = created_ms // HOUR_MS, int(quantity * 1_000_000)
        drawn.good.append(Written(meter, hour, kept, micros))
        drawn.says.append(drawn.good[-1])
        self._add(drawn, item)

    def _add_bad(self, drawn: Input, item: Attributes) -> None:
        text = self._add(drawn, item)
        drawn.says.append(None)
        drawn.bad.append(f"request {item['request']}" if drawn.is_put else text)

    def _add(self, drawn: Input, item: Attributes) -> str:
        place = f"line {len(drawn.pieces) + 1}"
        text = json.dumps(item, default=str)
        drawn.pieces.append(Piece(place, text, item))
        return text


def _is_over(ends_at: datetime | None, created_ms: int) -> bool:
    return ends_at is not None and created_ms >= ends_at.timestamp() * 1_000


def _set(name: str, value: object) -> Callable[[Attributes], None]:
    return lambda item: item.update({name: value})


def _drop(name: str) -> Callable[[Attributes], None]:
    def mistake(item: Attributes) -> None:
        del item[name]

    return mistake


def _a_day_ahead(item: Attributes) -> None:
    created_ms = item["create_timestamp"]
    assert isinstance(created_ms, int)
    item["create_timestamp"] = created_ms + 48 * 24 * HOUR_MS


MISTAKES: tuple[Callable[[Attributes], None], ...] = (
    _set("quantity", -1),
    _set("quantity", "5"),
    _set("quantity", Decimal("0.0000001")),
    _set("quantity", 10**10),
    _set("customerAWSAccountId", "11112222333"),
    _set("create_timestamp", 1_796_083_199),
    _set("tags", {"a": ""}),
    _set("metering_pending", True),
    _set("licenseArn", "l-0123"),
    _drop("dimension"),
    _drop("quantity"),
    _a_day_ahead,
)
# With these DynamoDB takes the item: its keys are of the right types.
PUTTABLE_MISTAKES = (*MISTAKES[:4], _set("tags", {"a": ""}), *MISTAKES[8:])
