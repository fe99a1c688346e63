"""Who sells what to whom: products, their dimensions, buyers, licences, registration tokens."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Final

from marketplace_metering.simulator.readings import Readings
from marketplace_metering.simulator.times import HOUR, NEWEST

TOKEN_LIFE: Final = 4 * HOUR  # [M16]
FINAL_HOUR: Final = HOUR  # [R6] about one hour for final records


@dataclass(frozen=True, slots=True)
class Product:
    """A listing: its dimensions with their prices (None: unknown) and how it takes quantities."""

    code: str
    dimensions: Mapping[str, Decimal | None]
    decimals: bool | None = None  # None: as the reading says


@dataclass(frozen=True, slots=True)
class Period:
    """One stretch of a subscription, in microseconds: its end is already outside."""

    starts: int
    ends: int | None = None
    deprovisioned: int | None = None

    def covers(self, stamp: int, readings: Readings) -> bool:
        """Whether usage of this instant belongs to the subscription."""
        return self.begins_by(stamp, readings) and (self.ends is None or stamp < self.ends)

    def begins_by(self, stamp: int, readings: Readings) -> bool:
        """Whether the subscription has begun at this instant, or at least in its hour."""
        if readings.stamp_before_start == "same-hour-accepted":
            return self.starts // HOUR <= stamp // HOUR
        return self.starts <= stamp

    def is_open(self, now: int, readings: Readings) -> bool:
        """Whether AWS still takes records, the final hour included."""
        return self.starts <= now and now < self._closes(readings)

    def _closes(self, readings: Readings) -> int:
        if self.ends is None:
            return NEWEST
        match readings.final_hour:
            case "after-agreement-end":
                return self.ends + FINAL_HOUR
            case "closed-by-deprovision":  # [Q6] the EventBridge page
                gone = self.deprovisioned
                return self.ends + FINAL_HOUR if gone is None else gone
            case "opened-by-deprovision":  # [Q6] the metering agent skill
                gone = self.deprovisioned
                return (self.ends if gone is None else gone) + FINAL_HOUR


@dataclass(slots=True)
class Subscription:
    """One buyer's agreement for one product; with a licence under Concurrent Agreements."""

    product_code: str
    account: str
    license_arn: str | None
    customer_identifier: str | None
    agreement_id: str
    periods: list[Period] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Registration:
    """What the buyer's browser brings to the seller's registration page."""

    token: str
    issued: int
    subscription: Subscription

    def expired(self, now: int) -> bool:
        """Whether the token is too old for ResolveCustomer (ExpiredTokenException)."""
        return now - self.issued >= TOKEN_LIFE


class Listings:
    """Everything that was declared. What was not is accepted, unless the simulator is strict."""

    def __init__(self) -> None:
        self.products: dict[str, Product] = {}
        self.licenses: dict[str, Subscription] = {}
        self.registrations: dict[str, Registration] = {}
        self._of_account: dict[tuple[str, str], list[Subscription]] = {}
        self._accounts: dict[tuple[str, str], str] = {}

    def add_product(self, product: Product) -> None:
        """Declare or change a product: from now on it accepts only what it lists."""
        if not product.dimensions:
            raise ValueError("a product needs at least one dimension")
        self.products[product.code] = product

    def subscribe(
        self,
        product_code: str,
        account: str,
        license_arn: str | None,
        customer_identifier: str | None,
        period: Period,
        issued: int,
    ) -> Registration:
        """Open a period of a buyer's subscription and issue a registration token."""
        if product_code not in self.products:
            raise ValueError(f"product {product_code!r} is not declared; declare it first")
        if period.ends is not None and period.ends <= period.starts:
            raise ValueError("a subscription must end after it starts")
        wanted = (product_code, account)
        taken = self.licenses.get(license_arn) if license_arn is not None else None
        if taken is not None and (taken.product_code, taken.account) != wanted:
            raise ValueError(f"licence {license_arn} belongs to {taken.account}; use another ARN")
        subscription = self._find(product_code, account, license_arn)
        if subscription is None:
            subscription = self._create(product_code, account, license_arn, customer_identifier)
        elif customer_identifier is not None:
            subscription.customer_identifier = customer_identifier
        if customer_identifier is not None:
            self._accounts[product_code, customer_identifier] = account
        subscription.periods.append(period)
        token = _name("token", len(self.registrations), *wanted)
        self.registrations[token] = Registration(token, issued, subscription)
        return self.registrations[token]

    def unsubscribe(
        self,
        product_code: str,
        account: str,
        license_arn: str | None,
        ends: int,
        deprovisioned: int | None,
    ) -> None:
        """End the newest period of a buyer's subscription; the final hour follows."""
        subscription = self._find(product_code, account, license_arn)
        if subscription is None:
            raise LookupError(f"{account} has no such subscription to {product_code!r}")
        last = subscription.periods[-1]
        if ends < last.starts:
            raise ValueError("a subscription must end after it starts")
        subscription.periods[-1] = Period(last.starts, ends, deprovisioned)

    def of_account(self, product_code: str, account: str) -> Sequence[Subscription]:
        """All subscriptions of one buyer to one product, licensed or not."""
        return self._of_account.get((product_code, account), ())

    def account_of(self, product_code: str, customer_identifier: str) -> str | None:
        """The account behind a legacy customer identifier."""
        return self._accounts.get((product_code, customer_identifier))

    def product_of(self, product_code: str | None, license_arn: str | None) -> str | None:
        """The product of usage: the one that it names, or that of its licence if it is known."""
        licensed = self.licenses.get(license_arn) if license_arn is not None else None
        return product_code if licensed is None else licensed.product_code

    def _find(
        self, product_code: str, account: str, license_arn: str | None
    ) -> Subscription | None:
        found = self.of_account(product_code, account)
        return next((each for each in found if each.license_arn == license_arn), None)

    def _create(
        self, product_code: str, account: str, license_arn: str | None, identifier: str | None
    ) -> Subscription:
        agreement_id = _name("agmt", product_code, account, license_arn)
        created = Subscription(product_code, account, license_arn, identifier, agreement_id)
        self._of_account.setdefault((product_code, account), []).append(created)
        if license_arn is not None:
            self.licenses[license_arn] = created
        return created


def _name(kind: str, *parts: object) -> str:
    """A name that is the same in every run, so that a failing test can be repeated."""
    return f"{kind}-{hashlib.sha256(repr(parts).encode()).hexdigest()[:24]}"
