"""A ledger has one place and one policy (money rule 13), and they are its own.

AWS knows a repeated window within one metering region and seller account only, so the ledger says
where it is billed. What becomes of late usage, how long an hour stays open and when usage records
are deleted is said there as well. Each run that seals or sends is measured by it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import NamedTuple, Self

from marketplace_metering.core.policy import LateUsage, Policy

CHARTER = "charter"  # the name of the fact
KEPT_FOR_EVER = timedelta(0)
MICROSECOND = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Charter:
    """What is written in the ledger."""

    region: str
    account: str | None  # the seller's; None: nobody could tell so far
    window_length: timedelta
    late: LateUsage
    late_by_product: Mapping[str, LateUsage] = field(default_factory=dict)
    grace: timedelta
    retention: timedelta = KEPT_FOR_EVER  # of settled usage records, on DynamoDB
    has_deleted: bool = False  # usage records were deleted after a time, now or in the past
    is_of_stack: bool = False  # a stack's template decides on late usage, grace and retention
    changing: str | None = None  # what a person is changing: meanwhile nothing is sealed or sent

    def __post_init__(self) -> None:
        if self.retention and not self.has_deleted:
            object.__setattr__(self, "has_deleted", True)

    def __str__(self) -> str:
        said = {
            "region": self.region,
            "account": self.account,
            "window_us": self.window_length // MICROSECOND,
            "late": self.late,
            "late_by_product": dict(self.late_by_product),
            "grace_us": self.grace // MICROSECOND,
            "retention_us": self.retention // MICROSECOND,
            "has_deleted": self.has_deleted,
            "is_of_stack": self.is_of_stack,
            "changing": self.changing,
        }
        return json.dumps(said, sort_keys=True)

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read back what `str` wrote."""
        said = json.loads(text)
        products = said["late_by_product"].items()
        return cls(
            region=said["region"],
            account=said["account"],
            window_length=said["window_us"] * MICROSECOND,
            late=LateUsage(said["late"]),
            late_by_product={product: LateUsage(late) for product, late in products},
            grace=said["grace_us"] * MICROSECOND,
            retention=said["retention_us"] * MICROSECOND,
            has_deleted=said["has_deleted"],
            is_of_stack=said["is_of_stack"],
            changing=said["changing"],
        )

    @property
    def place(self) -> tuple[str, str | None, timedelta]:
        """What usage that was sent depends on."""
        return self.region, self.account, self.window_length

    def is_billed_as(self, other: Self) -> bool:
        """Whether usage that was sent is safe with the other one: only the account became known."""
        known = (other.region, self.account and other.account, other.window_length)
        return self.place == known

    def late_usage_of(self, product: str) -> LateUsage:
        """What is done with a product's late usage."""
        return self.late_by_product.get(product, self.late)

    def applied_to(self, policy: Policy) -> Policy:
        """A caller's settings, with the ledger's in the place of what is not the caller's."""
        return replace(
            policy,
            window_length=self.window_length,
            grace=self.grace,
            late=self.late,
            late_by_product=self.late_by_product,
        )


def charter_in(facts: Mapping[str, str]) -> Charter | None:
    """The charter among the facts of a ledger; None if nobody has written one yet."""
    text = facts.get(CHARTER)
    return None if text is None else Charter.parse(text)


def where(charter: Charter | None) -> str:
    """In words, where the usage of a ledger is billed."""
    if charter is None:
        return "where it is billed is not written yet: the first run writes it"
    account = charter.account or "unknown (AWS STS does not say it)"
    return f"metering in {charter.region}, seller account {account}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """Where a caller would send usage to, and what its own settings say; None: they do not."""

    region: str
    account: str | None = None
    window_length: timedelta | None = None
    late: LateUsage | None = None
    late_by_product: Mapping[str, LateUsage] = field(default_factory=dict)
    grace: timedelta | None = None
    retention: timedelta | None = None
    is_of_stack: bool = False  # the caller is a stack's function: it says what the template says
    may_begin: bool = True  # whether it may write the charter of a ledger that has none
    region_from: str | None = None  # which setting named the region


class Contradiction(NamedTuple):
    """A caller's settings are not the ledger's."""

    name: str  # as `metering ledger set` takes it
    said: str
    stands: str
    is_of_place: bool = False

    def __str__(self) -> str:
        return f"{self.name}: this run says {self.said}, the ledger says {self.stands}"


def contradictions(charter: Charter, claim: Claim) -> Iterator[Contradiction]:
    """Every value that a caller names, and that is not the ledger's."""
    if claim.region != charter.region:
        by = f" ({claim.region_from})" if claim.region_from else ""
        yield Contradiction("region", f"{claim.region}{by}", charter.region, is_of_place=True)
    if claim.account and charter.account and claim.account != charter.account:
        yield Contradiction("account", claim.account, charter.account, is_of_place=True)
    for name, span, kept in (
        ("window_length_hours", claim.window_length, charter.window_length),
        ("grace_seconds", claim.grace, charter.grace),
        ("record_retention_days", claim.retention, charter.retention),
    ):
        if span is not None and span != kept:
            is_of_place = name == "window_length_hours"
            yield Contradiction(name, shown(name, span), shown(name, kept), is_of_place)
    if claim.late is not None and claim.late != charter.late:
        yield Contradiction("late", claim.late, charter.late)
    for product, late in claim.late_by_product.items():
        if late != charter.late_usage_of(product):
            stands = str(charter.late_usage_of(product))
            yield Contradiction(f"products.{product}.late", late, stands)


UNITS = {
    "window_length_hours": timedelta(hours=1),
    "grace_seconds": timedelta(seconds=1),
    "record_retention_days": timedelta(days=1),
}


def shown(name: str, value: timedelta) -> str:
    """A span of time in the unit that its name says."""
    return f"{value / UNITS[name]:g}"


def begun(claim: Claim, policy: Policy) -> Charter:
    """The charter of a ledger that has none: what its first run says."""
    return Charter(
        region=claim.region,
        account=claim.account,
        window_length=policy.window_length,
        late=policy.late,
        late_by_product=policy.late_by_product,
        grace=policy.grace,
        retention=claim.retention or KEPT_FOR_EVER,
        is_of_stack=claim.is_of_stack,
    )


def brought_up(charter: Charter, claim: Claim) -> Charter:
    """The charter after what a caller may add by itself: never where usage is billed.

    Who is the first to know the seller account says so. And a stack's functions bring what its
    template says: somebody has deployed it, and nothing that was sealed or sent depends on it.
    """
    charter = replace(charter, account=charter.account or claim.account)
    if not claim.is_of_stack:
        return charter
    return replace(
        charter,
        is_of_stack=True,
        late=charter.late if claim.late is None else claim.late,
        grace=charter.grace if claim.grace is None else claim.grace,
        retention=charter.retention if claim.retention is None else claim.retention,
    )
