"""Who meters in a world: the functions of a stack, and people in shells with other settings.

The stack meters in one region; a person may move it. A shell may have any region, account and
policy: what it runs bills nothing twice, and nothing that the ledger's policy does not bill.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from random import Random

from marketplace_metering.core.charter import Claim
from marketplace_metering.core.policy import LateUsage, Policy

HOME, ELSEWHERE = "us-east-1", "eu-west-1"
SELLER, OTHER_SELLER = "999988887777", "666655554444"
RETENTION = timedelta(days=30)  # no world lasts as long: nothing is deleted, but it may be


@dataclass(frozen=True, slots=True)
class Caller:
    """One shell, or the stack."""

    claim: Claim
    policy: Policy
    name: str = ""


@dataclass(slots=True)
class Stack:
    """Where the stack meters; its template says its policy."""

    region: str = HOME
    account: str | None = SELLER

    def caller(self, policy: Policy) -> Caller:
        """One of its functions."""
        claim = Claim(
            region=self.region,
            account=self.account,
            late=policy.late,
            grace=policy.grace,
            retention=RETENTION,
            is_of_stack=True,
        )
        return Caller(claim, policy)


def shell(
    region: str = HOME,
    account: str | None = SELLER,
    late: LateUsage | None = None,
    retention: timedelta | None = None,
) -> Caller:
    """A person's shell: what it does not say, it says nowhere."""
    claim = Claim(region=region, account=account, late=late, retention=retention, may_begin=False)
    policy = Policy() if late is None else Policy(late=late)
    return Caller(claim, policy, f" in a shell of {region}")


def draw_shell(random: Random) -> Caller:
    """Some shell."""
    return shell(
        random.choice((HOME, ELSEWHERE)),
        random.choice((SELLER, SELLER, OTHER_SELLER, None)),
        random.choice((None, None, LateUsage.CARRY)),
    )
