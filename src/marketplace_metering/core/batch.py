"""Which entries go into one `BatchMeterUsage` call, and how a refused call is taken apart."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from marketplace_metering.core.hours import BillingMonth
from marketplace_metering.core.ledger import Entry, State
from marketplace_metering.core.limits import BATCH_BYTES_MAX, BATCH_RECORDS_MAX
from marketplace_metering.core.wire import body_bytes, request, usage_record


class Lane(NamedTuple):
    """What the entries of one call have in common.

    One product and one identity [M2] [M9], and one month, because one record that is out of time
    takes the whole call with it [R5].
    """

    product: str
    is_licensed: bool
    month: BillingMonth


def lane_of(entry: Entry) -> Lane:
    """The lane that an entry is sent in."""
    meter = entry.window.meter
    month = BillingMonth(entry.stamp.year, entry.stamp.month)
    return Lane(meter.product, meter.is_licensed, month)


@dataclass(frozen=True, slots=True)
class Batch:
    """The entries of one call; one that AWS would refuse for its shape does not construct."""

    entries: tuple[Entry, ...]

    def __post_init__(self) -> None:
        count = len(self.entries)
        assert 1 <= count <= BATCH_RECORDS_MAX, f"a batch of {count} entries"
        assert len({lane_of(entry) for entry in self.entries}) == 1, "a batch mixes lanes"
        assert len({entry.window for entry in self.entries}) == count, "a window twice in a batch"
        parked = sum(entry.state is State.PARKED for entry in self.entries)
        assert parked == 0 or count == 1, "a parked entry is sent alone"

    def halves(self) -> tuple[Batch, Batch]:
        """Two smaller calls, to find the record that AWS refuses."""
        middle = len(self.entries) // 2
        return Batch(self.entries[:middle]), Batch(self.entries[middle:])


def fill(due: Sequence[Entry]) -> Batch:
    """As many due entries as fit into one call with the first: the earliest deadline first."""
    first, *rest = due
    if first.state is State.PARKED:
        return Batch((first,))
    lane = lane_of(first)
    if len(due) <= BATCH_RECORDS_MAX and not any(
        entry.allocations or entry.state is State.PARKED or lane_of(entry) != lane for entry in rest
    ):
        return Batch(tuple(due))  # it takes tags to make a call too long
    taken = [first]
    size = body_bytes(request([first]))
    for entry in rest:
        if len(taken) == BATCH_RECORDS_MAX:
            break
        if entry.state is State.PARKED or lane_of(entry) != lane:
            continue
        more = body_bytes(usage_record(entry)) + len(", ")
        if size + more > BATCH_BYTES_MAX:
            continue
        taken.append(entry)
        size += more
    return Batch(tuple(taken))
