"""Whom and what AWS counts: product or licence, buyer account, dimension, hour.

A *book* gathers the meters of one (product, account, dimension): its windows are planned and
sealed together, so that no hour is ever sent once by product code and once by licence (rule 12).
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from marketplace_metering.core.hours import UsageHour

# [M8] LicenseArn. [Q8] AWS's prose and samples disagree on its spelling, so it is opaque to us
# beyond this pattern.
LICENSE_ARN = re.compile(
    r"arn:aws[a-zA-Z-]*:[A-Za-z0-9][A-Za-z0-9_/.-]{0,62}:[A-Za-z0-9_/.-]{0,63}"
    r":[A-Za-z0-9_/.-]{0,63}:[A-Za-z0-9][A-Za-z0-9:_/+=,@.-]{0,1023}"
)
PRODUCT_CODE = re.compile(r"[-a-zA-Z0-9/=:_.@]{1,255}")  # [M6]
# [M7] exactly 12 digits, and leading zeros matter.
ACCOUNT = re.compile(r"[0-9]{12}")
# A stack's name begins the names of all that it holds. CloudFormation: a letter first, then
# letters, digits and hyphens. The longest is a function's: <stack>-MeteringProcessor in at most 64.
STACK_NAME = re.compile(r"[A-Za-z][A-Za-z0-9-]{0,45}")


@dataclass(frozen=True, slots=True, order=True)
class BookKey:
    """One (product, buyer account, dimension): what one version guards in the ledger."""

    product: str
    account: str
    dimension: str


@dataclass(frozen=True, slots=True)
class Meter:
    """What AWS counts separately; with a licence the product code stays off the wire."""

    product: str
    account: str
    dimension: str
    license_arn: str | None = None

    @property
    def book_key(self) -> BookKey:
        """The book that this meter belongs to."""
        return BookKey(self.product, self.account, self.dimension)

    @property
    def is_licensed(self) -> bool:
        """Whether the wire names the licence instead of the product code."""
        return self.license_arn is not None


@dataclass(frozen=True, slots=True)
class Window:
    """One meter during one UTC hour: the unit that AWS de-duplicates."""

    meter: Meter
    hour: UsageHour
