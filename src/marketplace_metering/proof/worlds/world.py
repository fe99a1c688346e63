"""A world of one seed: time, processes and faults, and the order in which things happen.

Everything that is due lies in one agenda. Whenever a process waits or is held up at a step, what
is due meanwhile runs *inside* that step, so that real use cases interleave at every point where
they touch the world, and every run can be told and repeated.
"""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from functools import partial

from marketplace_metering.core.charter import charter_in
from marketplace_metering.core.policy import Policy, Scope
from marketplace_metering.jobs.admit import CharterError, change
from marketplace_metering.jobs.copies import RestoredStoreError
from marketplace_metering.jobs.restored import restored
from marketplace_metering.jobs.seal import SealReport
from marketplace_metering.ports import OpenStore, Ports
from marketplace_metering.proof.worlds.applications import Input, Writers
from marketplace_metering.proof.worlds.aws import ANSWERED, Line, SimulatedAws
from marketplace_metering.proof.worlds.clocks import Clocks, SkewedClock
from marketplace_metering.proof.worlds.fault_injection import Crash, Perils
from marketplace_metering.proof.worlds.fault_mix import Mix
from marketplace_metering.proof.worlds.handing_over import hand_over
from marketplace_metering.proof.worlds.listings import Cast, draw_cast
from marketplace_metering.proof.worlds.liveness import Endings
from marketplace_metering.proof.worlds.operator import Person
from marketplace_metering.proof.worlds.processes import Pager, Process, job, processor
from marketplace_metering.proof.worlds.safety import Auditor, Violation
from marketplace_metering.proof.worlds.shared_events import SharedEvents
from marketplace_metering.proof.worlds.shells import ELSEWHERE, HOME, Caller, Stack, draw_shell
from marketplace_metering.proof.worlds.snapshot import Snapshot
from marketplace_metering.proof.worlds.stores import OpenShop
from marketplace_metering.proof.worlds.time_limit import TimeLimit
from marketplace_metering.proof.worlds.timeline import Story, at, us

DEPTH_MAX = 3  # runs inside runs
PROCESSES = 5
OVERLAPS_MAX = 60  # each has steps of its own, with overlaps in them: no world is to explode
STEPS_MAX = 400_000  # far beyond any honest world: something does not end
RETRY_AFTER_S = 400
MICROSECOND = timedelta(microseconds=1)
SAYS_RESTORED = "says restored"
Work = Callable[[Ports, OpenStore], str]


