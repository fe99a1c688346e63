"""Processes that record usage are killed with -9 again and again; the store's sums must be exact.

    python -m tests.recorder.killing --events 1000000 --kills 100

Every thread is a *lane* with a fixed list of calls, and writes its progress into shared memory
that outlives it. Seven calls in ten have an event id, two in ten of all repeat the event of some
lane; three in ten have none. A process that was killed is begun again and its lanes go on where
their progress says, so the call that was under way is made once more:

* an event with an id must count once, whether or not the kill came before it was kept;
* a call without id that was acknowledged must count once. One that the kill interrupted may
  count or not: to tell it apart, the calls of each life of a lane go to a buyer of their own.
"""

from __future__ import annotations

import argparse
import mmap
import os
import random
import signal
import sqlite3
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple
from zlib import crc32

from marketplace_metering import UsageRecorder

LIVES_MAX = 1_000
# Of each lane, in numbers of eight bytes: its life, the calls acknowledged, and how many were when
# each of its lives began.
LIFE, DONE, STARTS = 0, 1, 2
LANE_NUMBERS = STARTS + LIVES_MAX
PRODUCT = "prod-abc123"
DIMENSION = "api_calls"
MICROS = 1_000_000


class Call(NamedTuple):
    """What a lane records at one place of its list."""

    event_id: str | None
    at: datetime
    micros: int
    account: str  # of an event; a call without id goes to the buyer of its life


