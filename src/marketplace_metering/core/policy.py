"""What a seller may choose, with defaults that are safe under every reading of AWS's sources."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum

from marketplace_metering.core.limits import (
    ALLOCATIONS_MAX,
    REQUESTS_PER_SECOND_QUOTA,
    WINDOW_LENGTH,
)

# How long after its first instant an hour may wait for a run, its grace not counted: until it is
# over, and then for the next one of the hourly runs.
HOUR_AND_NEXT_RUN = timedelta(hours=2)
SLOWEST_REQUESTS = 1 / 60  # a second; with fewer a run ends before its second request


class LateUsage(StrEnum):
    """What becomes of usage that was recorded late (money rules 4 and 15)."""

    CARRY = "carry"  # bill it in a later open window of the same meter
    REJECT = "reject"  # list it as unbilled
    HOLD = "hold"  # leave it pending until a person decides


class Scope(StrEnum):
    """Which hours a sealing run may freeze (money rule 3)."""

    CLOSED_HOURS = "closed hours"
    EVERYTHING = "everything"  # the current hour too: on explicit request only


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """Settings of one deployment; illegal ones do not construct."""

    grace: timedelta = timedelta(minutes=5)  # how long after its end an hour stays unsealed
    window_length: timedelta = WINDOW_LENGTH
    safety_margin: timedelta = timedelta(minutes=5)  # nothing is sent this close to its deadline
    clock_margin: timedelta = timedelta(seconds=2)  # nothing is sent this close after its stamp
    parked_retry: timedelta = timedelta(minutes=55)  # due again by the next hourly run
    retry_first: timedelta = timedelta(seconds=1)
    retry_longest: timedelta = timedelta(minutes=5)
    patience: timedelta = timedelta(seconds=20)  # how long a run waits for what is due again
    failures_in_a_row_max: int = 5  # unanswered or throttled calls after which a run gives up
    requests_per_second: float = 5.0  # [Q22] the quota of 10 is shared with other software
    tag_sets_max: int = ALLOCATIONS_MAX  # in a window, the untagged rest included
    late: LateUsage = LateUsage.CARRY
    late_by_product: Mapping[str, LateUsage] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name, shortest, longest in (
            ("grace", timedelta(0), timedelta(hours=1)),
            ("window_length", timedelta(hours=1), WINDOW_LENGTH),
            ("safety_margin", timedelta(0), timedelta(minutes=30)),
            ("clock_margin", timedelta(0), timedelta(minutes=1)),
            ("parked_retry", timedelta(seconds=1), timedelta(hours=6)),
            ("retry_first", timedelta(0), timedelta(minutes=1)),
            ("retry_longest", timedelta(seconds=1), timedelta(hours=1)),
            ("patience", timedelta(0), timedelta(minutes=15)),
        ):
            value = getattr(self, name)
            if not shortest <= value <= longest:
                raise InvalidSettingError(name, value, f"from {shortest} to {longest}")
        if not 1 <= self.tag_sets_max <= ALLOCATIONS_MAX:
            raise InvalidSettingError("tag_sets_max", self.tag_sets_max, f"1 to {ALLOCATIONS_MAX}")
        if self.failures_in_a_row_max < 1:
            raise InvalidSettingError(
                "failures_in_a_row_max", self.failures_in_a_row_max, "at least 1"
            )
        if not self.requests_per_second > 0:  # not: <= 0, which a NaN is not either
            raise InvalidSettingError("requests_per_second", self.requests_per_second, "above 0")
        if self.requests_per_second < SLOWEST_REQUESTS:
            allowed = f"at least {SLOWEST_REQUESTS:.4f}, which is one a minute"
            raise InvalidSettingError("requests_per_second", self.requests_per_second, allowed)
        self._check_that_windows_can_be_sent()

    def _check_that_windows_can_be_sent(self) -> None:
        """At every instant there is an hour that is closed, and that AWS still accepts.

        So each hourly run can send what was used in the hour before, whatever its minute, and
        finds a window for what is carried. The end of a month cuts no hour shorter than its six.
        """
        needed = HOUR_AND_NEXT_RUN + self.grace + self.safety_margin
        if self.window_length <= needed:
            raise InvalidSettingError(
                "window_length_hours",
                f"{self.window_length / timedelta(hours=1):g}",
                f"above {needed / timedelta(hours=1):g} with grace_seconds = "
                f"{self.grace.total_seconds():g} and safety_margin_seconds = "
                f"{self.safety_margin.total_seconds():g}: usage waits until its hour and the grace "
                "are over, and up to an hour for the next run; with less AWS would refuse every "
                "window before it is sent",
            )

    def late_usage_of(self, product: str) -> LateUsage:
        """What is done with a product's late usage: its own choice, or the general one."""
        return self.late_by_product.get(product, self.late)


class InvalidSettingError(ValueError):
    """A setting outside its range: a person has to change it."""

    def __init__(self, name: str, value: object, allowed: str) -> None:
        super().__init__(f"setting {name} = {value} refused: must be {allowed}")


assert Policy().requests_per_second < REQUESTS_PER_SECOND_QUOTA
