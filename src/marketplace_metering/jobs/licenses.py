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

    Windows that are sealed stay whose they are, and are sent as they are.
    """
    before = opened.corrections.license_owner(license_arn)
    filled = _hours_filled_by_others(opened, license_arn, product)
    if before is None and not filled:
        owner = Owner(product)
    else:  # others may fill hours of what nobody owns: in an older ledger, or a copy's
        owner = handed_over(product, now, max(filled, default=None))
    if before is not None and before.product == product:  # said again, as when a clock was ahead
        owner = min(owner, before)
    if owner != before and not opened.corrections.set_license_owner(license_arn, owner, before):
        raise NotGivenError(f"licence {license_arn} was given to a product just now: look again")
    return Given(before, owner)


def _hours_filled_by_others(opened: OpenStore, license_arn: str, product: str) -> list[UsageHour]:
    which = EntryFilter(license_arn=license_arn)
    entries = (view.entry for view in opened.reports.entries(which))
    return [
        entry.window.hour
        for entry in entries
        if entry.state.is_live and entry.window.meter.product != product
    ]
