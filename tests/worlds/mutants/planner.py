"""Switches in the planner."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from marketplace_metering.core import plan
from marketplace_metering.core.hours import BillingMonth, UsageHour
from marketplace_metering.core.policy import Policy
from marketplace_metering.jobs import licenses

Planner = plan._Planner


def forget_sealed_windows(patch: pytest.MonkeyPatch) -> None:
    original = Planner.is_open_for

    def is_open_for(self: Any, window: Any, group: Any) -> bool:
        live, self.book = self.book, replace(self.book, live=frozenset())
        try:
            return original(self, window, group)
        finally:
            self.book = live

    patch.setattr(Planner, "is_open_for", is_open_for)


def forget_identities(patch: pytest.MonkeyPatch) -> None:
    original = Planner.is_open_for

    def is_open_for(self: Any, window: Any, group: Any) -> bool:
        self.identity_by_hour.clear()
        return original(self, window, group)

    patch.setattr(Planner, "is_open_for", is_open_for)


def seal_open_hours(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Planner, "is_closed", lambda self, hour: hour.start <= self.now)


def forget_months(patch: pytest.MonkeyPatch) -> None:
    class _Timeless(UsageHour):
        pass

    original = Planner.carry

    def carry(self: Any, group: Any) -> None:
        with pytest.MonkeyPatch.context() as inner:
            inner.setattr(UsageHour, "month", BillingMonth(2026, 1))
            original(self, group)

    patch.setattr(Planner, "carry", carry)


def carry_what_has_too_many_tags(patch: pytest.MonkeyPatch) -> None:
    original = Planner.is_open_for

    def is_open_for(self: Any, window: Any, group: Any) -> bool:
        return self.keeps_tags_in(window, group) and original(self, window, group)

    patch.setattr(Planner, "is_open_for", is_open_for)


def forget_whose_licences_are(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Planner, "owner_of", lambda self, meter: None)


def fill_the_hours_of_the_old_owner(patch: pytest.MonkeyPatch) -> None:
    original = Planner.owner_of

    def owner_of(self: Any, meter: Any) -> Any:
        owner = original(self, meter)
        return owner and owner._replace(since=UsageHour(0))

    patch.setattr(Planner, "owner_of", owner_of)


def look_once_whose_hours_are_filled(patch: pytest.MonkeyPatch) -> None:
    def give(opened: Any, license_arn: str, product: str, now: Any) -> Any:
        before = opened.corrections.license_owner(license_arn)
        filled = max(licenses._hours_filled_by_others(opened, license_arn, product), default=None)
        owner = licenses._next_owner(product, before, filled, now)
        opened.corrections.set_license_owner(license_arn, owner, before)
        return licenses.Given(before, owner)

    patch.setattr("tests.worlds.stage.give", give)


def forget_the_cap(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(plan, "QUANTITY_MICROS_MAX", 10**30)


def forget_serials(patch: pytest.MonkeyPatch) -> None:
    original = Planner.seal

    def seal(self: Any, draft: Any) -> Any:
        self.book = replace(self.book, released=())
        return original(self, draft)

    patch.setattr(Planner, "seal", seal)


def allow_windows_that_nobody_can_send(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Policy, "_check_that_windows_can_be_sent", lambda self: None)
