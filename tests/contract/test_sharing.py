"""One store, several processes: what one promised, every other one sees (money rules 2 and 6)."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from marketplace_metering.core import ledger
from marketplace_metering.core.identity import Meter
from marketplace_metering.core.ledger import Entry, State
from marketplace_metering.core.outcome import Duplicate, NotSubscribed
from marketplace_metering.core.quantity import total
from tests.contract.conftest import Open
from tests.support import steps
from tests.support.build import DIMENSION, PRODUCT, quantity, usage
from tests.support.clock import utc

NOW = utc("11:30")


def test_a_restart_keeps_everything(shared: Open) -> None:
    records = [usage("09:10", 5), usage("10:10", 7), usage("11:10", 1)]
    with shared() as before:
        steps.record(before, NOW, *records)
        nine, ten = steps.seal(before, NOW)
        steps.attempt(before, nine.key, NotSubscribed(), NOW)
        steps.begin(before, ten.key, NOW)
        alarms = steps.alarms(before)
    with shared() as after:
        assert steps.stored(after, nine.key, NOW).state is State.PARKED
        assert steps.stored(after, ten.key, NOW).begun == 1
        assert steps.pending_quantity(after, NOW) == quantity(1)
        assert steps.alarms(after) == alarms != []
        assert steps.record(after, NOW, *records).already_there == 3


def test_one_process_sees_at_once_what_another_one_recorded_and_sealed(shared: Open) -> None:
    with shared() as first, shared() as second:
        steps.record(first, NOW, usage("09:10", 5))
        stale = steps.plans(second, NOW)
        [entry] = steps.seal(first, NOW)
        assert list(second.append(stale, NOW)) == [False]
        assert list(second.due(NOW, steps.POLICY, ())) == [entry]


def test_an_attempt_of_one_process_forbids_another_one_to_release(shared: Open) -> None:
    with shared() as first, shared() as second:
        steps.record(first, NOW, usage("09:10", 5))
        [entry] = steps.seal(first, NOW)
        copy = steps.stored(second, entry.key, NOW)
        steps.begin(first, entry.key, NOW)
        assert ledger.release(copy, "on the copy") is not None
        assert steps.change(second, entry.key, lambda e: ledger.release(e, "stored"), NOW) is None


def test_a_duplicate_is_presumed_when_another_process_made_the_first_attempt(shared: Open) -> None:
    with shared() as first, shared() as second:
        steps.record(first, NOW, usage("09:10", 5))
        [entry] = steps.seal(first, NOW)
        steps.begin(first, entry.key, NOW)  # and dies
        steps.attempt(second, entry.key, Duplicate(), NOW)
        assert steps.stored(second, entry.key, NOW).state is State.PRESUMED


def test_of_two_processes_that_record_the_same_event_one_counts(shared: Open) -> None:
    with shared() as first, shared() as second:
        event = usage("09:10", 5, event_id="e-1")
        assert steps.record(first, NOW, event).added == 1
        assert steps.record(second, NOW, event).already_there == 1


def test_concurrent_processes_neither_lose_nor_double_usage(shared: Open) -> None:
    """Four processes record and two seal, all at once; in the end each use is in one entry."""
    meters = [Meter(PRODUCT, f"{number:012d}", DIMENSION) for number in range(3)]
    rounds = 12

    def record(writer: int) -> None:
        with shared() as store:
            for number in range(rounds):
                used_at = f"{8 + number % 3:02d}:{writer:02d}:{number:02d}"
                uses = [usage(used_at, number + 1, meter=meter) for meter in meters]
                steps.record(store, NOW, *uses, source=f"writer {writer}")

    def seal(_number: int) -> None:
        with shared() as store:
            for _round in range(rounds):
                store.append(steps.plans(store, NOW), NOW)

    with ThreadPoolExecutor(6) as pool:
        writers = [pool.submit(record, writer) for writer in range(4)]
        sealers = [pool.submit(seal, number) for number in range(2)]
        for work in writers + sealers:
            work.result()
    with shared() as store:
        steps.seal(store, NOW)
        sealed: list[Entry] = []
        while due := store.due(NOW, steps.POLICY, ()):
            sealed.extend(due)
            for entry in due:
                steps.attempt(store, entry.key, NotSubscribed(), NOW)
        recorded = 4 * len(meters) * sum(range(1, rounds + 1))
        in_entries = total(entry.quantity for entry in sealed)
        assert in_entries + steps.pending_quantity(store, NOW) == quantity(recorded)
        assert len({entry.window for entry in sealed}) == len(sealed)


def test_processes_that_open_a_new_store_at_once_all_succeed(shared: Open) -> None:
    def open_and_record(number: int) -> int:
        with shared() as store:
            event = usage("09:10", 1, event_id="e-1")
            return steps.record(store, NOW, event, source=f"{number}").added

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(open_and_record, range(8))) == 1
