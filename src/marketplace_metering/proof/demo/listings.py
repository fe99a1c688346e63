"""Who sells what to whom in the demo, and what happens on its day.

The generator of the usage file and the simulated AWS both read it; the auditor does not.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import NamedTuple

DAY_BEGINS = datetime(2026, 11, 30, tzinfo=UTC)
MONTH_ENDS = datetime(2026, 12, 1, tzinfo=UTC)
USAGE_ENDS = datetime(2026, 12, 1, 7, tzinfo=UTC)  # an hour after AWS closes November
AGREEMENTS_START = datetime(2026, 10, 1, tzinfo=UTC)

Span = tuple[datetime, datetime]


def _on_the_day(hour: int, minute: int = 0) -> datetime:
    return datetime(2026, 11, 30, hour, minute, tzinfo=UTC)


AWS_IS_DOWN: Span = (_on_the_day(10), _on_the_day(13))


@dataclass(frozen=True, slots=True)
class Product:
    """A listing; prices are decimal strings in dollars per unit."""

    code: str
    name: str
    prices: Mapping[str, str]
    is_licensed: bool = False  # metered by LicenseArn instead of ProductCode


SEARCH = Product(
    "7c1m9x2q4kz8vb3n5tjw0hrdy",
    "Lumen Search",
    {"api_calls": "0.001", "storage_gb": "0.023"},
)
NOTEBOOKS = Product(
    "e5p0ls6u1d7rgq2yw8xk4m3fa",
    "Quarry Labs",
    {"compute_hours": "0.420", "users": "0.250"},
    is_licensed=True,
)
PAYMENTS = Product(
    "0b8tz3hn6ym4cj1vk9qs5w7xe",
    "Ferry Payments",
    {"transactions": "0.015"},
)
PRODUCTS = (SEARCH, NOTEBOOKS, PAYMENTS)


class Buyer(NamedTuple):
    """One AWS account and what it bought."""

    account: str
    product: Product

    @property
    def license_arn(self) -> str | None:
        """What ResolveCustomer returned, for a product that is metered by licence."""
        if not self.product.is_licensed:
            return None
        return f"arn:aws:license-manager::294406891311:license:l-{int(self.account):032x}"


def _accounts(words: str) -> tuple[str, ...]:
    return tuple(words.split())


SEARCH_ACCOUNTS = _accounts(
    "041893775120 118420967733 129087744216 150963381904 173345820069 206618897342 "
    "231775049986 257704418831 288161953047 310227768495 336081942750 352946107783 "
    "379510826634 404872239915 428350661072 447193085526 471620934408 493781150267 "
    "520846379911 543017722685 561948830274 587362014590"
)
NOTEBOOK_ACCOUNTS = _accounts(
    "007725146839 602814497350 619375022846 634790158827 650128843391 673906215574 "
    "698241730055 715583904462 736019287148 758462110993 779330846205 794815562037"
)
PAYMENT_ACCOUNTS = _accounts(
    "129087744216 310227768495 471620934408 561948830274 813504729966 836217095541 "
    "851946380027 874028613359 890635147702 912774058816 935108862473 958341297604"
)
BUYERS = tuple(
    Buyer(account, product)
    for product, accounts in (
        (SEARCH, SEARCH_ACCOUNTS),
        (NOTEBOOKS, NOTEBOOK_ACCOUNTS),
        (PAYMENTS, PAYMENT_ACCOUNTS),
    )
    for account in accounts
)

# A trial that was never turned into an agreement: AWS answers CustomerNotSubscribed.
NEVER_SUBSCRIBED = Buyer("981260437715", SEARCH)
UNSUBSCRIBED_USE: Span = (_on_the_day(18), _on_the_day(21))

# Its licence ends in the afternoon, but jobs of it run on: AWS answers InvalidLicenseException.
LEAVES = Buyer("736019287148", NOTEBOOKS)
LICENSE_ENDS = _on_the_day(15, 50)
USE_AFTER_THE_END: Span = (_on_the_day(17), _on_the_day(20))

# AWS suspends the account for some hours; every hourly retry fails until it is restored.
SUSPENDED = Buyer("851946380027", PAYMENTS)
SUSPENSION: Span = (_on_the_day(14), _on_the_day(17, 40))

# A release of its application misspells the dimension for two hours: the poison record.
MISSPELLS = Buyer("404872239915", SEARCH)
UNKNOWN_DIMENSION = "api-calls"
MISSPELT_USE: Span = (_on_the_day(20), _on_the_day(22))

# Cut off for the night; its usage of November's last hours arrives after AWS closed November.
CUT_OFF = Buyer("231775049986", SEARCH)
CUT_OFF_FOR: Span = (_on_the_day(22), datetime(2026, 12, 1, 6, 40, tzinfo=UTC))
