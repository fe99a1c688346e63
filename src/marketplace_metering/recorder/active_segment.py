"""The segment that is being filled: where `record()` goes once it knows what is meant."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from marketplace_metering.core.hours import NS_PER_HOUR, NS_PER_S
from marketplace_metering.recorder.calls import KnownMeter
from marketplace_metering.recorder.errors import RecorderClosedError, SpoolFullError
from marketplace_metering.recorder.log import log
from marketplace_metering.recorder.segments import RunningSum, Segment
from marketplace_metering.recorder.settings import RecorderSettings
from marketplace_metering.recorder.spool.memory import Spool
from marketplace_metering.recorder.telemetry import RecorderStats

SEGMENT_BYTES = 4 * 1024 * 1024  # from here on a segment is frozen before its time
SEGMENT_ENTRIES = 10_000
FULL_PAUSE_S = 1.0  # a blocked thread looks this often, in case it is not woken


class ActiveSegment:
    """One segment at a time, and those that were taken out but could not be frozen yet."""

    def __init__(
        self,
        settings: RecorderSettings,
        spool: Spool,
        counters: RecorderStats,
        destination: str,
        wake: Callable[[], None],
    ) -> None:
        self.lock = threading.Lock()  # guards everything here
        self.due_at_s: float | None = None  # when the segment is to be frozen
        self.is_closed = False
        self._room_made = threading.Condition(self.lock)
        self._settings = settings
        self._fsync = settings.fsync  # looked at in each call
        self._spool = spool
        self._counters = counters
        self._destination = destination
        self._wake = wake
        self._segment: Segment | None = None
        self._unfrozen: list[Segment] = []
        self._waiting_bytes = 0
        self._measure()

    def add(self, known: KnownMeter, micros: int, ns: int, event_id: str | None) -> None:
        """Count usage; returns when it is as durable as the recorder is set up to be."""
        with self.lock:
            segment = self._segment
            group = known.group
            if (
                segment is None
                or group.segment is not segment
                or not group.start_ns <= ns < group.end_ns
                or segment.size > self._soft_limit
            ):
                found = self._open(known, ns)
                if found is None:
                    return
                segment, group = found
            if event_id is None:
                segment.add(group, micros, ns)
            else:
                segment.add_event(group, micros, ns, event_id)
            if not self._fsync:
                return
            journal = segment.journal
            position = segment.size
        assert journal is not None
        journal.sync(position)

    def _open(self, known: KnownMeter, ns: int) -> tuple[Segment, RunningSum] | None:
        """Segment and group for usage, or None if it is dropped; inside the lock."""
        while True:
            if self.is_closed:
                raise RecorderClosedError("the recorder is closed: record before close()")
            if self._segment is None and self._room > 0:
                self._segment = self._spool.segment()
                self.due_at_s = time.monotonic() + self._seconds_until_due()
                self._wake()
            segment = self._segment
            if segment is not None and segment.size < self._room:
                if segment.size > SEGMENT_BYTES or segment.entries > SEGMENT_ENTRIES:
                    self._hurry()
                known.group = segment.group(known.meter, ns)
                return segment, known.group
            self._hurry()
            if self._settings.when_full == "drop":
                self._drop()
                return None
            if self._settings.when_full == "raise" or not self._settings.background:
                raise SpoolFullError(self._words_of_full())
            self._room_made.wait(FULL_PAUSE_S)

    def _seconds_until_due(self) -> float:
        """An interval, but not beyond the end of the hour: its usage belongs into the store."""
        left_ns = NS_PER_HOUR - time.time_ns() % NS_PER_HOUR
        return min(self._settings.flush_interval, left_ns / NS_PER_S + 0.01)

    def _hurry(self) -> None:
        if self.due_at_s is None or self.due_at_s > 0:
            self.due_at_s = 0.0
            self._wake()

    def _drop(self) -> None:
        dropped = self._counters.dropped = self._counters.dropped + 1
        if dropped & (dropped - 1) == 0:
            log().error("usage was dropped, %d calls so far: %s", dropped, self._words_of_full())

    def _words_of_full(self) -> str:
        why = self._counters.last_failure
        return (
            f"{self._settings.spool_bytes_max} bytes of usage wait for {self._destination}"
            + (f", which does not take it: {why}" if why else "")
            + "; fix that, or raise spool_bytes_max"
        )

    def take_out(self) -> None:
        """Fill no more of the segment: it is to be frozen."""
        with self.lock:
            segment, self._segment = self._segment, None
            self.due_at_s = None
            if segment is not None:
                self._unfrozen.append(segment)
                self._counters.recorded += segment.calls
                self._counters.repeated += segment.repeated

    @property
    def unfrozen(self) -> Segment | None:
        """The oldest segment that was taken out and is not frozen."""
        return self._unfrozen[0] if self._unfrozen else None

    def frozen(self) -> None:
        """The oldest segment that was taken out is a batch now."""
        with self.lock:
            del self._unfrozen[0]

    def make_room(self, waiting_bytes: int) -> None:
        """So many bytes of batches wait: there may be room for usage again, or less of it."""
        with self._room_made:
            self._waiting_bytes = waiting_bytes
            self._measure()
            self._room_made.notify_all()

    def _measure(self) -> None:
        unfrozen = sum(segment.size for segment in self._unfrozen)
        self._room = self._settings.spool_bytes_max - self._waiting_bytes - unfrozen
        self._soft_limit = min(SEGMENT_BYTES, self._room)

    @property
    def is_large(self) -> bool:
        """Whether the segment is to be frozen even though the store takes nothing now."""
        segment = self._segment
        return segment is not None and (
            segment.size > min(SEGMENT_BYTES, self._room // 2) or segment.entries > SEGMENT_ENTRIES
        )

    def close(self) -> bool:
        """Take no more usage; answers whether that is new."""
        with self._room_made:
            is_new, self.is_closed = not self.is_closed, True
            self._room_made.notify_all()
        return is_new

    def waiting(self) -> tuple[int, int, int, int]:
        """Calls, repeated calls and bytes in segments, and the calls of those taken out."""
        growing = self._segment
        segments = [*self._unfrozen, *([growing] if growing is not None else [])]
        return (
            growing.calls if growing is not None else 0,
            growing.repeated if growing is not None else 0,
            sum(segment.size for segment in segments),
            sum(segment.calls for segment in self._unfrozen),
        )
