"""A world without chance, for schedules written by hand: who does what, when, and in between.

It is the simulated world itself with an empty agenda: the same use cases, store, AWS and auditor.
"""

from __future__ import annotations

from collections import Counter, defaultdict, deque
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from io import BytesIO
from typing import Any, NoReturn, cast

from marketplace_metering.adapters.aws.metering_api import MarketplaceApi, connect
from marketplace_metering.core.copies import Standing
from marketplace_metering.core.identity import BookKey
from marketplace_metering.core.inputs import Doubt
from marketplace_metering.core.ledger import State
from marketplace_metering.core.policy import Policy, Scope
from marketplace_metering.core.views import EntryFilter
from marketplace_metering.files import csv_rows
from marketplace_metering.files.content import FileContent
from marketplace_metering.files.json_lines import Piece, read_json
from marketplace_metering.jobs import inputs
from marketplace_metering.jobs.correct import (
    Finding,
    NotRepairable,
    Repaired,
    repair,
    resolve,
    retry,
)
from marketplace_metering.jobs.licenses import Given, give
from marketplace_metering.jobs.record import record
from marketplace_metering.jobs.restored import not_a_copy
from marketplace_metering.ports import Clock, Corrections, OpenStore, Ports, Store
from marketplace_metering.proof.fake_dynamodb import Faults
from marketplace_metering.proof.worlds import operator, world_run
from marketplace_metering.proof.worlds.applications import HOUR_MS, Input
from marketplace_metering.proof.worlds.aws import ANSWERED, Line
from marketplace_metering.proof.worlds.dynamodb_store import DynamoShop
from marketplace_metering.proof.worlds.expected_items import Written
from marketplace_metering.proof.worlds.expected_usage import hour_text
from marketplace_metering.proof.worlds.fault_injection import COMMITTED, Crash, Perils, Steps
from marketplace_metering.proof.worlds.fault_mix import Mix
from marketplace_metering.proof.worlds.listings import POISON, Buyer, Cast
from marketplace_metering.proof.worlds.processes import Process
from marketplace_metering.proof.worlds.snapshot import EntryRow, MeterName, Snapshot, UsageRow
from marketplace_metering.proof.worlds.stores import OpenShop, Shop
from marketplace_metering.proof.worlds.timeline import HOUR_US, at, us
from marketplace_metering.proof.worlds.world import World
from marketplace_metering.simulator import FaultySimulator, Readings
from marketplace_metering.simulator.faults import Fault, Scheduled
from marketplace_metering.simulator.in_process import attach

# One try in each run: a schedule says itself when the next one is.
POLICY = Policy(patience=timedelta(0), failures_in_a_row_max=1)
DAY = "2026-11-20"
PRODUCT, BUYER, ARN = "prod-a", "000022223333", "arn:aws:license-manager::9999:license:l-1"
OTHER_BUYER = "000055556666"
OTHER_ARN = "arn:aws:license-manager::9999:license:l-2"
METER = MeterName(PRODUCT, BUYER, "requests", None)
LICENSED = METER._replace(license_arn=ARN)
LICENSED_ELSEWHERE = LICENSED._replace(product="prod-b")
STORAGE = METER._replace(dimension="storage-gb")
WRONG = METER._replace(dimension=POISON)
Hook = Callable[[], object]


def crash() -> NoReturn:
    """The process dies here."""
    raise Crash("as written in the schedule")


def _well(steps: Steps, seed: int) -> Shop:
    return DynamoShop(steps, seed, Faults())


STORES: dict[str, OpenShop] = {"sqlite": world_run.STORES["sqlite"], "dynamodb": _well}


class Hooks:
    """What happens once before or after a call to the store."""

    def __init__(self) -> None:
        self.before: defaultdict[str, deque[Hook]] = defaultdict(deque)
        self.after: defaultdict[str, deque[Hook]] = defaultdict(deque)

    def run(self, hooks: deque[Hook]) -> None:
        """The next one, if there is one."""
        if hooks:
            hooks.popleft()()


class _Hooked:
    def __init__(self, store: Store | Corrections, hooks: Hooks) -> None:
        self._store = store
        self._hooks = hooks

    def __getattr__(self, name: str) -> Callable[..., Any]:
        def call(*arguments: object) -> Any:
            self._hooks.run(self._hooks.before[name])
            answer = getattr(self._store, name)(*arguments)
            if name == "pending":
                answer = iter(list(answer))  # all is read, nothing is stored
            self._hooks.run(self._hooks.after[name])
            return answer

        return call


class _Scripted(Perils):
    """No chance: what a schedule says happens after an answer of AWS."""

    def __init__(self, hooks: defaultdict[str, deque[Hook]]) -> None:
        self.count = 0
        self.is_calm = True
        self.faults = Counter()
        self._hooks = hooks

    def between(self, place: str) -> None:
        if self._hooks[place]:
            self._hooks[place].popleft()()

    def inside(self, place: str) -> None:
        """Nothing."""