@dataclass(frozen=True)
class Plan:
    """One run."""

    directory: Path
    events: int
    kills: int
    processes: int
    threads: int
    seed: int
    base: datetime

    @property
    def lanes(self) -> int:
        return self.processes * self.threads

    @property
    def calls_per_lane(self) -> int:
        return self.events // self.lanes

    def call(self, lane: int, index: int) -> Call:
        """The call at a place, the same whoever asks."""
        chance = crc32(b"%d %d %d" % (self.seed, lane, index))
        kind = chance % 10
        if kind < 3:
            return Call(None, self.base, MICROS * (1 + chance // 10 % 3), "")
        if kind < 5 and index:  # the event of any lane, perhaps one that comes later
            chance = crc32(b"again %d" % chance)
            lane, index = chance % self.lanes, chance // 1_000 % self.calls_per_lane
            chance = crc32(b"%d %d %d" % (self.seed, lane, index))
        return Call(
            f"event-{lane}-{index}",
            self.base + timedelta(milliseconds=chance % 7_000_000),
            1 + chance % (3 * MICROS),
            f"{chance % 17:012d}",
        )

    def buyer_of_life(self, lane: int, life: int) -> str:
        return f"9{lane:05d}{life:06d}"


class Progress:
    """What every lane has done, in memory that survives its process.

    A kill never finds a number half written: each is written by one instruction. (`struct` sets
    what it packs into to zero first.)
    """

    def __init__(self, plan: Plan) -> None:
        path = plan.directory / "progress"
        if not path.exists():
            path.write_bytes(bytes(plan.lanes * LANE_NUMBERS * 8))
        with path.open("r+b") as file:
            self._numbers = memoryview(mmap.mmap(file.fileno(), 0)).cast("Q")

    def done(self, lane: int) -> int:
        """The calls of a lane that were acknowledged."""
        return self._numbers[lane * LANE_NUMBERS + DONE]

    def is_done(self, lane: int, calls: int) -> None:
        """Keep how many calls of a lane were acknowledged."""
        self._numbers[lane * LANE_NUMBERS + DONE] = calls

    def starts(self, lane: int) -> list[int]:
        """Where each life of a lane began."""
        first = lane * LANE_NUMBERS + STARTS
        return self._numbers[first : first + self._life(lane)].tolist()

    def begin_life(self, lane: int) -> int:
        """Begin the next life of a lane; answers its number, from 1."""
        life = self._life(lane)
        assert life < LIVES_MAX
        self._numbers[lane * LANE_NUMBERS + STARTS + life] = self.done(lane)
        self._numbers[lane * LANE_NUMBERS + LIFE] = life + 1
        return life + 1

    def _life(self, lane: int) -> int:
        return self._numbers[lane * LANE_NUMBERS + LIFE]


def record_lane(plan: Plan, progress: Progress, recorder: UsageRecorder, lane: int) -> None:
    """Go on with a lane."""
    buyer = plan.buyer_of_life(lane, progress.begin_life(lane))
    for index in range(progress.done(lane), plan.calls_per_lane):
        call = plan.call(lane, index)
        quantity = Decimal(call.micros) / MICROS
        if call.event_id is None:
            recorder.record(buyer, DIMENSION, int(quantity))
        else:
            recorder.record(call.account, DIMENSION, quantity, at=call.at, event_id=call.event_id)
        progress.is_done(lane, index + 1)


def open_recorder(plan: Plan) -> UsageRecorder:
    return UsageRecorder(
        f"sqlite:///{plan.directory}/metering.db",
        spool=plan.directory / "spool",
        product=PRODUCT,
        flush_interval=0.2,
        when_full="block",
    )


def work(plan: Plan, process: int) -> None:
    """What each process does: eight lanes, one recorder."""
    progress = Progress(plan)
    recorder = open_recorder(plan)
    lanes = range(process * plan.threads, (process + 1) * plan.threads)
    threads = [
        threading.Thread(target=record_lane, args=(plan, progress, recorder, lane))
        for lane in lanes
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    recorder.close(300.0)


def start(plan: Plan, process: int) -> int:
    pid = os.fork()
    if pid:
        return pid
    status = 1
    try:
        work(plan, process)
        status = 0
    finally:
        sys.stdout.flush()
        os._exit(status)


def run(plan: Plan) -> int:
    """Record everything in spite of the kills; answers how many there were."""
    rng = random.Random(plan.seed)
    progress = Progress(plan)
    running = {start(plan, process): process for process in range(plan.processes)}
    killed = 0
    while running:
        done = sum(map(progress.done, range(plan.lanes)))
        if killed < plan.kills and done * (plan.kills + 1) >= killed * plan.events:
            time.sleep(rng.uniform(0.0, 0.02))
            os.kill(rng.choice(list(running)), signal.SIGKILL)
            killed += 1
        pid, status = os.waitpid(-1, os.WNOHANG if killed < plan.kills else 0)
        if pid == 0:
            time.sleep(0.001)
            continue
        process = running.pop(pid)
        code = os.waitstatus_to_exitcode(status)
        if code == -signal.SIGKILL:
            running[start(plan, process)] = process
        else:
            assert code == 0, f"process {process} ended with {code}"
    return killed


def expected(plan: Plan, progress: Progress) -> Iterator[tuple[str, set[int]]]:
    """For each buyer the sums that are right."""
    events: dict[str, Call] = {}
    for lane in range(plan.lanes):
        for index in range(plan.calls_per_lane):
            call = plan.call(lane, index)
            if call.event_id is not None:
                events[call.event_id] = call
        starts = [*progress.starts(lane), plan.calls_per_lane]
        for life, (first, end) in enumerate(pairwise(starts), start=1):
            calls = [plan.call(lane, index) for index in range(first, end)]
            micros = sum(call.micros for call in calls if call.event_id is None)
            under_way = plan.call(lane, end)
            is_last = life == len(starts) - 1
            maybe = 0 if is_last or under_way.event_id is not None else under_way.micros
            yield plan.buyer_of_life(lane, life), {micros, micros + maybe}
    sums: Counter[str] = Counter()
    for call in events.values():
        sums[call.account] += call.micros
    for account, micros in sums.items():
        yield account, {micros}


def check(plan: Plan) -> int:
    """Compare the store with what is right; answers how many usage records it holds."""
    progress = Progress(plan)
    for lane in range(plan.lanes):
        assert progress.done(lane) == plan.calls_per_lane
    connection = sqlite3.connect(plan.directory / "metering.db")
    stored: dict[str, int] = dict(
        connection.execute(
            "SELECT account, sum(usage_record.micros) FROM usage_record "
            "JOIN usage_group ON usage_group.id = group_id JOIN meter ON meter.id = meter_id "
            "JOIN book ON book.id = book_id GROUP BY account"
        ).fetchall()
    )
    for account, right in expected(plan, progress):
        found = stored.pop(account, 0)
        assert found in right, f"buyer {account}: {found} millionths, not {right}"
    assert not stored, f"usage that nobody recorded: {stored}"
    (refused,) = connection.execute("SELECT count(*) FROM refused_input").fetchone()
    assert refused == 0
    left = [path.name for path in (plan.directory / "spool").iterdir()]
    assert not left, f"left in the spool: {left}"
    (count,) = connection.execute("SELECT count(*) FROM usage_record").fetchone()
    return int(count)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--directory", type=Path, required=True)
    parser.add_argument("--events", type=int, default=1_000_000)
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--processes", type=int, default=4)
    parser.add_argument("--threads", type=int, default=8)
    parser.add_argument("--seed", type=int, default=1)
    base = datetime.now(UTC).replace(microsecond=0) - timedelta(hours=3)
    plan = Plan(**vars(parser.parse_args()), base=base)
    plan.directory.mkdir(parents=True, exist_ok=True)
    begun_s = time.monotonic()
    killed = run(plan)
    with open_recorder(plan):
        pass  # what a process that died last of all left behind
    count = check(plan)
    seconds = time.monotonic() - begun_s
    print(  # noqa: T201 - a script
        f"exact: {plan.calls_per_lane * plan.lanes} calls, {killed} kills, "
        f"{count} usage records in the store, {seconds:.0f} s"
    )


if __name__ == "__main__":
    main()