class World:
    """What the seed made, and how it goes on."""

    def __init__(
        self, mix: Mix, open_shop: OpenShop, cast: Cast | None = None, perils: Perils | None = None
    ) -> None:
        self.mix = mix
        self.random = mix.chance("world")
        self.now_us = us(mix.starts_at)
        self.depth = 0
        self.story = Story()
        self.runs: Counter[str] = Counter()
        self.faults: Counter[str] = Counter()
        self.clocks = Clocks(mix, self.random, self.faults)
        self._agenda: list[tuple[int, int, Callable[[], None]]] = []
        self._serial = 0
        self._seen = (-1, -1)
        self.perils = perils or Perils(mix.chance("perils"), mix.one_in, self)
        self.limit = TimeLimit(mix.limit_s, lambda: self.now_us)
        self.perils.is_out_of_time = self.limit.is_over
        self.cast = cast = cast or draw_cast(mix, mix.chance("cast"))
        self.aws = SimulatedAws(mix, cast, mix.chance("aws"), lambda: self.now_us, self.tell)
        self.auditor = Auditor(self.aws, mix)
        self.endings = Endings(mix, cast, self.aws, self.auditor)
        self._under_way: list[int] = []  # when each of the runs began, one inside the other
        self._kinds: list[str] = []  # what each of them does
        self.copy: tuple[object, Snapshot, int] | None = None  # the latest backup
        self.restored_at_us = 0
        self.waits_for_word = False  # for a person to say what a restored store is
        self.stack = Stack()
        self.shell: Caller | None = None  # who runs next, if it is not the stack
        self._shells = mix.chance("shells")
        self._edits = mix.chance("edits")
        self.person = Person(
            self.random, self.auditor, self.endings, self.aws, lambda: self._under_way[0]
        )
        if mix.other_code_percent:
            self.person.codes = mix.chance("codes of licences")
        self.writers = Writers(mix, cast, mix.chance("writers"))
        self.auditor.recorded.inputs = self.writers.inputs
        self.shared = SharedEvents(cast, self.writers, mix.chance("shared events"))
        self.shop = open_shop(self.perils, mix.seed)
        self.auditor.recorded.parts_are_kept = self.shop.keeps_parts_of_inputs
        self.auditor.lateness.index_lags = self.shop.index_lags
        self.pager = Pager(self.perils)
        self.processes = [self._process(number) for number in range(PROCESSES)]

    def _process(self, number: int) -> Process:
        clock = SkewedClock(self._tick, self.clocks.draw_us(), self.pass_s)
        return Process(f"process {number}", clock, Line(self.aws, self.perils, self.pass_s))

    # Time

    def _tick(self) -> int:
        self.now_us += 1_000  # nothing happens in no time
        return self.now_us

    def at(self, when_us: int, what: Callable[[], None]) -> None:
        """Put something on the agenda."""
        self._serial += 1
        heapq.heappush(self._agenda, (when_us, self._serial, what))

    def later(self, span: timedelta, what: Callable[[], None]) -> None:
        """Put something on the agenda that much later."""
        self.at(self.now_us + span // timedelta(microseconds=1), what)

    def pass_s(self, seconds: float) -> None:
        """Let time pass; what is due meanwhile happens meanwhile."""
        self.pass_until(self.now_us + int(seconds * 1_000_000))

    def pass_until(self, until_us: int) -> None:
        """Let time pass up to an instant."""
        while self.depth < DEPTH_MAX and self._agenda and self._agenda[0][0] <= until_us:
            when_us, _serial, what = heapq.heappop(self._agenda)
            self.now_us = max(self.now_us, when_us)
            what()
        self.now_us = max(self.now_us, until_us)

    # What the perils need

    def tell(self, text: str) -> None:
        """See `fault_injection.Intervening`."""
        self.story.tell(self.now_us, self.depth, text)

    def overlap(self) -> None:
        """See `fault_injection.Intervening`."""
        if self.depth >= DEPTH_MAX or self.faults["overlap"] >= OVERLAPS_MAX:
            return
        self.faults["overlap"] += 1
        began_us = self.now_us
        corrects = self.correct if self.mix.person_every_h else self.submit
        others = [self.seal, self.submit, self.write, self.submit, corrects]
        if self.is_edited:
            others.append(self.edit)
        for _number in range(self.random.choice((1, 1, 2))):
            self.random.choice(others)()
        self._held_up_since(began_us)

    def step_clock(self) -> None:
        """See `fault_injection.Intervening`."""
        if self.mix.off_s:
            self.faults["clock step"] += 1
            process = self.random.choice(self.processes)
            process.clock.offset_us = self.clocks.draw_us()
            self.tell(f"the clock of {process.name} is set")

    def _held_up_since(self, began_us: int) -> None:
        held_s = (self.now_us - began_us) / 1_000_000
        self.endings.longest_hold_s = max(self.endings.longest_hold_s, held_s)

    def stall(self, place: str) -> None:
        """See `fault_injection.Intervening`."""
        self.faults["stall"] += 1
        self.endings.may_have_died = True
        # A process that has AWS's answer may hold it for any time; see `operator.WAITS`.
        is_answered = place == ANSWERED
        hours = self.random.choice((0.1, 5, 12, 40) if is_answered else (0.02, 0.1, 0.5, 2, 5))
        self.tell(f"the process halts for {hours} hours")
        began_us = self.now_us
        self.pass_s(hours * 3_600)
        self._held_up_since(began_us)

    # Runs

    def idle_process(self) -> Process | None:
        """Some process that runs nothing, if there is one."""
        idle = [process for process in self.processes if not process.is_busy]
        return self.random.choice(idle) if idle else None

    def run(self, kind: str, work: Work, what: str = "") -> bool:
        """Run a use case in some idle process; False if it did not come to its end."""
        process = self.idle_process()
        if process is None:
            return False
        caller = self.shell or self.stack.caller(self.mix.policy)
        self.shell = None
        self.runs[kind] += 1
        self.tell(f"{process.name}: {kind}{what}{caller.name}")
        is_done = False
        self.depth += 1
        self._under_way.append(self.now_us)
        self.limit.begin(kind)
        self._kinds.append(kind)
        process.is_busy = True
        try:
            if process.opened is None or kind == SAYS_RESTORED:  # a command is a new process
                process.opened = self.shop.open(process.clock)
            opened = process.opened
            line, clock = process.marketplace, process.clock
            line.region = caller.claim.region
            ports = Ports(opened.store, line, clock, self.pager, opened.mark, lambda: caller.claim)
            said = work(ports, opened)
            self.tell(f"= {said}")
            is_done = True
            if self.restored_at_us <= self._under_way[-1]:  # or it told the store that is lost
                self.endings.told |= process.marketplace.told
        except Crash:
            process.opened = None
            self.endings.may_have_died = True
        except self.shop.failures:
            self.endings.may_have_died = True
        except CharterError as error:
            self.auditor.marks["refused to move" if "moves" in kind else "shell refused"] += 1
            self.tell(f"= refused: {error}")
        except RestoredStoreError as error:
            self.auditor.marks[f"refused: {str(error)[:60]}"] += 1
            self.tell(f"= refused: {error}")
            if self.copy is not None and not self.waits_for_word:
                self.waits_for_word = True
                self.later(timedelta(seconds=RETRY_AFTER_S), self.say_restored)
        except Exception as error:
            if self.restored_at_us > self._under_way[-1]:
                # It worked for the store that is lost, and finds nothing as it left it.
                process.opened = None
                self.tell(f"= failed on the restored store: {type(error).__name__}: {error}")
                return False
            raise Violation(f"{kind} failed: {type(error).__name__}: {error}") from error
        finally:
            process.is_busy = False
            process.marketplace.told.clear()
            self._under_way.pop()
            self.limit.end()
            self._kinds.pop()
            self.depth -= 1
        self.look()
        return is_done

    def look(self) -> None:
        """Let the auditor compare the books: after every run, also one inside another."""
        self.auditor.look_at_aws()
        if self.perils.count > STEPS_MAX:
            raise Violation("this world does not come to an end")
        known = (self.shop.changes(), len(self.auditor.accepted))
        if known != self._seen:
            self._seen = known
            self.audit(self.shop.books())

    def audit(self, books: Snapshot) -> None:
        """What must hold at every instant."""
        self.auditor.look(books, self.now_us // 1_000_000)
        self.endings.check_alarms(books)

    def audit_at_rest(self, books: Snapshot) -> None:
        """What must hold in the end."""
        self.auditor.look(books, self.now_us // 1_000_000)
        self.endings.check_refused_inputs(books)
        self.endings.check_at_rest(books, self.pager.heard, self.now_us // 1_000_000)
        reports = self.shop.open(self.processes[0].clock).reports
        # Nobody else writes into the embedded store.
        usage = books.usage if self.shop.table is not None else ()
        self.endings.check_report(reports.balances(), usage)

    def back_up(self) -> None:
        """Somebody copies the store, whatever is under way."""
        self.copy = self.shop.copy(), self.shop.books(), self.now_us
        self.tell("the store is copied")

    def restore(self, only: str | None = None) -> None:
        """The latest copy takes the place of the store, whatever is sealed or sent just now.

        Nobody records or corrects meanwhile: such a run would be half in the one and half in the
        other. On DynamoDB nobody seals either: what is sealed there names usage records, and those
        that the copy has not are members that nobody recorded. People are told to stop all first.
        """
        if self.copy is None or self.aws.is_calm:
            return
        may_go_on = ("submits",) if self.shop.table is not None else ("seals", "submits")
        if any(not kind.startswith(may_go_on) for kind in self._kinds):
            self.later(timedelta(minutes=10), lambda: self.restore(only))
            return
        lost = self.shop.books()
        self.shop.restore(self.copy[0], only)
        self.restored_at_us = self.person.restored_at_us = self.now_us
        self.waits_for_word = True
        self.faults["restore"] += 1
        self.endings.may_have_died = True
        self.endings.told.clear()
        for process in self.processes:
            process.marketplace.told.clear()
        self.auditor.lose(lost, self.shop.books(), are_records_lost=only is None)
        if only is None:
            self.writers.lose()
        self.tell(f"the store is restored: {only or 'all of it'}")

    def say_restored(self) -> None:
        """A person says of when the copy is."""
        if not self.waits_for_word or self.copy is None:
            return
        copied_at = at(self.copy[2])

        def work(ports: Ports, opened: OpenStore) -> str:
            report = restored(opened, ports.clock, self.mix.policy, copied_at)
            self.waits_for_word = self.auditor.waits_for_word = False
            self.auditor.marks["held after a restore"] += report.windows.total()
            return f"held {report.quantity} in {report.windows.total()} windows"

        if not self.run(SAYS_RESTORED, work):
            self.later(timedelta(seconds=RETRY_AFTER_S), self.say_restored)

    def seal(self, scope: Scope = Scope.CLOSED_HOURS) -> None:
        """The metering job, and the doorbell that it rings."""
        name = "seals" if scope is Scope.CLOSED_HOURS else "seals everything"
        self.auditor.may_seal_open_hours |= scope is Scope.EVERYTHING
        policy = self._policy()
        began_us, runs = self.now_us, self.runs.total() + 1
        lateness, marks = self.auditor.lateness, self.auditor.marks

        def sealed(report: SealReport) -> None:
            self.endings.check_told(report, self.pager.heard)
            # Nothing came in between, and no run is under way that knows less and may read yet.
            is_alone = not any(kind.startswith("seals") for kind in self._kinds[:-1])
            if is_alone and self.runs.total() == runs:
                lateness.looked(began_us, self.now_us, report)

        if self.run(name, lambda ports, _: job(ports, policy, scope, marks, sealed, self.limit)):
            self.ring()

    def submit(self) -> None:
        """The metering processor."""
        marks, policy = self.auditor.marks, self._policy()
        self.run("submits", lambda ports, _: processor(ports, policy, marks, self.limit, self.ring))

    def _policy(self) -> Policy:
        """What the settings of the next run say."""
        if self.shell is None:
            return self.mix.policy
        of_aws = self.mix.policy.tag_sets_max  # what AWS takes is the same for every shell
        return replace(self.shell.policy, tag_sets_max=of_aws)

    def run_in_a_shell(self) -> None:
        """A person seals and sends, with whatever is set there."""
        for work in (self.seal, self.submit):
            self.shell = draw_shell(self._shells)
            work()
            self.shell = None

    def move(self, only_deploy: bool = False) -> None:
        """A person moves the ledger to another region, and deploys the stack where it is billed."""
        wanted = HOME if self.stack.region == ELSEWHERE else ELSEWHERE

        def work(ports: Ports, opened: OpenStore) -> str:
            charter = charter_in(ports.store.facts())
            if charter is None:
                return "finds a ledger that nobody has begun"
            self.stack.region = charter.region
            region = charter.region if only_deploy or charter.changing else wanted
            if charter.changing or region != charter.region:
                change(opened, "region", replace(charter, changing=None, region=region))
                self.auditor.marks["moved to another region"] += region != charter.region
            self.stack.region = region
            return f"deployed in {region}"

        self.run("moves the ledger", work)

    def ring(self) -> None:
        """The doorbell, which may be lost, late or doubled."""
        for delay_s in self._wakes():
            self.later(timedelta(seconds=delay_s), self.submit)

    def _wakes(self) -> list[float]:
        """After how many seconds each ring is heard."""
        wakes, random = self.mix.wakes, self.random
        if self.perils.is_calm or random.random() * 100 >= wakes.lost:
            times = 2 if random.random() * 100 < wakes.doubled else 1
            return [
                random.uniform(60, 10_000) if random.random() * 100 < wakes.delayed else 1.0
                for _time in range(times)
            ]
        self.faults["wake lost"] += 1
        return []

    def write(self, repeat: Input | None = None, kind: str = "") -> None:
        """An application records an input, and repeats it until it knows that it is recorded."""
        if repeat is not None and self._may_be_billed(repeat):
            return
        drawn = repeat or self.writers.draw(self.now_us // 1_000, self.shop.table is not None)
        if drawn is None:
            return

        def work(ports: Ports, opened: OpenStore) -> str:
            return hand_over(drawn, self.shop, self.auditor, ports, opened)

        known = drawn.is_confirmed
        is_written = drawn.is_put or not known  # a put again may go over what was put meanwhile
        if is_written:
            self.auditor.lateness.begins(drawn, self.now_us)
        if self.run(kind or ("repeats" if repeat else "writes"), work, f" {drawn.source}"):
            if not drawn.is_lost:
                self.writers.confirm(drawn)
            if is_written:
                self.auditor.lateness.ends(drawn, self.now_us)
        elif not known:
            self.later(timedelta(seconds=RETRY_AFTER_S), lambda: self.write(drawn))

    def share_an_event(self) -> None:
        """It begins to come in, and comes again later, in other ways."""
        drawn = self.shared.draw(self.now_us // 1_000, self.shop.table is not None)
        if drawn is None:
            return
        event, handed_over = drawn
        self.auditor.recorded.events.append(event)

        def come(what: Input) -> None:
            # Of one that a restored store has lost nobody knows whether it was billed.
            if event in self.auditor.recorded.events:
                self.writers.inputs.append(what)
                self.write(what, "shares")

        for number, each in enumerate(handed_over):
            # All of it comes before the world's end, or what is sealed then has no time to settle.
            span = self.shared.later() if number else timedelta(0)
            ends_us = max(self.now_us, us(self.mix.ends_at) - 1)
            self.at(min(self.now_us + span // MICROSECOND, ends_us), partial(come, each))

    def _may_be_billed(self, repeated: Input) -> bool:
        """Whether nobody can know any more that an input was billed: a restored store has lost it,
        or a restored ledger, and what else was put there has taken its mark away."""
        is_forgotten = repeated.is_put and self.auditor.recorded.slots.is_ledger_restored
        return repeated.is_lost or (repeated.is_confirmed and is_forgotten)

    def correct(self) -> None:
        """A person corrects something."""
        self.run(
            "the operator",
            lambda ports, opened: self.person.act(opened, ports.clock, self.shop),
        )

    @property
    def is_edited(self) -> bool:
        """Whether people change usage records in the table itself."""
        return self.mix.edits > 0 and self.shop.table is not None

    def edit(self) -> None:
        """Somebody changes a usage record in the table itself."""
        self.run(
            "the console",
            lambda ports, opened: self.person.edit_something(self.shop, ports.clock, self._edits),
        )
