"""`UsageRecorder`: an application records usage here, and it is in the store soon after, once."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from typing import Self, Unpack

from marketplace_metering.core.limits import MICROS_PER_UNIT
from marketplace_metering.core.record_rules import EARLIEST_NS
from marketplace_metering.recorder.active_segment import ActiveSegment
from marketplace_metering.recorder.background import Worker, register
from marketplace_metering.recorder.calls import UNITS_MAX, Call, KnownMeters
from marketplace_metering.recorder.delivery import Delivery
from marketplace_metering.recorder.errors import SpoolUnusableError
from marketplace_metering.recorder.log import log, without_secrets
from marketplace_metering.recorder.settings import RecorderOptions, RecorderSettings
from marketplace_metering.recorder.sinks import open_sink
from marketplace_metering.recorder.sinks.port import Sink
from marketplace_metering.recorder.spool.memory import MemorySpool, Spool
from marketplace_metering.recorder.telemetry import RecorderStats

ADOPT_EVERY_S = 30.0
EXIT_TIMEOUT_S = 10.0
HOLD_TIMEOUT_S = 5.0
FREEZE_AGAIN_S = 1.0
GIVE_BACK_TIMEOUT_S = 2.0


class UsageRecorder:
    """Records usage: from any thread, across forks, durable against `kill -9` (docs/recorder.md).

        with UsageRecorder("dynamodb://my-stack", spool="/var/lib/my-app/usage",
                           product="abc123xyz456") as recorder:
            recorder.record("123456789012", "api_calls", 1)

    Make one for the whole process, and close it at the end.

    to               where usage goes, first and without a keyword: "dynamodb://STACK" (its table
                     STACK-MeteringRecords), "dynamodb://STACK?region=REGION",
                     "dynamodb://STACK?account=NUMBER", "dynamodb://STACK?pending_shards=20",
                     "sqlite:///FILE", "sqlite:////ABSOLUTE/FILE", or a DynamoDBSink
    spool            a directory on a local disk that outlives the process: what was recorded and
                     is not in the store yet waits there; needed unless durable=False
    durable          False keeps usage in memory, where a crash loses up to a flush interval of
                     it; default True
    product          the product code of calls that name none; default None: each call names one
    flush_interval   seconds from the first usage to its way to the store, above 0 and at most 120;
                     default 10. The end of an hour flushes as well
    when_full        what record() does when spool_bytes_max bytes wait: "raise" SpoolFullError
                     (the default), "block" until there is room (without a background thread it
                     raises), or "drop" the call, count it in stats().dropped and log it
    spool_bytes_max  bytes that may wait for the store, at least 65536; default 256 MiB
    fsync            True: record() returns when the disk has the usage (milliseconds), so that it
                     survives a power cut as well; default False
    background       False: no thread, only flush() and close() deliver (AWS Lambda: flush() before
                     you return); default True
    on_refused       called as on_refused(usage_record, problem) in the thread that flushes, for
                     each event whose id was recorded before with other content; default None

    Raises RecorderSettingError for settings that are illegal or do not go together. No connection
    is made before the first flush.
    """

    def __init__(self, to: str | Sink, **options: Unpack[RecorderOptions]) -> None:
        self._settings = RecorderSettings(**options)
        self._sink = open_sink(to)
        self._spool = self._open_spool()
        self._meters = KnownMeters(self._settings.product)
        self._known = self._meters.get
        self._is_given_back = False
        self._is_held = (False, False)
        self._begin()
        register(self)
        if self._settings.background and self._spool.has_leftovers():
            self._worker.wake()

    def _begin(self) -> None:
        """An empty recorder, with nothing waiting, no thread and fresh locks."""
        settings = self._settings
        self._counters = RecorderStats()  # each count has one writer at a time
        self._delivery = Delivery(self._sink, self._spool, self._counters, settings.on_refused)
        self._worker = Worker(self)
        wake = self._worker.wake if settings.background else lambda: None
        self._active = ActiveSegment(settings, self._spool, self._counters, self._sink.name, wake)
        self._add = self._active.add
        self._cycle = threading.Lock()  # held while spool and store are worked on
        self._retry_at_s: float | None = None
        self._adopt_at_s = 0.0

    def _open_spool(self) -> Spool:
        settings = self._settings
        if not settings.durable:
            return MemorySpool()
        from marketplace_metering.recorder.spool.disk import DiskSpool

        return DiskSpool(settings.directory, self._sink.name, fsync=settings.fsync)

    def record(
        self,
        account: str,
        dimension: str,
        quantity: int | Decimal,
        *,
        product: str | None = None,
        at: datetime | None = None,
        event_id: str | None = None,
        tags: Mapping[str, str] | None = None,
        license_arn: str | None = None,
    ) -> None:
        """Record usage. When this returns, a durable recorder does not lose it any more.

        account      the buyer's AWS account id, 12 digits
        dimension    the API name of a dimension of the listing
        quantity     an int or a Decimal from 0 to 9999999999.999999, with at most six decimals; a
                     float is refused
        product      the product code; default: the recorder's own
        at           when it was used, a datetime with a time zone, not before 2016-01-14 nor more
                     than 15 minutes ahead; default: now
        event_id     1 to 256 characters; needs `at`. The same event (buyer, id and second of `at`)
                     counts once, however often it is recorded and by whom
        tags         up to five strings by name, for usage allocations
        license_arn  the buyer's licence, as ResolveCustomer returned it

        Raises InvalidUsageError for usage that could never be metered, SpoolFullError when
        `spool_bytes_max` wait, SpoolUnusableError when the spool cannot be written, and
        RecorderClosedError after close(). Then nothing was recorded, unless a SpoolUnusableError
        with `fsync` says otherwise.
        """
        now_ns = time.time_ns()
        if (
            type(quantity) is int
            and 0 <= quantity <= UNITS_MAX
            and at is None
            and event_id is None
            and tags is None
            and now_ns >= EARLIEST_NS
        ):
            try:
                known = self._known((account, dimension, product, license_arn, ()))
            except TypeError:  # not even hashable: the careful way says what is wrong
                known = None
            if known is not None:
                self._add(known, quantity * MICROS_PER_UNIT, now_ns, None)
                return
        call = Call(account, dimension, quantity, product, at, event_id, tags, license_arn)
        known, micros, at_ns = self._meters.check(call, now_ns)
        self._add(known, micros, at_ns, event_id)

    def seconds_to_wait(self) -> float | None:
        """Until something is to be done; None: until usage is recorded."""
        times = [each for each in (self._active.due_at_s, self._retry_at_s) if each is not None]
        if self._settings.durable:
            times.append(self._adopt_at_s)
        return max(min(times) - time.monotonic(), 0.0) if times else None

    def flush_if_due(self) -> None:
        """What the background thread does."""
        if self.seconds_to_wait() == 0.0:
            with self._cycle:
                self._run_cycle(everything=False)

    def _run_cycle(self, *, everything: bool, give_up_s: float | None = None) -> bool:
        """Take over what the dead left, freeze, deliver; answers whether nothing waits any more."""
        now_s = time.monotonic()
        if everything or now_s >= self._adopt_at_s:
            self._adopt_at_s = now_s + ADOPT_EVERY_S
            self._adopt()
        due_at_s = self._active.due_at_s
        if everything or (due_at_s is not None and now_s >= due_at_s):
            # While the store takes nothing, sums go on growing: fewer usage records later.
            if everything or self._retry_at_s is None or self._active.is_large:
                self._freeze()
            else:
                self._active.due_at_s = self._retry_at_s
        is_done = False
        if everything or self._retry_at_s is None or now_s >= self._retry_at_s:
            is_done = self._delivery.run(give_up_s)
            self._retry_at_s = None if is_done else time.monotonic() + self._delivery.pause_s()
        self._active.make_room(self._delivery.waiting_bytes)
        return is_done and self._active.unfrozen is None

    def _adopt(self) -> None:
        try:
            for batch in self._spool.adopt():
                self._delivery.take(batch)
        except SpoolUnusableError as error:
            log().error("cannot look for usage that others left in the spool: %s", error)

    def _freeze(self) -> None:
        self._active.take_out()
        try:
            while (segment := self._active.unfrozen) is not None:
                self._delivery.take(self._spool.freeze(segment))
                self._active.frozen()
                self._active.make_room(self._delivery.waiting_bytes)
        except SpoolUnusableError as error:
            log().error("usage stays in its journal: %s", error)
            self._active.due_at_s = time.monotonic() + FREEZE_AGAIN_S

    def flush(self, timeout: float = 30.0) -> bool:
        """Deliver now; answers whether all that was recorded before this call is in the store.

        timeout  seconds; a put that was begun is not interrupted, so it may take a little longer

        What is not in the store stays where it waits, and is tried again. A store or spool that
        does not work raises nothing here: the log and stats().last_failure say why.
        """
        give_up_s = time.monotonic() + timeout
        while not self._is_given_back:
            if not self._cycle.acquire(timeout=max(give_up_s - time.monotonic(), 0.0)):
                return False
            try:
                if self._run_cycle(everything=True, give_up_s=give_up_s):
                    return True
            finally:
                self._cycle.release()
            pause_s = self._delivery.pause_s()
            if time.monotonic() + pause_s >= give_up_s:
                return False
            time.sleep(pause_s)
        return True

    def close(self, timeout: float = 30.0) -> bool:
        """Flush and end; answers whether everything is in the store.

        timeout  seconds, as for flush()

        What is not stays in the spool for the next recorder of the same directory. Without a
        spool it is lost, and the log says how much. A second close() does
        nothing and answers True.
        """
        if not self._active.close():
            return True
        self._worker.stop()
        is_done = self.flush(timeout)
        if not is_done:
            self._tell_what_is_left()
        if self._cycle.acquire(timeout=GIVE_BACK_TIMEOUT_S):
            try:
                self._is_given_back = True
                self._spool.close()
                self._sink.close()
            finally:
                self._cycle.release()
        # Otherwise the thread is in the middle of a put. Its locks end with the process.
        return is_done

    def _tell_what_is_left(self) -> None:
        stats = self.stats()
        left = f"{stats.waiting_batches} batches and {stats.waiting_calls} calls"
        why = without_secrets(str(stats.last_failure))
        if self._settings.durable:
            log().warning("%s wait in the spool for the next start: %s", left, why)
        else:
            log().error("usage is lost, %s were only in memory: %s", left, why)

    def close_at_exit(self) -> None:
        """The process ends."""
        self.close(EXIT_TIMEOUT_S)

    def hold_still(self) -> None:
        """A fork comes. SQLite and TLS have locks of their own, which a child would find taken
        if a thread were inside; a store that does not answer must not stop the fork, though."""
        self._is_held = (
            self._cycle.acquire(timeout=HOLD_TIMEOUT_S),
            self._active.lock.acquire(timeout=HOLD_TIMEOUT_S),
        )

    def go_on(self) -> None:
        """The fork is over, and this is the parent."""
        for lock, is_held in zip((self._cycle, self._active.lock), self._is_held, strict=True):
            if is_held:
                lock.release()

    def restart_in_fork(self) -> None:
        """What was recorded before the fork is the parent's to deliver."""
        was_closed = self._active.is_closed
        self._spool.abandon()
        self._sink.abandon()
        self._begin()
        if was_closed:
            self._active.close()
            self._is_given_back = True

    def stats(self) -> RecorderStats:
        """The counters so far, and what waits; see `RecorderStats`."""
        with self._active.lock:
            calls, repeated, size, calls_taken_out = self._active.waiting()
            return replace(
                self._counters,
                recorded=self._counters.recorded + calls,
                repeated=self._counters.repeated + repeated,
                waiting_calls=calls + calls_taken_out,
                waiting_batches=len(self._delivery),
                waiting_bytes=self._delivery.waiting_bytes + size,
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()
