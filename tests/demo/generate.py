"""Writes the demo's usage file, the same bytes each time.

    python -m tests.demo.generate > src/marketplace_metering/proof/demo/usage-2026-11-30.jsonl

The lines stand in order of arrival, as the application's own `recorded_at` says.
"""

from __future__ import annotations

import json
import random
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from marketplace_metering.proof.demo.listings import (
    AGREEMENTS_START,
    BUYERS,
    DAY_BEGINS,
    LEAVES,
    LICENSE_ENDS,
    PRODUCTS,
    SEARCH,
    UNKNOWN_DIMENSION,
)
from marketplace_metering.proof.worlds.listings import Buyer
from tests.demo.malformed import malformed
from tests.demo.moments import iso, ms

USAGE_ENDS = datetime(2026, 12, 1, 7, tzinfo=UTC)  # an hour after AWS closes November
PRICES = {product.code: product.prices for product in PRODUCTS}
Hours = tuple[datetime, datetime]


def _on_the_day(first: int, end: int) -> Hours:
    return DAY_BEGINS.replace(hour=first), DAY_BEGINS.replace(hour=end)


# A trial that was never turned into an agreement: AWS answers CustomerNotSubscribed.
NEVER_SUBSCRIBED = Buyer(SEARCH.code, "981260437715", None, AGREEMENTS_START)
UNSUBSCRIBED_USE = _on_the_day(18, 21)

# Jobs of the buyer whose licence ends in the afternoon run on.
LEAVER = next(buyer for buyer in BUYERS if buyer.account == LEAVES)
USE_AFTER_THE_END = _on_the_day(17, 20)

# A release of its application misspells the dimension for two hours.
MISSPELLS = next(buyer for buyer in BUYERS if buyer.account == "404872239915")
MISSPELT_USE = _on_the_day(20, 22)

# Cut off for the night; its usage of November's last hours arrives after AWS closed November.
CUT_OFF = next(buyer for buyer in BUYERS if buyer.account == "231775049986")
CUT_OFF_FOR: Hours = (DAY_BEGINS.replace(hour=22), datetime(2026, 12, 1, 6, 40, tzinfo=UTC))

MS_PER_HOUR = 3_600_000
LATEST_ARRIVAL = datetime(2026, 12, 1, 10, tzinfo=UTC)

# How busy a buyer is in each UTC hour, in percent.
NIGHT = (38, 34, 31, 30, 33, 40)
MORNING = (52, 63, 74, 82, 86, 88)
AFTERNOON = (85, 86, 89, 90, 87, 80)
EVENING = (72, 66, 60, 54, 48, 42)
BUSY = NIGHT + MORNING + AFTERNOON + EVENING

Attributes = dict[str, object]


