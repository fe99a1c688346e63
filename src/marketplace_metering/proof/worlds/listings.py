"""Who takes part: products with their dimensions, buyers with or without licences.

Drawn by seed, and small: a few meters that share books, so that the rules about one window, one
book and both identities are met often.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from random import Random

from marketplace_metering.proof.worlds.fault_mix import Mix
from marketplace_metering.proof.worlds.snapshot import MeterName
from marketplace_metering.proof.worlds.timeline import Span
from marketplace_metering.simulator import MarketplaceSimulator

LISTED = ("requests", "storage-gb")
POISON = "reqeusts"  # the listing has no such dimension
PRICES = dict.fromkeys(("prod-a", "prod-b"), dict.fromkeys(LISTED, Decimal("0.01")))
ARN = "arn:aws:license-manager::999900001111:license:l-{:04x}"


@dataclass(frozen=True, slots=True)
class Buyer:
    """One account and how it buys one product."""

    product: str
    account: str
    license_arn: str | None
    starts_at: datetime
    ends_at: datetime | None = None

    def is_metered_by(self, meter: MeterName) -> bool:
        """Whether AWS takes the meter for this one; with a licence, whatever the product code."""
        is_buyer = (self.account, self.license_arn) == (meter.account, meter.license_arn)
        return is_buyer and (meter.license_arn is not None or self.product == meter.product)


@dataclass(slots=True)
class Cast:
    """All buyers and what they are metered on."""

    buyers: list[Buyer] = field(default_factory=list)
    meters: list[tuple[Buyer, MeterName]] = field(default_factory=list)
    suspensions: list[Span] = field(default_factory=list)  # by account
    prices: Mapping[str, Mapping[str, Decimal]] = field(default_factory=lambda: PRICES)

    def is_only_licensed(self, account: str) -> bool:
        """Whether a buyer is never metered by product code."""
        return all(buyer.license_arn for buyer in self.buyers if buyer.account == account)

    def subscribe_all(self, simulator: MarketplaceSimulator) -> None:
        """Tell AWS."""
        for product, prices in self.prices.items():
            simulator.declare(product, prices)
        for buyer in self.buyers:
            simulator.subscribe(
                buyer.product,
                buyer.account,
                starts_at=buyer.starts_at,
                ends_at=buyer.ends_at,
                license_arn=buyer.license_arn,
            )


def draw_cast(mix: Mix, random: Random) -> Cast:
    """One to three accounts; some have two licences, or a licence beside the product code."""
    cast = Cast()
    for number in range(random.randint(1, 3)):
        account = f"{number:04d}22223333"
        product = random.choice(("prod-a", "prod-a", "prod-b"))
        styles = random.choice(((None,), (0,), (0,), (0, 1), (None, 0)))
        leaves = mix.leaves and number == 0
        for style in styles:
            arn = None if style is None else ARN.format(number * 16 + style)
            cast.buyers.append(_buyer(mix, random, product, account, arn, leaves))
    for buyer in cast.buyers:
        dimensions = random.sample((*LISTED, POISON), random.choice((1, 1, 2)))
        if dimensions == [POISON] and random.random() < 0.7:
            dimensions = [LISTED[0]]
        cast.meters += [
            (buyer, MeterName(buyer.product, buyer.account, dimension, buyer.license_arn))
            for dimension in dimensions
        ]
    for _number in range(mix.suspensions):
        begins = mix.starts_at + timedelta(minutes=random.randint(0, mix.hours * 60))
        lasts = timedelta(minutes=random.choice((90, 600, 1_800)))
        account = random.choice(cast.buyers).account
        cast.suspensions.append(Span(account, begins, begins + lasts))
    return cast


def _buyer(
    mix: Mix, random: Random, product: str, account: str, arn: str | None, leaves: bool
) -> Buyer:
    # [Q4] Some begin in the middle of an hour of this world: their first window is a partial one.
    starts_at = mix.starts_at - timedelta(days=3)
    if random.random() < 0.2:
        starts_at = mix.starts_at + timedelta(minutes=random.randint(0, 300))
    ends_at = None
    if leaves:
        ends_at = mix.starts_at + timedelta(
            minutes=random.randint(max(330, mix.hours * 20), mix.hours * 60)
        )
    return Buyer(product, account, arn, starts_at, ends_at)
