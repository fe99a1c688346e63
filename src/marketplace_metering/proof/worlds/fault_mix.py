"""What a seed draws first: how long the world lasts, what it is like, which faults it has.

Every kind of fault is on in about half of the worlds, and then at a rate of its own. So some
worlds are calm but for one thing, and rare combinations come up as often as common ones.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any, get_args, get_type_hints

from marketplace_metering.core.limits import ALLOCATIONS_MAX
from marketplace_metering.core.policy import LateUsage, Policy
from marketplace_metering.proof.worlds.timeline import Span
from marketplace_metering.simulator import Readings

# What may happen at a step of a process, and how often on average where it is on: one in so many.
STEP_FAULTS: Mapping[str, tuple[int, int]] = {
    "crash": (60, 1_500),
    "overlap": (20, 400),
    "stall": (150, 3_000),
    "store error": (150, 3_000),
    "clock step": (150, 3_000),
}
# What may happen to a request, in a hundred where it is on.
REQUEST_FAULTS: Mapping[str, tuple[int, int]] = {
    "throttled": (2, 40),
    "error before the work": (2, 40),
    "error after the work": (2, 40),
    "request lost": (2, 40),
    "answer lost": (2, 60),
    "unreachable": (2, 40),
    "account refused": (1, 15),
    "product refused": (1, 15),
    "records unprocessed": (5, 70),
    "results missing": (5, 50),
    "doubled": (2, 30),
    "unknown status": (2, 30),
    "results shuffled": (10, 80),
    "slow": (5, 40),
}
OUTAGES = (
    "unreachable",
    "throttled",
    "error before the work",
    "error after the work",
    "request lost",
    "answer lost",
    "account refused",
    "product refused",
)


@dataclass(frozen=True, slots=True)
class Wakes:
    """How the schedule and the doorbell treat the runs, in a hundred."""

    lost: int = 0
    doubled: int = 0
    delayed: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Mix:
    """One world before anything happens in it."""

    seed: int
    starts_at: datetime
    hours: int
    policy: Policy
    readings: Readings
    one_in: Mapping[str, int]  # steps of a process
    percent: Mapping[str, int]  # requests
    outages: tuple[Span, ...] = ()  # hours in which every request fares alike
    wakes: Wakes = Wakes()
    skew_s: int = 0  # how far a clock may be off
    ahead_s: int = 0  # and how far ahead, until the faults end
    person_every_h: int = 0  # a person corrects something about so often; 0 is never
    shared_events: int = 0  # that come in several ways
    no_seals: Span | None = None  # in which the schedule starts no job
    restores: int = 0  # how often the latest copy takes the place of the store
    shells: int = 0  # how often a person seals and sends from a shell with other settings
    moves: int = 0  # how often the ledger is moved to another region
    foreign_windows: int = 0  # windows that another program meters, too
    suspensions: int = 0
    leaves: bool = False
    full_books: int = 0  # how often there is no room for a book for some hours
    limit_s: int = 0  # how long a function may run before it is killed; 0 is for ever
    late_percent: int = 20
    repeat_percent: int = 10
    edits: int = 0  # how often somebody changes a usage record in the table itself
    other_code_percent: int = 0  # usage of a licence that names another product code

    @property
    def ends_at(self) -> datetime:
        """When the faults end."""
        return self.starts_at + timedelta(hours=self.hours)

    @property
    def off_s(self) -> int:
        """How far ahead a clock may be."""
        return max(self.skew_s, self.ahead_s)

    def chance(self, name: str) -> Random:
        """Of its own for each part: one that draws more leaves the others as they were."""
        return _chance_of_its_own(name, self.seed)

    @property
    def faults(self) -> list[str]:
        """The kinds of faults that are on."""
        outages = [f"outage, {outage.what}" for outage in self.outages]
        return [*self.one_in, *self.percent, *outages]


def draw(seed: int) -> Mix:
    """The world of a seed."""
    random = Random(f"mix {seed}")  # noqa: S311 - repeatable, no secrets
    starts_at = _starts_at(random)
    hours = random.choice((8, 12, 18, 24, 36))
    window_hours = random.choice((24, 24, 24, 24, 12, 6, 3))
    mix = Mix(
        seed=seed,
        starts_at=starts_at,
        hours=hours,
        policy=_policy(random, window_hours, seed),
        readings=_readings(random, window_hours),
        one_in={
            kind: _between(random, bounds)
            for kind, bounds in STEP_FAULTS.items()
            if random.random() < 0.6
        },
        percent={
            kind: _between(random, bounds)
            for kind, bounds in REQUEST_FAULTS.items()
            if random.random() < 0.35
        },
        outages=_outages(random, starts_at, hours),
        wakes=_wakes(random),
        skew_s=random.choice((0, 0, 2, 30, 120, 240, 900)),
        person_every_h=random.choice((0, 0, 2, 4, 8)),
        foreign_windows=random.choice((0,) * 9 + (2,)),
        suspensions=random.choice((0, 0, 1, 2)),
        leaves=random.random() < 0.3,
        late_percent=random.choice((0, 10, 30, 60)),
        repeat_percent=random.choice((0, 10, 40)),
        # Drawn last: the worlds of earlier seeds stay what they were.
        restores=random.choice((0,) * 7 + (1, 1, 2)),
        shells=random.choice((0, 0, 0, 6, 20)),
        edits=_chance_of_its_own("edits", seed).choice((0, 0, 0, 2, 6, 20)),
        other_code_percent=_chance_of_its_own("codes", seed).choice((0, 0, 0, 5, 40)),
        ahead_s=_chance_of_its_own("clocks", seed).choice((0,) * 10 + (3_600, 18_000)),
    )
    # A restored ledger is where it was, and another program's windows where that program is.
    moves = random.choice((0, 0, 0, 2, 4))
    shared_events = random.choice((0,) * 6 + (1, 2, 4, 8))
    full_books = _chance_of_its_own("full books", seed).choice((0, 0, 0, 0, 1, 3))
    # Where a copy is to be held whole, there has to be room for all of it.
    full_books = 0 if mix.restores else full_books
    limit_s = _chance_of_its_own("time limit", seed).choice((0, 0, 0, 0, 180, 60, 10))
    mix = replace(mix, shared_events=shared_events, full_books=full_books, limit_s=limit_s)
    mix = mix if mix.restores or mix.foreign_windows else replace(mix, moves=moves)
    return _with_late_usage(mix, random)


def _with_late_usage(mix: Mix, random: Random) -> Mix:
    """In half of the worlds late usage is refused or held; in some, nothing is sealed for hours."""
    late = random.choice((mix.policy.late, mix.policy.late, LateUsage.REJECT, LateUsage.HOLD))
    begins = mix.starts_at + timedelta(minutes=random.randint(0, mix.hours * 60))
    lasts = timedelta(hours=random.choice((0, 0, 0, 4, 12, 30)))
    span = Span("nothing is sealed", begins, begins + lasts) if lasts else None
    return replace(mix, policy=replace(mix.policy, late=late), no_seals=span)


def _chance_of_its_own(name: str, seed: int) -> Random:
    """For what was added later: the worlds of earlier seeds stay what they were."""
    return Random(f"{name} {seed}")  # noqa: S311 - repeatable, no secrets


def _between(random: Random, bounds: tuple[int, int]) -> int:
    """Small and large rates alike: spread over the orders of magnitude."""
    low, high = bounds
    return min(high, int(low * (high / low) ** random.random()))


def _starts_at(random: Random) -> datetime:
    """In the middle of a month, or so that its end falls into the world."""
    if random.random() < 0.5:
        day = datetime(2026, 11, random.randint(3, 25), random.randint(0, 23), tzinfo=UTC)
        return day + timedelta(minutes=random.randint(0, 59))
    end = random.choice((datetime(2026, 12, 1, tzinfo=UTC), datetime(2027, 1, 1, tzinfo=UTC)))
    return end - timedelta(minutes=random.randint(0, 24 * 60))


def _policy(random: Random, window_hours: int, seed: int) -> Policy:
    late = random.choice((LateUsage.CARRY,) * 6 + (LateUsage.REJECT, LateUsage.HOLD))
    # AWS's limit is 2,500 sets of tags: the same happens with a limit that a small world can reach.
    of_tags = _chance_of_its_own("tags", seed)
    return Policy(
        tag_sets_max=of_tags.choice((ALLOCATIONS_MAX, ALLOCATIONS_MAX, 3, 2)),
        grace=timedelta(minutes=random.choice((0, 5, 5, 5, 30))),
        window_length=timedelta(hours=window_hours),
        late=late,
        retry_longest=timedelta(minutes=random.choice((1, 5, 5, 30))),
        failures_in_a_row_max=random.choice((1, 3, 5, 5)),
    )


def _readings(random: Random, window_hours: int) -> Readings:
    """Each disagreement between AWS's sources is decided by the seed."""
    chosen: dict[str, Any] = {"window_hours": random.choice((24, window_hours))}
    for name, hint in sorted(get_type_hints(Readings).items()):
        if name == "window_hours" or random.random() < 0.4:
            continue
        chosen[name] = random.choice(get_args(hint))
    # These two refuse whole kinds of usage: in few worlds only, the others would be poor.
    if random.random() < 0.9:
        chosen["product_code_with_account"] = "allowed"
    if random.random() < 0.8:
        chosen["decimals"] = "accepted"
    return Readings(**chosen)


def _outages(random: Random, starts_at: datetime, hours: int) -> tuple[Span, ...]:
    outages = []
    for _number in range(random.choice((0, 0, 1, 1, 2))):
        begins = starts_at + timedelta(minutes=random.randint(0, hours * 60))
        lasts = timedelta(minutes=random.choice((60, 240, 600, 1_500, 1_800)))
        outages.append(Span(random.choice(OUTAGES), begins, begins + lasts))
    return tuple(outages)


def _wakes(random: Random) -> Wakes:
    if random.random() < 0.4:
        return Wakes()
    rates = (0, 10, 30, 60)
    return Wakes(random.choice(rates), random.choice(rates), random.choice(rates))
