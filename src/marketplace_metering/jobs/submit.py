"""The metering processor: send due entries to AWS in batches and settle them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from itertools import islice
from typing import assert_never

from marketplace_metering.core import ledger
from marketplace_metering.core.batch import Batch, fill
from marketplace_metering.core.ledger import Change, Entry, EntryKey, State
from marketplace_metering.core.outcome import (
    Answered,
    Deferred,
    Fault,
    Lost,
    NoAnswer,
    Outcome,
    Refused,
    RequestRefused,
)
from marketplace_metering.core.policy import Policy
from marketplace_metering.jobs.admit import chartered
from marketplace_metering.jobs.copies import admitted
from marketplace_metering.ports import Ports

EXPIRED_PER_STEP = 25  # between two looks at the clock; each may be a transaction of its own
# Even where sending takes all the time there is, so that nothing waits for ever. A run that has to
# end at some instant ends this much later at most.
SETTLING_TIME = timedelta(seconds=5)
MARKING_TIME = timedelta(seconds=5)


class Stop(StrEnum):
    """Why a run ended."""

    DONE = "nothing is due"
    WAITING = "the rest is due later"
    NO_ANSWER = "AWS does not answer, or asks to slow down"
    ACCOUNT = "AWS refuses this account or its set-up"
    BUDGET = "the run had to end here"


@dataclass(slots=True)
class SubmitReport:
    """What one run sent and how it went."""

    requests: int = 0
    entries: Counter[State] = field(default_factory=Counter)  # answers, by the entry's new state
    written_back: int = 0  # usage records that were marked with their outcome
    stop: Stop = Stop.DONE
    words: str | None = None  # what AWS said when the run was stopped
    blocked_products: dict[str, str] = field(default_factory=dict)  # product: AWS's words

    @property
    def billed(self) -> int:
        """Entries that AWS accepted, as far as this run learnt."""
        return self.entries[State.BILLED] + self.entries[State.PRESUMED]


def submit(
    ports: Ports,
    policy: Policy,
    until: datetime | None = None,
    should_stop: Callable[[], bool] = lambda: False,
    on_progress: Callable[[SubmitReport], None] = lambda report: None,
) -> SubmitReport:
    """Send what is due, earliest deadline first, until nothing is or the run should end.

    Sending comes first, because it alone has a deadline. What has passed its own is settled after
    it, then usage records are marked, both in steps that look at the clock: a run that is killed
    by another's clock has sent what it could, and the next one goes on where it was.

    Any number of runs may overlap or die at any point: each attempt is logged before its call,
    and what a dead run left is due again.
    """
    policy = chartered(ports, policy)
    run = _Run(admitted(ports, policy), policy, until, should_stop, on_progress)
    run.send_all_due()
    run.settle_expired(run.at_least(SETTLING_TIME))
    run.report.written_back = ports.store.write_back(run.at_least(MARKING_TIME))
    return run.report


@dataclass(slots=True)
class _Run:
    ports: Ports
    policy: Policy
    until: datetime | None
    should_stop: Callable[[], bool]
    on_progress: Callable[[SubmitReport], None]
    report: SubmitReport = field(default_factory=SubmitReport)
    failures_in_a_row: int = 0
    is_stopped: bool = False

    def is_over(self, until: datetime | None) -> bool:
        return until is not None and self.ports.clock.now() >= until

    def at_least(self, time: timedelta) -> datetime | None:
        """When the run has to end, or so much later than now."""
        return None if self.until is None else max(self.until, self.ports.clock.now() + time)

    def settle_expired(self, until: datetime | None) -> None:
        """Nothing that can no longer be sent stays unsettled."""
        now = self.ports.clock.now()
        keys = self.ports.store.expired(now)
        while step := list(islice(keys, EXPIRED_PER_STEP)):
            self.change(step, lambda entry: ledger.expire(entry, now), now)
            self.on_progress(self.report)
            if self.should_stop() or self.is_over(until):
                return

    def send_all_due(self) -> None:
        while not self.is_stopped:
            if self.should_stop() or self.is_over(self.until):
                self.report.stop = Stop.BUDGET
                return
            now = self.ports.clock.now()
            due = self.ports.store.due(now, self.policy, self.report.blocked_products)
            if due:
                self.send(fill(due))
            elif not self.wait_for_next(now):
                return

    def wait_for_next(self, now: datetime) -> bool:
        """Sleep until the next entry is due, if that is worth waiting for."""
        next_at = self.ports.store.next_due_at(now, self.report.blocked_products)
        if next_at is None:
            return False
        wait = next_at - now
        if wait > self.policy.patience or (self.until is not None and next_at >= self.until):
            self.report.stop = Stop.WAITING
            return False
        # A little longer: the store keeps milliseconds.
        self.ports.clock.sleep((wait + timedelta(milliseconds=1)).total_seconds())
        return True

    def send(self, first: Batch) -> None:
        """Send a batch; if AWS refuses it for one of its records, find that one by halving."""
        work = [first]
        while work and not self.is_stopped:
            self.ports.marketplace.take_turn()
            batch = self.begin(work.pop())
            if batch is None:
                continue
            answer = self.ports.marketplace.submit(batch)
            self.report.requests += 1
            match answer:
                case Answered(outcomes):
                    self.failures_in_a_row = 0
                    self.settle(batch, outcomes)
                case Lost(words):
                    self.settle_alike(batch, NoAnswer(words))
                    self.slow_down(words)
                case RequestRefused(Fault.USAGE, code, words) if len(batch.entries) == 1:
                    self.failures_in_a_row = 0
                    self.settle_alike(batch, Refused(code, words))
                case RequestRefused(Fault.USAGE, code, words):
                    self.failures_in_a_row = 0
                    said = f"the request was refused for one of its records: {code}: {words}"
                    self.settle_alike(batch, Deferred(said, is_due_at_once=True))
                    work.extend(reversed(batch.halves()))
                case RequestRefused(fault, code, words):
                    said = f"{code}: {words}"
                    self.settle_alike(batch, Deferred(said))
                    self.react(fault, batch, said)
                case _ as never:
                    assert_never(never)
            self.on_progress(self.report)
            if self.is_over(self.until):
                return  # the halves that are left are due again

    def begin(self, batch: Batch) -> Batch | None:
        """Log the intent (rule 6) and leave out what was settled or ran out of time meanwhile."""
        now = self.ports.clock.now()
        is_parked = batch.entries[0].state is State.PARKED

        def decide(entry: Entry) -> Change | None:
            if (entry.state is State.PARKED) != is_parked:
                return None
            return ledger.begin(entry, now, self.policy)

        keys = [entry.key for entry in batch.entries]
        begun = self.ports.store.change(keys, decide, now)
        return Batch(tuple(begun)) if begun else None

    def settle_alike(self, batch: Batch, outcome: Outcome) -> None:
        self.settle(batch, {entry.key: outcome for entry in batch.entries})

    def settle(self, batch: Batch, outcomes: Mapping[EntryKey, Outcome]) -> None:
        """Take the answer to this attempt into the entries as they are now."""
        now = self.ports.clock.now()
        attempt = {entry.key: entry.begun for entry in batch.entries}

        def decide(entry: Entry) -> Change | None:
            key = entry.key
            return ledger.answer(entry, attempt[key], outcomes[key], now, self.policy)

        self.change(list(attempt), decide, now)

    def change(
        self, keys: Sequence[EntryKey], decide: Callable[[Entry], Change | None], now: datetime
    ) -> None:
        """Store and count."""
        changed = self.ports.store.change(keys, decide, now)
        self.report.entries.update(entry.state for entry in changed)

    def react(self, fault: Fault, batch: Batch, said: str) -> None:
        """None of the usage is to blame: slow down, pass the product over, or stop."""
        match fault:
            case Fault.THROTTLED | Fault.UNREACHABLE:
                self.slow_down(said)
            case Fault.PRODUCT:
                self.report.blocked_products[batch.entries[0].window.meter.product] = said
            case Fault.ACCOUNT:
                self.stop(Stop.ACCOUNT, said)
            case Fault.USAGE:
                raise AssertionError("a refused record is isolated and stops no other")
            case _ as never:
                assert_never(never)

    def slow_down(self, said: str) -> None:
        self.failures_in_a_row += 1
        if self.failures_in_a_row >= self.policy.failures_in_a_row_max:
            self.stop(Stop.NO_ANSWER, said)
        else:
            pause = self.policy.retry_first * (1 << (self.failures_in_a_row - 1))
            left = pause if self.until is None else self.until - self.ports.clock.now()
            self.ports.clock.sleep(max(min(pause, left), timedelta(0)).total_seconds())

    def stop(self, why: Stop, said: str) -> None:
        self.is_stopped = True
        self.report.stop = why
        self.report.words = said
