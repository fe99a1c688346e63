"""Giving a licence to another product code, where the first one was wrong (money rule 12)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from marketplace_metering.core.hours import UsageHour
from marketplace_metering.core.license_owners import Owner, handed_over
from marketplace_metering.core.views import EntryFilter
from marketplace_metering.ports import OpenStore


@dataclass(frozen=True, slots=True)
class Given:
    """Whose a licence was, and whose it is."""

    before: Owner | None
    now: Owner


class NotGivenError(Exception):
    """Somebody else gave it away at the same time."""


def give(opened: OpenStore, license_arn: str, product: str, now: datetime) -> Given:
    """Meter a licence under this product code, from the first hour on that no other one fills.

    Windows that are sealed stay whose they are, and are sent as they are. A job whose clock is
    hours ahead may have filled a later hour while this one looked: so it looks again.
    """
    first = before = opened.corrections.license_owner(license_arn)
    while True:
        filled = max(_hours_filled_by_others(opened, license_arn, product), default=None)
        owner = _next_owner(product, before, filled, now)
        if owner == before:
            return Given(first, owner)
        if not opened.corrections.set_license_owner(license_arn, owner, before):
            said = f"licence {license_arn} was given to a product just now: look again"
            raise NotGivenError(said)
        before = owner


def _next_owner(
    product: str, before: Owner | None, filled: UsageHour | None, now: datetime
) -> Owner:
    if before is None and filled is None:
        return Owner(product)
    # Others may fill hours of what nobody owns: in an older ledger, or a copy's.
    owner = handed_over(product, now, filled)
    if (
        before is None
        or before.product != product
        or (filled is not None and filled >= before.since)
    ):
        return owner
    return min(owner, before)  # said again, as when a clock was ahead


def _hours_filled_by_others(opened: OpenStore, license_arn: str, product: str) -> list[UsageHour]:
    which = EntryFilter(license_arn=license_arn)
    entries = (view.entry for view in opened.reports.entries(which))
    return [
        entry.window.hour
        for entry in entries
        if entry.state.is_live and entry.window.meter.product != product
    ]
