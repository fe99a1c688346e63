"""One run of the demo from the first hour to the audited books."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal

from marketplace_metering.proof.demo import evidence
from marketplace_metering.proof.demo.audit import Findings, audit
from marketplace_metering.proof.demo.aws_faults import STORM
from marketplace_metering.proof.demo.day import Day, Progress
from marketplace_metering.proof.demo.evidence import AwsBooks, SellerBooks
from marketplace_metering.proof.demo.operator import LookUps
from marketplace_metering.proof.demo.usage_file import read_lines
from marketplace_metering.proof.demo.world import Pager, world


@dataclass(frozen=True, slots=True)
class AlarmSum:
    """All alarms of one kind."""

    count: int = 0
    quantity: Decimal = Decimal(0)


@dataclass(frozen=True, slots=True)
class Outcome:
    """Everything that there is to show."""

    seed: int
    lines: int
    findings: Findings
    aws: AwsBooks
    seller: SellerBooks
    faults: Counter[str]
    crashes: Counter[str]
    retries_of_refused: int
    alarms: dict[str, AlarmSum]
    looked_up: LookUps


def play(
    seed: int, store_path: str, on_hour: Callable[[Progress], None], strength: int = STORM
) -> Outcome:
    """Live through the day, then audit it."""
    lines = read_lines()
    with world(seed, store_path, strength) as around:
        day = Day(around, lines, on_hour)
        try:
            looked_up = day.run()
            aws = evidence.read_aws(around)
            seller = evidence.read_seller(day.reports, evidence.accounts_of(lines))
        finally:
            day.store.close()
        return Outcome(
            seed=seed,
            lines=len(lines),
            findings=audit(evidence.gather(lines, aws, seller)),
            aws=aws,
            seller=seller,
            faults=around.weather.injected,
            crashes=around.peril.crashes,
            retries_of_refused=around.weather.retries_of_refused,
            alarms=_alarm_sums(around.pager),
            looked_up=looked_up,
        )


def _alarm_sums(pager: Pager) -> dict[str, AlarmSum]:
    sums: dict[str, AlarmSum] = {}
    for alarm in pager.alarms:
        before = sums.get(alarm.kind, AlarmSum())
        quantity = Decimal(str(alarm.quantity)) if alarm.quantity is not None else Decimal(0)
        sums[str(alarm.kind)] = AlarmSum(before.count + 1, before.quantity + quantity)
    return sums
