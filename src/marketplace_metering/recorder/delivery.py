"""Batches to the store, the oldest first; what the store does not take now stays."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

from marketplace_metering.core.record import Problem, UsageRecord
from marketplace_metering.recorder.errors import SpoolUnusableError
from marketplace_metering.recorder.log import log, without_secrets
from marketplace_metering.recorder.settings import OnRefused
from marketplace_metering.recorder.sinks.port import Delivered, Sink
from marketplace_metering.recorder.spool.memory import Spool, SpooledBatch
from marketplace_metering.recorder.telemetry import RecorderStats

RETRY_FIRST_S = 0.5
RETRY_LONGEST_S = 30.0


@dataclass(slots=True, eq=False)
class Delivery:
    """The outbox of a recorder; used by one thread at a time."""

    sink: Sink
    spool: Spool
    counters: RecorderStats
    on_refused: OnRefused | None
    waiting_bytes: int = 0
    failures_in_a_row: int = 0
    _outbox: deque[SpooledBatch] = field(default_factory=deque)
    _left: Sequence[UsageRecord] | None = None  # of the oldest batch, once it was tried

    def __len__(self) -> int:
        return len(self._outbox)

    def take(self, batch: SpooledBatch) -> None:
        """Have one more batch to deliver."""
        self._outbox.append(batch)
        self.waiting_bytes += batch.size

    def run(self, give_up_s: float | None = None) -> bool:
        """Deliver until nothing waits, the store does not take something, or time is up."""
        is_first = True
        while self._outbox:
            if give_up_s is not None and time.monotonic() >= give_up_s and not is_first:
                return False
            is_first = False
            batch = self._outbox[0]
            try:
                is_ours = self.spool.bind(batch, self.sink.place)
            except Exception as error:  # noqa: BLE001 - AWS's set-up may raise anything
                self._fail(Delivered(reason=_reason_of(error)))
                return False
            if not is_ours:
                self._done(batch)
                continue
            if self._left is None:
                self._left = self.spool.load(batch)
            delivered = self.sink.put(self._left)
            self.counters.added += delivered.added
            self.counters.already_there += delivered.already_there
            self.counters.refused += len(delivered.clashes)
            for record, problem in delivered.clashes:
                self._refuse(record, problem)
            self._left = delivered.left or None
            if delivered.left:
                self._fail(delivered)
                return False
            self.spool.forget(batch)
            self._done(batch)
            if self.failures_in_a_row:
                log().info("usage goes to %s again", self.sink.name)
            self.failures_in_a_row = 0
            self.counters.last_failure = None
        return True

    def _done(self, batch: SpooledBatch) -> None:
        """It waits no more: it is in the store, or somebody else's."""
        self._outbox.popleft()
        self._left = None
        self.waiting_bytes -= batch.size

    def _fail(self, delivered: Delivered) -> None:
        reason = delivered.reason or "the store gave no reason"
        self.counters.failed_rounds += 1
        self.counters.last_failure = reason
        # The first failure is told at once, then the second, the fourth, the eighth and so on.
        self.failures_in_a_row += 1
        if self.failures_in_a_row & (self.failures_in_a_row - 1) == 0:
            log().warning(
                "usage waits, %d batches: %s does not accept it (%d tries in a row): %s",
                len(self._outbox),
                self.sink.name,
                self.failures_in_a_row,
                reason,
            )

    def _refuse(self, record: UsageRecord, problem: Problem) -> None:
        from marketplace_metering.core.exact_json import exact_json
        from marketplace_metering.core.record_item import item_of

        log().error("usage of account %s was not counted: %s", record.account, problem)
        line = exact_json({"refused": str(problem), "record": item_of(record)})
        try:
            self.spool.refuse(line.encode() + b"\n")
        except OSError as error:
            log().error(
                "the spool cannot store a refusal: %s; this one was %s", error.strerror, line
            )
        if self.on_refused is not None:
            try:
                self.on_refused(record, problem)
            except Exception as error:  # noqa: BLE001 - the application's own code
                log().error("on_refused failed: %s", without_secrets(repr(error)))

    def pause_s(self) -> float:
        """How long to wait before the next try: longer each time, and never all at once."""
        import random

        longest = min(RETRY_LONGEST_S, RETRY_FIRST_S * 2 ** min(self.failures_in_a_row, 10))
        return random.uniform(longest / 2, longest)  # noqa: S311 - spreads load, keeps no secret


def _reason_of(error: Exception) -> str:
    if isinstance(error, SpoolUnusableError):
        return str(error)
    return without_secrets(f"{type(error).__name__}: {error}")