class _ThroughBoto3(Line):
    """The real adapter in the place of the simulation's own."""

    def __init__(self, stage: Stage, api: MarketplaceApi) -> None:
        super().__init__(stage.aws, stage.perils, stage.pass_s)
        self.take_turn = api.take_turn  # type: ignore[method-assign]
        self.submit = api.submit  # type: ignore[method-assign]


class HookedShop:
    """A shop whose stores have hooks."""

    def __init__(self, shop: Shop, hooks: Hooks) -> None:
        self._shop = shop
        self._hooks = hooks

    def open(self, clock: Clock) -> OpenStore:
        opened = self._shop.open(clock)
        return replace(
            opened,
            store=cast("Store", _Hooked(opened.store, self._hooks)),
            corrections=cast("Corrections", _Hooked(opened.corrections, self._hooks)),
        )

    def __getattr__(self, name: str) -> Any:
        return getattr(self._shop, name)


class Stage(World):
    """See above. Times are "09:10" on an ordinary day, or "30 23:10" on the 30th."""

    def __init__(self, open_shop: OpenShop = STORES["sqlite"]) -> None:
        self.hooks = Hooks()
        self.at_place: defaultdict[str, deque[Hook]] = defaultdict(deque)
        mix = Mix(
            seed=0,
            starts_at=utc("08:00"),
            hours=48,
            policy=POLICY,
            readings=Readings(),
            one_in={},
            percent={},
        )
        self.inputs_made = 0

        def open_hooked(steps: Steps, seed: int) -> Shop:
            return cast("Shop", HookedShop(open_shop(steps, seed), self.hooks))

        people = Cast([Buyer(PRODUCT, BUYER, arn, utc("01 00:00")) for arn in (None, ARN)])
        people.buyers.append(Buyer(PRODUCT, BUYER, OTHER_ARN, utc("01 00:00")))
        people.buyers.append(Buyer(PRODUCT, OTHER_BUYER, None, utc("01 00:00")))
        super().__init__(mix, open_hooked, people, _Scripted(self.at_place))
        self.scripted: deque[list[str]] = deque()
        self.always: list[str] = []
        self.aws._draw = self._next_fault  # type: ignore[method-assign]
        self.aws._suspended = self._suspended  # type: ignore[method-assign]
        self._is_suspended = False

    def close(self) -> None:
        """Close what its store has open."""
        self.shop.close()

    # What the world is like

    def policy(self, **changes: Any) -> None:
        """Other settings, such as late=LateUsage.REJECT."""
        policy = replace(self.mix.policy, **changes)
        self._mix_is(replace(self.mix, policy=policy))

    def _mix_is(self, mix: Mix) -> None:
        self.mix = self.endings.mix = self.auditor.mix = mix
        self.auditor.lateness.off_s = mix.off_s

    def reads(self, **readings: Any) -> None:
        """AWS reads its rules so."""
        self.aws.simulator.readings = replace(self.aws.simulator.readings, **readings)

    def clocks_are_off_by(self, seconds: float) -> None:
        """Every process's clock; the others' time is the true one."""
        skew_s = max(self.mix.skew_s, int(abs(seconds)))  # the auditor forgets no excuse
        self._mix_is(replace(self.mix, skew_s=skew_s))
        for process in self.processes:
            process.clock.offset_us = int(seconds * 1_000_000)

    def aws_will(self, *kinds: str) -> None:
        """How the next requests fare, one after the other; "answer" is an ordinary one."""
        self.scripted.extend([] if kind == "answer" else [kind] for kind in kinds)

    def when_answered(self, what: Hook) -> None:
        """AWS has answered the next request, and the process does not know yet."""
        self.when_at(ANSWERED, what)

    def when_at(self, place: str, what: Hook) -> None:
        """The next time that a process comes to this step."""
        self.at_place[place].append(what)

    def when_stored(self, call: str, what: Hook, calls: int = 1) -> None:
        """Right after the commit of the call of this name to the store, of so many from now on."""
        for _number in range(calls - 1):
            self.before(call, lambda: None)
        self.before(call, lambda: self.when_at(COMMITTED, what))

    def when_written_twice(self, number: int, between: Hook) -> None:
        """DynamoDB does that batch of statements from now on, and its answer is lost. This happens
        before the SDK sends the batch again."""
        client = cast("Any", self.shop).client
        execute = client.batch_execute_statement
        left = number

        def once(**wanted: object) -> object:
            nonlocal left
            left -= 1
            if left == 0:
                del client.batch_execute_statement
                execute(**wanted)
                between()
            return execute(**wanted)

        client.batch_execute_statement = once

    def _next_fault(self, windows: object) -> list[str]:
        kinds = self.scripted.popleft() if self.scripted else self.always
        self._is_suspended = "suspended" in kinds
        return [kind for kind in kinds if kind != "suspended"]

    def _suspended(self) -> list[str]:
        return [BUYER] if self._is_suspended else []

    def sends_through_boto3(self, *faults: Fault) -> None:
        """Every process uses the real adapter, and these faults come one after the other; without
        any, they use the simulation's own way to AWS again."""
        if not faults:
            for process in self.processes:
                process.marketplace = Line(self.aws, self.perils, self.pass_s)
            return
        self.endings.may_have_died = True  # this way there is no log of lost answers
        client = connect("us-east-1")
        scheduled = [Scheduled(fault, skip) for skip, fault in enumerate(faults)]
        attach(client, FaultySimulator(self.aws.simulator, scheduled), self.now)
        for process in self.processes:
            process.marketplace = _ThroughBoto3(self, MarketplaceApi(client, process.clock, 5))

    def idle_process(self) -> Process | None:
        """The first one: it remembers what it did. Inside its runs, the next one."""
        return next((process for process in self.processes if not process.is_busy), None)

    # What happens

    def now_is(self, when: str) -> None:
        """Time passes until then."""
        self.pass_until(us(utc(when)))

    def use(
        self,
        amount: int | str,
        used_at: str | None = None,
        meter: MeterName = METER,
        **more: object,
    ) -> Input:
        """An application records usage, of this instant if no other is given."""
        drawn = self.made(amount, used_at, meter, **more)
        self.write(drawn)
        return drawn

    def made(
        self,
        amount: int | str,
        used_at: str | None = None,
        meter: MeterName = METER,
        **more: object,
    ) -> Input:
        """An input of one usage record that is not handed over yet."""
        when_us = self.now_us if used_at is None else us(utc(used_at))
        self.inputs_made += 1
        quantity = Decimal(amount)
        item: dict[str, object] = {
            "customerAWSAccountId": meter.account,
            "productCode": meter.product,
            "create_timestamp": when_us // 1_000,
            "dimension": meter.dimension,
            "quantity": quantity,
            "metering_pending": "true",
            **more,
        }
        if meter.license_arn is not None:
            item["licenseArn"] = meter.license_arn
        tags = more.get("tags")
        kept = tuple(sorted(tags.items())) if isinstance(tags, dict) else ()
        written = Written(meter, when_us // 1_000 // HOUR_MS, kept, int(quantity * 1_000_000))
        piece = Piece("line 1", str(item), item)
        drawn = Input(f"app, part {self.inputs_made}", [piece], [written])
        self.writers.inputs.append(drawn)
        return drawn

    def file(
        self, name: str, text: str, amounts: tuple[int, ...], bad: tuple[str, ...] = ()
    ) -> None:
        """`metering record` of a file with usage of nine o'clock."""
        hour = us(utc("09:00")) // 1_000 // HOUR_MS
        good = [Written(METER, hour, (), amount * 1_000_000) for amount in amounts]
        drawn = Input(name, good=good, bad=list(bad), is_confirmed=True)
        self.writers.inputs.append(drawn)
        content = FileContent(BytesIO(text.encode()))

        def work(ports: Ports, _opened: OpenStore) -> str:
            found = inputs.recognise(ports.store, name, content, None, lambda: False)
            if isinstance(found, Doubt):
                return str(found)
            lines = (line.decode() for line in content.lines())
            pieces = csv_rows.read_csv(lines) if name.endswith(".csv") else read_json(lines)
            return str(record(ports.store, ports.clock, name, pieces, recorded_as=found))

        assert self.run("writes", work, f" {name}")

    def put(
        self,
        amount: int | str,
        used_at: str | None = None,
        meter: MeterName = METER,
        **more: object,
    ) -> None:
        """The application puts it into the guide's table itself."""
        drawn = self.made(amount, used_at, meter, **more)
        drawn.is_put = True
        drawn.says = list(drawn.good)
        self.write(drawn)

    def set_pending(self, row: UsageRow) -> None:
        """The guide's retry, by hand."""
        assert self.shop.table is not None
        self.shop.table.set_pending(self.processes[0].clock, row)

    def correct_in_place(self, row: UsageRow) -> None:
        """The guide's repair, by hand."""
        done = self.person.correct_in_place(self.shop, self.processes[0].clock, row)
        assert done.startswith("corrects"), done

    def everything(self) -> None:
        """The guide's manual run: the current hour is sealed, too."""
        self.seal(Scope.EVERYTHING)

    def there_is_no_room(self, book: BookKey) -> None:
        """The store takes no entry of this book until it is filled with None."""
        self.endings.full_books.add(book)
        self.shop.fill(book)

    def ring(self) -> None:
        """No doorbell: a schedule says itself when entries are sent."""

    def before(self, call: str, what: Hook) -> None:
        """Right before the next call of this name to the store."""
        self.hooks.before[call].append(what)

    def after(self, call: str, what: Hook) -> None:
        """Right after the next call of this name to the store."""
        self.hooks.after[call].append(what)

    def repair(self, used_at: str, meter: MeterName = METER) -> Repaired | NotRepairable:
        """The operator corrects what was used then: its dimension, or else half its quantity."""
        opened = self.opened()
        from_ns = us(utc(used_at)) * 1_000
        # An event may stand anywhere in its second.
        views = opened.reports.records_at(meter.account, from_ns, from_ns + 1_000_000_000)
        [view] = [view for view in views if operator.written(view.record).meter == meter]
        ns = view.record.created_ns
        right = operator.corrected(view.record)
        old, new = operator.written(view.record), operator.written(right)
        self.auditor.recorded.freed_by_person.add((meter, old.hour))
        with self.auditor.recorded.repairing((meter.account, ns), old, new) as repaired:
            outcome = repair(opened, view, right, self.now())
            if outcome == Repaired():
                repaired()
        return outcome

    def move_to_buyer(self, used_at: str, account: str) -> Repaired | NotRepairable:
        """The operator moves what was put for that time to another buyer."""
        opened, ns = self.opened(), us(utc(used_at)) * 1_000
        [view] = opened.reports.records_at(METER.account, ns, ns + 1)
        right = replace(view.record, account=account)
        outcome = repair(opened, view, right, self.now())
        if outcome == Repaired():
            self.auditor.recorded.moved((METER.account, ns), operator.written(right))
        return outcome

    def give_the_licence(self, product: str) -> Given:
        """A person gives the licence to another product code, and retries what was refused."""
        opened = self.opened()
        self.endings.given.add(ARN)
        given = give(opened, ARN, product, self.now())
        retry(opened, EntryFilter(license_arn=ARN), self.now())
        return given

    def resolve(self, billed: bool) -> None:
        """The operator settles what is unresolved."""
        for entry in self.books.entries:
            if entry.state == "unresolved":
                self.auditor.recorded.freed_by_person.add((entry.meter, entry.hour))
        which = EntryFilter(state=State.UNRESOLVED)
        resolve(self.opened(), which, Finding(billed, "me", "CloudTrail"), self.now())

    def lose_the_mark(self) -> None:
        """Somebody removes it."""
        shop = cast("Any", self.shop)
        if hasattr(shop, "client"):
            shop.client.tables[shop._names.mark].restore([])
        else:
            shop._mark.sending = None

    def say_not_a_copy(self) -> Standing:
        """A person vouches for the store."""
        return not_a_copy(self.opened(), self.processes[0].clock)

    def end(self) -> None:
        """The faults end, every deadline passes, and the auditor looks for the last time."""
        self.scripted.clear()
        self.always = []
        world_run.heal(self)
        world_run.rest(self)

    # What came of it

    @property
    def books(self) -> Snapshot:
        """All that is stored."""
        return self.shop.books()

    def entry(self, hour: str, meter: MeterName = METER) -> EntryRow:
        """The latest entry of a window."""
        wanted = us(utc(hour)) // HOUR_US
        found = [e for e in self.books.entries if (e.meter, e.hour) == (meter, wanted)]
        assert found, f"no entry of {meter} in {hour}"
        return found[-1]

    def billed(self, meter: MeterName = METER) -> dict[str, str]:
        """What AWS bills, by hour: "20 09:00"."""
        return {
            hour_text(hour)[3:]: f"{Decimal(each.content.quantity) / 1_000_000:f}"
            for (name, hour), each in self.auditor.accepted.items()
            if name == meter
        }

    def listed(self) -> list[UsageRow]:
        """Usage records that are listed as not billed."""
        return [row for row in self.books.usage if row.failure is not None]

    def alarms(self) -> list[str]:
        """The kinds of all alarms."""
        return [alarm.kind for alarm in self.books.alarms]

    def opened(self) -> OpenStore:
        """The store, for a person or for a test."""
        return self.shop.open(self.processes[0].clock)

    def now(self) -> datetime:
        """The true time."""
        return at(self.now_us)


def utc(when: str) -> datetime:
    """The instant of "09:10", "30 23:10" or "12-01 06:00"."""
    day, _space, time = when.rpartition(" ")
    date = DAY if not day else (f"2026-{day}" if "-" in day else f"2026-11-{day}")
    return datetime.fromisoformat(f"{date}T{time}").replace(tzinfo=UTC)
