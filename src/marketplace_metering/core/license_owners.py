"""Which product code a licence is metered under (money rule 12).

[M18] By licence AWS counts the licence, and is told no product code. Under two product codes a
licence would be in two books, and both would fill its hours: AWS bills the first and takes the
other for a repetition. So a licence belongs to one product code: the first under which its usage
is sealed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from types import MappingProxyType
from typing import NamedTuple

from marketplace_metering.core.hours import UsageHour
from marketplace_metering.core.ledger import Entry, State

HOURS_UNTIL_HANDED_OVER = 2


class Owner(NamedTuple):
    """The product code that a licence is metered under, and the first hour that it may fill."""

    product: str
    since: UsageHour = UsageHour(0)


Owners = Mapping[str, Owner]  # by licence; one that is missing belongs to nobody yet
NOBODY: Owners = MappingProxyType({})


def handed_over(product: str, now: datetime, last_filled: UsageHour | None) -> Owner:
    """The owner that takes the place of another one.

    The hours until then are the other one's: those that its windows fill, and those that a run may
    be sealing just now. Such a plan was made by now, and fills no later hour than this one; one
    more is for clocks that are unlike.
    """
    since = UsageHour.of(now).plus(HOURS_UNTIL_HANDED_OVER)
    return Owner(product, since if last_filled is None else max(since, last_filled.plus(1)))


def to_be_claimed(product: str, entries: Sequence[Entry], known: Owners) -> Sequence[str]:
    """The licences that a product code has to claim before these entries are stored.

    What is unresolved from the beginning is held for a person, and nobody sends it.
    """
    sent = (entry.window.meter.license_arn for entry in entries if entry.state is State.SEALED)
    return [
        arn
        for arn in dict.fromkeys(sent)
        if arn is not None and (arn not in known or known[arn].product != product)
    ]


def refusal(license_arn: str, product: str, owner: Owner) -> str:
    """Why usage of another product code is not metered, and what helps."""
    return (
        f"licence {license_arn} is metered under product {owner.product}, and this usage names "
        f"product {product}: AWS counts the licence, and is told no product code. If the usage "
        "is wrong, correct its productCode or licenseArn: metering repair. If product "
        f"{owner.product} is wrong: metering license {license_arn} --product {product}, then "
        f"metering retry --license-arn {license_arn}"
    )