class Dice:
    """Chance that is the same in every version of Python: only `random()` is promised to be."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)

    def below(self, limit: int) -> int:
        """A whole number from 0 up to, not including, the limit."""
        return int(self._random.random() * limit)

    def percent(self, chance: int) -> bool:
        """True so many times in a hundred."""
        return self.below(100) < chance


class Writer:
    """Collects lines with their arrival."""

    def __init__(self, dice: Dice) -> None:
        self.dice = dice
        self.lines: list[tuple[int, int, str]] = []
        self.event_count = 0

    def add(self, arrival_ms: int, attributes: Attributes) -> None:
        """One usage record, as the application writes it down at that time."""
        self.add_text(arrival_ms, to_json({**attributes, "recorded_at": iso(arrival_ms)}))

    def add_text(self, arrival_ms: int, text: str) -> None:
        """One line, whatever it says."""
        self.lines.append((arrival_ms, len(self.lines), text))

    def use(self, buyer: Buyer, dimension: str, hour_ms: int, arrives_in_ms: int | None) -> None:
        """The usage of one buyer and dimension in one hour: some records, a few at once."""
        for _ in range(1 + self.dice.below(5)):
            created_ms = hour_ms + self.dice.below(MS_PER_HOUR)
            at_once = 2 + self.dice.below(2) if self.dice.percent(3) else 1
            late_ms = self.late_ms() if arrives_in_ms is None else arrives_in_ms
            if created_ms + late_ms >= ms(LATEST_ARRIVAL):
                late_ms = 20_000
            for _ in range(at_once):
                self.use_once(buyer, dimension, created_ms, created_ms + late_ms)

    def use_once(self, buyer: Buyer, dimension: str, created_ms: int, arrival_ms: int) -> None:
        """One usage record."""
        attributes = self.attributes(buyer, dimension, created_ms)
        self.add(arrival_ms, attributes)
        if "event_id" in attributes and self.dice.percent(3):
            # The application was not sure of the first write and repeated it.
            self.add(arrival_ms + 1 + self.dice.below(9_000_000), attributes)

    def attributes(self, buyer: Buyer, dimension: str, created_ms: int) -> Attributes:
        """A usage record in the format of the guide."""
        attributes: Attributes = {
            "customerAWSAccountId": buyer.account,
            "productCode": buyer.product,
            "create_timestamp": created_ms,
            "dimension": dimension,
            "quantity": self.quantity(dimension),
            "metering_pending": "true",
        }
        if buyer.license_arn is not None:
            attributes["licenseArn"] = buyer.license_arn
        tags = self.tags(buyer.product, int(buyer.account))
        if tags:
            attributes["tags"] = tags
        if dimension == "transactions":
            self.event_count += 1
            attributes["event_id"] = f"settle-{self.event_count:05d}"
        return attributes

    def quantity(self, dimension: str) -> int | Decimal:
        """Whole units, thousandths or millionths, as the dimension is measured."""
        match dimension:
            case "storage_gb":
                return Decimal(1 + self.dice.below(40_000_000)).scaleb(-6)
            case "compute_hours":
                return Decimal(50 * (1 + self.dice.below(160))).scaleb(-3)
            case "users":
                return 1 + self.dice.below(40)
            case "transactions":
                return 1 + self.dice.below(900)
            case _:
                return 1 + self.dice.below(6_000)

    def tags(self, product: str, buyer: int) -> dict[str, str]:
        """Some buyers split their cost by team, and not all usage belongs to one."""
        if product != SEARCH.code or buyer % 3 != 0 or self.dice.percent(20):
            return {}
        team = ("ranking", "catalog", "support")[self.dice.below(3)]
        return {"team": team, "env": "prod" if self.dice.percent(80) else "test"}

    def late_ms(self) -> int:
        """Most usage is recorded at once, some within the hour, a little after hours."""
        fate = self.dice.below(1_000)
        if fate < 930:
            return 200 + self.dice.below(90_000)
        if fate < 970:
            return self.dice.below(MS_PER_HOUR)
        return MS_PER_HOUR + self.dice.below(8 * MS_PER_HOUR)


def lines() -> Iterator[str]:
    """The lines of the file."""
    writer = Writer(Dice(20_261_130))
    for buyer in BUYERS:
        for dimension in PRICES[buyer.product]:
            _ordinary_use(writer, buyer, dimension)
    _special_use(writer)
    _long_late_use(writer)
    for arrival_ms, text in malformed():
        writer.add_text(arrival_ms, text)
    for _arrival_ms, _order, text in sorted(writer.lines):
        yield text


def _ordinary_use(writer: Writer, buyer: Buyer, dimension: str) -> None:
    dice = writer.dice
    size = 50 + dice.below(80)  # percent of an ordinary buyer
    first_ms, end_ms = ms(DAY_BEGINS), ms(USAGE_ENDS)
    for hour_ms in range(first_ms, end_ms, MS_PER_HOUR):
        if buyer == LEAVER and hour_ms > ms(LICENSE_ENDS) - MS_PER_HOUR:
            return
        busy = BUSY[hour_ms // MS_PER_HOUR % 24] * size // 100
        if not dice.percent(busy):
            continue
        arrives_in_ms = 30_000 if buyer == LEAVER else None
        if buyer == CUT_OFF and _within(hour_ms, CUT_OFF_FOR):
            continue
        writer.use(buyer, dimension, hour_ms, arrives_in_ms)


def _special_use(writer: Writer) -> None:
    for buyer, dimension, span in (
        (NEVER_SUBSCRIBED, "api_calls", UNSUBSCRIBED_USE),
        (LEAVER, "compute_hours", USE_AFTER_THE_END),
        (MISSPELLS, UNKNOWN_DIMENSION, MISSPELT_USE),
    ):
        for hour_ms in range(ms(span[0]), ms(span[1]), MS_PER_HOUR):
            writer.use(buyer, dimension, hour_ms, 15_000)
    # In the hour in which the licence ends, only usage before the end.
    writer.use_once(LEAVER, "users", ms(LICENSE_ENDS) - 2_000_000, ms(LICENSE_ENDS) - 1_990_000)


def _long_late_use(writer: Writer) -> None:
    """What a site recorded offline, and one batch that lay around for two days."""
    back_ms = ms(CUT_OFF_FOR[1])
    for hour_ms in range(ms(CUT_OFF_FOR[0]), back_ms - MS_PER_HOUR, MS_PER_HOUR):
        for dimension in PRICES[CUT_OFF.product]:
            created_ms = hour_ms + writer.dice.below(MS_PER_HOUR)
            writer.use_once(CUT_OFF, dimension, created_ms, back_ms + writer.dice.below(60_000))
    two_days_ago = ms(DAY_BEGINS - timedelta(days=2)) + 41_000_000
    for number in range(4):
        arrival_ms = ms(DAY_BEGINS) + 31_000_000 + number
        writer.use_once(BUYERS[3], "storage_gb", two_days_ago + 700_000 * number, arrival_ms)


def _within(hour_ms: int, span: Hours) -> bool:
    return ms(span[0]) <= hour_ms < ms(span[1]) - MS_PER_HOUR


def to_json(attributes: Attributes) -> str:
    """One line of JSON; a decimal keeps its digits, which a float would not."""
    parts = (
        f"{json.dumps(name)}: {value if isinstance(value, Decimal) else json.dumps(value)}"
        for name, value in attributes.items()
    )
    return "{" + ", ".join(parts) + "}"


if __name__ == "__main__":
    sys.stdout.writelines(f"{line}\n" for line in lines())
