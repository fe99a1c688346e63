"""Random stories, and the shortest one where two stores differ (hypothesis)."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import ClassVar, TypeVar

import hypothesis.strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from marketplace_metering.core.event import place_of
from marketplace_metering.core.hours import epoch_ns
from marketplace_metering.core.identity import Meter
from marketplace_metering.core.policy import LateUsage, Policy, Scope
from marketplace_metering.core.quantity import parse_quantity
from marketplace_metering.core.record import UsageRecord
from marketplace_metering.core.record_item import timestamp_text
from marketplace_metering.core.views import EntryFilter
from tests.differential import operations as op
from tests.differential.operations import BUYERS
from tests.differential.scripted_aws import MISSPELT, OUTCOMES, REQUESTS, Weather
from tests.differential.twins import Twins
from tests.support.build import LICENSE
from tests.support.clock import utc
from tests.support.stores import DYNAMODB

BUYER, OTHER_BUYER = BUYERS
# A few meters that share books, lanes and buyers.
METERS = (
    Meter("prod-a", BUYER, "requests"),
    Meter("prod-a", BUYER, "storage"),
    Meter("prod-a", BUYER, "requests", LICENSE),
    Meter("prod-a", OTHER_BUYER, "requests"),
    Meter("prod-b", BUYER, "requests"),
    Meter("prod-a", OTHER_BUYER, MISSPELT),
    Meter("prod-b", BUYER, "requests", LICENSE),
)
TAGS: tuple[dict[str, str], ...] = ({}, {}, {"team": "red"}, {"team": "blue"})
QUANTITIES = ("1", "2.5", "0", "7", "0.000001", "9999999999.999999")
AGES_MIN = (0, 1, 30, 65, 130, 400, 1_500)
STARTS = ("2026-11-20 12:30", "2026-11-30 21:20")
POLICIES = (
    Policy(),
    Policy(patience=timedelta(0), failures_in_a_row_max=2),
    Policy(late=LateUsage.REJECT),
    Policy(late=LateUsage.HOLD, window_length=timedelta(hours=6)),
    Policy(tag_sets_max=2),
)
SPOILED: tuple[Callable[[str], str], ...] = (
    lambda line: line.replace('"quantity": ', '"quantity": -'),
    lambda line: line.replace("customerAWSAccountId", "customer"),
    lambda line: line[:-1],
    lambda line: line.replace('"true"', '"done"'),
)
REPAIRS: dict[str, Callable[[UsageRecord], UsageRecord]] = {
    "another dimension": lambda usage: replace(usage, dimension="requests"),
    "another quantity": lambda usage: replace(usage, micros=3_000_000),
    "another buyer": lambda usage: replace(usage, account=OTHER_BUYER),
    "another product": lambda usage: replace(usage, product="prod-b"),
    "by licence": lambda usage: replace(usage, license_arn=LICENSE),
    "as it was": lambda usage: usage,
}

# One use as it is drawn: meter, quantity, age, tags, event id.
uses = st.tuples(
    st.sampled_from(METERS),
    st.sampled_from(QUANTITIES),
    st.sampled_from(AGES_MIN),
    st.sampled_from(TAGS),
    st.sampled_from((None, None, None, "e1", "e2")),
)
Use = tuple[Meter, str, int, dict[str, str], str | None]
T = TypeVar("T")


def several(each: st.SearchStrategy[T]) -> st.SearchStrategy[list[T]]:
    """One to four of them."""
    return st.lists(each, min_size=1, max_size=4)


# Days of AWS that are known to be interesting, and any others.
WEATHERS = (
    Weather(),
    Weather(("no answer",) * 9, ("not mentioned",)),
    Weather(("throttled",) * 9, ("unprocessed",)),
    Weather(outcomes=("not subscribed",)),
    Weather(outcomes=("not mentioned", "duplicate")),
)
weathers = st.one_of(
    st.sampled_from(WEATHERS),
    st.builds(
        Weather,
        st.lists(st.sampled_from(sorted(REQUESTS)), max_size=4).map(tuple),
        st.lists(st.sampled_from(OUTCOMES), min_size=1, max_size=3).map(tuple),
    ),
)
filters = st.one_of(
    st.just(EntryFilter()),
    st.sampled_from(METERS).map(
        lambda m: EntryFilter(product=m.product, account=m.account, dimension=m.dimension)
    ),
)
SEALINGS = (op.Seal(Scope.CLOSED_HOURS), op.SealAtOnce(), op.Seal(Scope.EVERYTHING))
CHORES = (op.WriteBack(), op.Deliver(), op.Restart())
GIFTS = tuple(op.GiveLicense(LICENSE, product) for product in ("prod-a", "prod-b"))
decisions: st.SearchStrategy[op.Operation] = st.one_of(
    filters.map(op.Retry),
    st.booleans().map(op.Resolve),
    filters.map(op.WriteOff),
    st.sampled_from(GIFTS),
)


class Stories(RuleBasedStateMachine):
    """Both stores do what is drawn, and are compared after every step."""

    other: ClassVar[str] = DYNAMODB
    told: ClassVar[int] = 0

    def __init__(self) -> None:
        super().__init__()
        self.inputs: list[op.Operation] = []
        self.event_at: dict[str, datetime] = {}

    @initialize(start=st.sampled_from(STARTS), policy=st.sampled_from(POLICIES), some=several(uses))
    def begin(self, start: str, policy: Policy, some: list[Use]) -> None:
        type(self).told += 1
        self.twins = Twins(self.other, utc(start), policy)
        self.record_a_file([(use, None) for use in some])

    def teardown(self) -> None:
        if hasattr(self, "twins"):
            self.twins.close()

    def used_ns(self, use: Use) -> int:
        """When it was, in nanoseconds; an event is at its place, as a recorder writes it.

        So both stores keep it there: only the one on DynamoDB would move it within its second.
        """
        ns, event_id = epoch_ns(self.used_at(use)), use[4]
        return ns if event_id is None else place_of(event_id, ns)

    def used_at(self, use: Use) -> datetime:
        """When it was: never on a whole second, and each lane at seconds of its own.

        What fills a window alone comes after the rest of its second: of two equal instants, one of
        which finds no room, each store may take either first.

        An id has one time, whichever buyer's event it is: on DynamoDB an event is known by its id
        and second (money rule 15), and a repair may give it to another buyer.
        """
        meter, quantity, age, _tags, event_id = use
        lane = 2 * (meter.product == "prod-b") + meter.is_licensed
        microsecond = 750_000 if quantity == QUANTITIES[-1] else 500_000
        now = self.twins.sides[0].clock.now().replace(second=10 * lane, microsecond=microsecond)
        at = now - timedelta(minutes=age)
        return at if event_id is None else self.event_at.setdefault(event_id, at)

    def line(self, use: Use, spoil: int | None) -> str:
        """As an application writes it."""
        meter, quantity, _age, tags, event_id = use
        said: dict[str, object] = {
            "customerAWSAccountId": meter.account,
            "productCode": meter.product,
            "create_timestamp": "!",
            "dimension": meter.dimension,
            "quantity": "?",
            "metering_pending": "true",
            "licenseArn": meter.license_arn,
            "tags": tags or None,
            "event_id": event_id,
        }
        there = {name: value for name, value in said.items() if value is not None}
        line = json.dumps(there).replace('"?"', quantity)
        line = line.replace('"!"', timestamp_text(self.used_ns(use)))
        return line if spoil is None else SPOILED[spoil](line)

    # Recording

    @rule(some=several(st.tuples(uses, st.sampled_from((None, None, None, 0, 1, 2, 3)))))
    def record_a_file(self, some: list[tuple[Use, int | None]]) -> None:
        lines = tuple(self.line(use, spoil) for use, spoil in some)
        self.record(op.RecordFile(f"file {len(self.inputs)}", lines))

    @rule(some=several(uses))
    def record_directly(self, some: list[Use]) -> None:
        usage = tuple(
            UsageRecord(
                use[0].account,
                use[0].product,
                use[0].dimension,
                self.used_ns(use),
                parse_quantity(use[1]).micros,
                use[0].license_arn,
                tuple(sorted(use[3].items())),
                use[4],
                {"cost": Decimal("1.5")} if use[2] == 30 else {},
            )
            for use in some
        )
        self.record(op.RecordDirectly(f"app {len(self.inputs)}", usage))

    def record(self, recording: op.Operation) -> None:
        self.inputs.append(recording)
        self.twins.do(recording)

    @rule(number=st.integers(0, 20))
    def repeat_an_input(self, number: int) -> None:
        if self.inputs:
            self.twins.do(self.inputs[number % len(self.inputs)])

    # Metering

    @rule(weather=weathers)
    def meter(self, weather: Weather) -> None:
        """The round of an hour."""
        self.twins.do(op.Wait(60))
        self.twins.do(op.Seal(Scope.CLOSED_HOURS))
        self.twins.do(op.Submit(weather))

    @rule(weather=weathers)
    def outlive(self, weather: Weather) -> None:
        """Whatever is under way ends."""
        self.twins.do(op.Submit(weather))
        self.twins.do(op.Wait(1_500))
        self.twins.do(op.Submit(weather))

    @rule(minutes=st.sampled_from((1, 10, 60, 200)))
    def wait(self, minutes: int) -> None:
        self.twins.do(op.Wait(minutes))

    @rule(sealing=st.sampled_from(SEALINGS))
    def seal(self, sealing: op.Operation) -> None:
        self.twins.do(sealing)

    @rule(weather=weathers)
    def submit(self, weather: Weather) -> None:
        self.twins.do(op.Submit(weather))

    @rule(chore=st.sampled_from(CHORES))
    def look_after_it(self, chore: op.Operation) -> None:
        self.twins.do(chore)

    # People

    @rule(decision=decisions)
    def decide(self, decision: op.Operation) -> None:
        self.twins.do(decision)

    @rule(
        number=st.integers(0, 30), name=st.sampled_from(sorted(REPAIRS)), comes_again=st.booleans()
    )
    def repair(self, number: int, name: str, comes_again: bool) -> None:
        self.twins.do(op.Repair(number, name, REPAIRS[name]))
        for recording in self.inputs[-3:] if comes_again else ():
            self.twins.do(recording)
