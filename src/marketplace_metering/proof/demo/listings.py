"""Who sells what to whom in the demo, and what happens on its day. The auditor does not read it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import NamedTuple

from marketplace_metering.proof.worlds.listings import Buyer, Cast
from marketplace_metering.proof.worlds.timeline import Span

DAY_BEGINS = datetime(2026, 11, 30, tzinfo=UTC)
MONTH_ENDS = datetime(2026, 12, 1, tzinfo=UTC)
AGREEMENTS_START = datetime(2026, 10, 1, tzinfo=UTC)

AWS_IS_DOWN = Span("AWS is down", DAY_BEGINS.replace(hour=10), DAY_BEGINS.replace(hour=13))


class Product(NamedTuple):
    """A listing; prices are in dollars per unit."""

    code: str
    name: str
    prices: Mapping[str, Decimal]
    accounts: str
    is_licensed: bool = False  # metered by LicenseArn instead of ProductCode


SEARCH = Product(
    "7c1m9x2q4kz8vb3n5tjw0hrdy",
    "Lumen Search",
    {"api_calls": Decimal("0.001"), "storage_gb": Decimal("0.023")},
    "041893775120 118420967733 129087744216 150963381904 173345820069 206618897342 "
    "231775049986 257704418831 288161953047 310227768495 336081942750 352946107783 "
    "379510826634 404872239915 428350661072 447193085526 471620934408 493781150267 "
    "520846379911 543017722685 561948830274 587362014590",
)
NOTEBOOKS = Product(
    "e5p0ls6u1d7rgq2yw8xk4m3fa",
    "Quarry Labs",
    {"compute_hours": Decimal("0.420"), "users": Decimal("0.250")},
    "007725146839 602814497350 619375022846 634790158827 650128843391 673906215574 "
    "698241730055 715583904462 736019287148 758462110993 779330846205 794815562037",
    is_licensed=True,
)
PAYMENTS = Product(
    "0b8tz3hn6ym4cj1vk9qs5w7xe",
    "Ferry Payments",
    {"transactions": Decimal("0.015")},
    "129087744216 310227768495 471620934408 561948830274 813504729966 836217095541 "
    "851946380027 874028613359 890635147702 912774058816 935108862473 958341297604",
)
PRODUCTS = (SEARCH, NOTEBOOKS, PAYMENTS)

# Its licence ends in the afternoon, but jobs of it run on: AWS answers InvalidLicenseException.
LEAVES = "736019287148"
LICENSE_ENDS = DAY_BEGINS.replace(hour=15, minute=50)

# AWS suspends the account for some hours; every hourly retry fails until it is restored.
SUSPENSION = Span(
    "851946380027", DAY_BEGINS.replace(hour=14), DAY_BEGINS.replace(hour=17, minute=40)
)

# A release of its application misspells the dimension for two hours: the poison record.
UNKNOWN_DIMENSION = "api-calls"


def _buyer(product: Product, account: str) -> Buyer:
    # A licence is what ResolveCustomer returned.
    arn = f"arn:aws:license-manager::294406891311:license:l-{int(account):032x}"
    ends_at = LICENSE_ENDS if account == LEAVES else None
    return Buyer(
        product.code, account, arn if product.is_licensed else None, AGREEMENTS_START, ends_at
    )


BUYERS = [_buyer(product, account) for product in PRODUCTS for account in product.accounts.split()]
CAST = Cast(
    BUYERS,
    suspensions=[SUSPENSION],
    prices={product.code: product.prices for product in PRODUCTS},
)
