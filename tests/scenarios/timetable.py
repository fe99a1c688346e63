"""Runs a timetable: the docstring of a test is its code, for people who read no code.

Each line has a time, what happens, and what comes of it, two or more blanks apart. A time may name
a day ("30 Nov 23:10"); the day lasts until the next one is named. The last part may be missing.

    09:10  record api-calls 5
    10:15  seal                    09:00 seals 5
    10:20  submit                  billed 5

At the end of every timetable the books balance, and AWS was never sent one window differently twice
and never bills one twice.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime

from marketplace_metering.core.hours import UsageHour
from marketplace_metering.core.identity import Meter
from marketplace_metering.core.ledger import Entry, State
from marketplace_metering.core.policy import Policy, Scope
from marketplace_metering.core.quantity import Quantity, total
from marketplace_metering.core.views import EntryFilter
from marketplace_metering.core.wire import request
from marketplace_metering.jobs.correct import Finding, resolve, write_off
from marketplace_metering.simulator import Readings
from marketplace_metering.simulator.faults import (
    Chance,
    Lost,
    Scheduled,
    ServerError,
    Throttle,
    Unprocessed,
)
from tests.support import build
from tests.support.build import BUYER, LICENSE, PRODUCT, usage
from tests.support.world import LONG_AGO, MeteringWorld, OpenWorld

YEAR = 2026
FIRST_DAY = "20 Nov"
BUYERS = {"acme": "100000000001", "globex": "100000000002", "the buyer": BUYER}

LINE = re.compile(r"((?:\d+ [A-Z][a-z]{2} )?\d\d:\d\d)  +(.+)")
USAGE = re.compile(
    r"record (?P<dimension>\S+) (?P<amount>\S+)"
    r"(?: by (?P<buyer>each of \d+ buyers|\w+))?"
    r"(?P<licensed> with licence)?"
    r"(?: used at (?P<used_at>.+))?"
)
ALL = tuple(range(1, 26))
# What AWS does from now on, or to the next request.
WEATHER: dict[str, tuple[list[Scheduled], list[Chance]]] = {
    "is well": ([], []),
    "is down": ([], [Chance(Lost(after_acceptance=False), 1.0)]),
    "throttles": ([], [Chance(Throttle(), 1.0)]),
    "leaves all unprocessed": ([], [Chance(Unprocessed(ALL), 1.0)]),
    "bills, and its answer is lost": ([Scheduled(Lost(after_acceptance=True))], []),
    "bills, and fails with a 500": ([Scheduled(ServerError(after_acceptance=True))], []),
}


def scenario(
    policy: Policy | None = None, readings: Readings | None = None
) -> Callable[[Callable[[], None]], Callable[[OpenWorld], None]]:
    """The test whose docstring is a timetable."""

    def decorate(story: Callable[[], None]) -> Callable[[OpenWorld], None]:
        text = story.__doc__ or ""

        def run(open_world: OpenWorld) -> None:
            with open_world("00:00", policy, readings) as world:
                table = Timetable(world)
                for line in text.splitlines():
                    table.line(line.strip())
                assert table.steps > 1, "a timetable of one line is none"
                world.assert_law()

        run.__name__, run.__doc__, run.__module__ = story.__name__, text, story.__module__
        return run

    return decorate


class Timetable:
    """What the lines of a timetable do and tell."""

    def __init__(self, world: MeteringWorld) -> None:
        self.world = world
        self.day = FIRST_DAY
        self.steps = 0

    def line(self, text: str) -> None:
        """Carry one line out; prose between the lines is only read by people."""
        found = LINE.fullmatch(text)
        if found is None:
            return
        at, rest = found.groups()
        what, *comes_of_it = re.split(r"  +", rest)
        self.world.clock.at = max(self.time(at), self.world.clock.at)
        told = self.do(what)
        self.steps += 1
        for expected in comes_of_it:
            assert told == expected, f"{text!r}\n  it was: {told}"

    def time(self, text: str) -> datetime:
        """ "10:15" or "30 Nov 10:15": the first is of the day that was named last."""
        *day, at = text.rsplit(" ", 1)
        self.day = day[0] if day else self.day
        return moment(f"{self.day} {at}")

    def do(self, what: str) -> str:
        """One action; tells what came of it."""
        if found := USAGE.fullmatch(what):
            self.record(**found.groupdict())
            return ""
        verb, _, name = what.partition(" ")
        match verb:
            case "seal":
                return self.seal(Scope.EVERYTHING if name == "everything" else Scope.CLOSED_HOURS)
            case "submit":
                return self.submit()
            case "books":
                return self.books()
            case "bill":
                return self.bill(name)
            case "alarms":
                return self.alarms()
            case "Ann":
                return self.person(name)
            case "AWS":
                scheduled, chances = WEATHER[name]
                # Scheduled faults count down as they happen: each timetable has its own.
                self.world.aws.plan([Scheduled(each.fault) for each in scheduled], chances)
            case "another":
                dimension, amount, used_in = name.removeprefix("program meters ").split(" ")
                self.rival(dimension, amount, used_in)
            case "list":
                self.world.simulator.declare(PRODUCT, {name: None})
            case "subscribe":
                for account in accounts(name):
                    self.world.simulator.subscribe(PRODUCT, account, starts_at=LONG_AGO)
            case _:
                raise AssertionError(f"no action: {what}")
        return ""

    def record(self, **said: str | None) -> None:
        at = self.world.clock.at
        if said["used_at"] is not None:
            text = said["used_at"]
            at = moment(text if " " in text else f"{self.day} {text}")
        arn = LICENSE if said["licensed"] else None
        meters = [
            Meter(PRODUCT, account, said["dimension"] or "", arn)
            for account in accounts(said["buyer"] or "the buyer")
        ]
        uses = [usage(at, said["amount"] or "", meter=meter) for meter in meters]
        with self.world.step():
            intake = self.world.store.intake(f"line {self.steps}", self.world.clock.now())
            taken = intake.add(uses)
        assert taken.added == len(uses), "an equal use of this minute is in the timetable already"

    def rival(self, dimension: str, amount: str, used_in: str) -> None:
        """Software that this ledger knows nothing of meters the same product."""
        used = UsageHour.of(moment(f"{self.day} {used_in}"))
        self.world.is_alone = False
        foreign = build.entry(used, amount, meter=Meter(PRODUCT, BUYER, dimension))
        self.world.simulator.answer("BatchMeterUsage", request([foreign]), self.world.clock.now())

    def seal(self, scope: Scope) -> str:
        before = {entry.key for entry in self.world.entries()}
        self.world.seal(scope)
        made = [entry for entry in self.world.entries() if entry.key not in before]
        made.sort(key=lambda entry: (entry.window.hour, entry.window.meter.account))
        return "; ".join(map(self.sealing, made)) or "nothing"

    def sealing(self, entry: Entry) -> str:
        text = f"{self.hour(entry.window.hour)} seals {entry.quantity}"
        for line in entry.lines:
            if line.hour != entry.window.hour:
                text += f", {line.quantity} of it used in {self.hour(line.hour)}"
        return text

    def submit(self) -> str:
        before = {entry.key: entry.state for entry in self.world.entries()}
        self.world.submit()
        changed: Counter[State] = Counter()
        for entry in self.world.entries():
            if entry.state is not before[entry.key]:
                changed[entry.state] += entry.quantity.micros
        parts = [f"{state} {Quantity(micros)}" for state, micros in sorted(changed.items())]
        return ", ".join(parts) or "nothing"

    def books(self) -> str:
        parts = []
        for name in (
            "billed",
            "presumed",
            "sealed",
            "parked",
            "unresolved",
            "written_off",
            "refused",
            "pending",
        ):
            amount = total(getattr(balance, name).quantity for balance in self.world.balances())
            if amount.micros:
                parts.append(f"{name.replace('_', ' ')} {amount}")
        return ", ".join(parts) or "nothing"

    def bill(self, month: str) -> str:
        made = self.world.simulator.bill(YEAR, moment(f"1 {month} 00:00").month)
        return ", ".join(f"{line.dimension} {line.quantity:f}" for line in made.lines) or "nothing"

    def alarms(self) -> str:
        told = [f"{alarm.kind} {alarm.quantity}" for alarm in self.world.told.alarms]
        self.world.told.alarms.clear()
        return ", ".join(told) or "none"

    def person(self, what: str) -> str:
        """What Ann of finance decides about every window that it can be decided about."""
        opened, now = self.world.opened, self.world.clock.now()
        everything = EntryFilter()
        with self.world.step():
            match what:
                case "writes it off":
                    done = write_off(opened, everything, "Ann", "goodwill", now)
                case "finds it in CloudTrail" | "finds nothing in CloudTrail":
                    is_billed = what == "finds it in CloudTrail"
                    done = resolve(opened, everything, Finding(is_billed, "Ann", "CloudTrail"), now)
                case _:
                    raise AssertionError(f"Ann never {what}")
        return ", ".join(f"{entry.state} {entry.quantity}" for entry in done) or "nothing"

    def hour(self, hour: UsageHour) -> str:
        """The hour as the timetable writes it: with its day where that is another one."""
        day, at = f"{hour.start.day} {hour.start:%b}", f"{hour.start:%H:%M}"
        return at if day == self.day else f"{day} {at}"


def moment(text: str) -> datetime:
    """The instant of "30 Nov 23:10"."""
    return datetime.strptime(f"{YEAR} {text}", "%Y %d %b %H:%M").replace(tzinfo=UTC)


def accounts(buyer: str) -> list[str]:
    """The account of a name, or of each of so many."""
    if found := re.fullmatch(r"each of (\d+) buyers", buyer):
        return [f"{number:012d}" for number in range(1, int(found[1]) + 1)]
    return [BUYERS[buyer]]
