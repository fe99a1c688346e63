"""What a store says and holds, so that two stores can be compared.

`view` asks every question that the ports know, and looks behind their back. It leaves out what two
stores may answer differently, and nothing else:

* Nanoseconds. Equal instants of one buyer are kept some nanoseconds apart (`ports.Intake.add`); the
  embedded store tells usage of different meters apart without that. Times are cut to milliseconds.
* Versions, revisions, numbers of alarms, handles of members: each store's own means.
* The order of what is equally urgent: of entries with one deadline, of alarms of one instant, of
  the refusals of one input. All lists are sorted.
* How pending usage of one window and set of tags is divided into groups: the embedded store keeps a
  sum for each time between two seals. Groups are added up.
* Windows that no entry can take any more: a book may name them or not (`ports.Ledger.pending`).
* Where a corrected usage record was before: on AWS its mark names one entry, the latest.
* The words before the reason of a failure: a mark in the guide's table must stand by itself, and
  names the window and its quantity first.
* Attempts before the latest twenty: an item of DynamoDB has no room for any number of them.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from marketplace_metering.adapters.dynamodb.items.entry import ATTEMPTS_KEPT
from marketplace_metering.core.batch import lane_of
from marketplace_metering.core.hours import UsageHour, epoch_ns
from marketplace_metering.core.identity import Meter, Window
from marketplace_metering.core.ledger import Entry, EntryKey
from marketplace_metering.core.plan import Group
from marketplace_metering.core.views import EntryFilter, EntryView, RecordView
from marketplace_metering.proof.worlds.snapshot import MeterName, Snapshot
from tests.differential.side import Side

View = dict[str, list[str]]
ALL_TIME_NS = 2**62


def to_ms(ns: int) -> int:
    """The millisecond of an instant that may be kept some nanoseconds before or after it."""
    return (ns + 500_000) // 1_000_000


def meter_text(meter: Meter | MeterName) -> str:
    """A meter in few words."""
    by = "" if meter.license_arn is None else " by licence"
    return f"{meter.dimension} of {meter.account[-4:]} at {meter.product}{by}"


def window_text(window: Window) -> str:
    """A window in few words."""
    return f"{meter_text(window.meter)} in {window.hour.start:%d %b %H:00}"


def key_text(key: EntryKey) -> str:
    """An entry's key in few words."""
    return window_text(key.window) + (f" no. {key.serial + 1}" if key.serial else "")


def view(side: Side, accounts: Iterable[str]) -> View:
    """Everything, section by section, as sorted lines of text."""
    entries = list(side.reports.entries(EntryFilter()))
    records = [each for account in accounts for each in _records_at(side, account)]
    sections: dict[str, Iterable[str]] = {
        "the clock": [f"{side.clock.now()}"],
        "balances": map(str, side.reports.balances()),
        "entries": (f"{key_text(e.entry.key)}: {e}" for e in entries),
        "attempts": _attempts(side, entries),
        "usage records": map(record_text, records),
        "usage that waits": _waiting(side, records),
        "refused input": map(str, side.reports.refused_inputs()),
        "oldest pending": [_oldest(side)],
        "pending": _pending(side),
        "due": _due(side, [each.entry for each in entries]),
        "next due": [str(side.store.next_due_at(side.clock.now(), ()))],
        "expired": map(key_text, side.store.expired(side.clock.now())),
        "alarms": (str(alarm) for _number, alarm in side.store.undelivered_alarms()),
        **_stored(side.shop.books()),
    }
    return {name: sorted(lines) for name, lines in sections.items()}


def _records_at(side: Side, account: str) -> Iterator[RecordView]:
    yield from side.reports.records_at(account, 0, ALL_TIME_NS)


MARK = re.compile(r"released: window \S+, quantity \S+\. ")


def reason(failure: str | None) -> str | None:
    """Why usage is listed, without the window that a mark names."""
    return None if failure is None else MARK.sub("", failure, count=1)


def record_text(seen: RecordView) -> str:
    """A usage record and all that is said of it."""
    record = seen.record
    parts = [
        meter_text(record.meter),
        f"at {to_ms(record.created_ns)}",
        f"quantity {record.quantity}",
        f"tags {record.tags}",
        f"event {record.event_id}",
        f"extras {sorted(record.extras.items())}",
        f"from {seen.source}",
        f"covered by {_name(seen.entry)}",
        f"failure {reason(seen.failure)}",
    ]
    if not seen.source.startswith("a correction of "):
        parts.append(f"released from {_name(seen.released_from)}")
    return ", ".join(parts)


def _name(seen: EntryView | None) -> str | None:
    return None if seen is None else key_text(seen.entry.key)


def _attempts(side: Side, entries: Iterable[EntryView]) -> Iterator[str]:
    for each in entries:
        logged = side.reports.attempts(each.entry.key)
        for attempt in logged[-ATTEMPTS_KEPT:]:
            yield f"{key_text(each.entry.key)}: {attempt}"


def _waiting(side: Side, records: Iterable[RecordView]) -> Iterator[str]:
    for meter, hour in dict.fromkeys((each.record.meter, each.record.hour) for each in records):
        for each in side.reports.waiting(meter, hour):
            yield f"{window_text(Window(meter, hour))}: {record_text(each)}"


def _oldest(side: Side) -> str:
    at: datetime | None = side.reports.oldest_pending_at()
    return str(None if at is None else to_ms(epoch_ns(at)))


@dataclass(slots=True)
class _Together:
    micros: int = 0
    records: int = 0
    earliest_ns: int = ALL_TIME_NS

    def add(self, group: Group) -> None:
        self.micros += group.quantity.micros
        self.records += group.record_count
        self.earliest_ns = min(self.earliest_ns, group.earliest_ns)


def _pending(side: Side) -> Iterator[str]:
    for book, groups in side.store.pending(side.clock.now(), side.policy):
        sums: defaultdict[tuple[Window, Any, bool], _Together] = defaultdict(_Together)
        for group in groups:
            window = Window(group.meter, group.hour)
            sums[window, group.tags, group.was_given_back].add(group)
        for (window, tags, was_given_back), each in sums.items():
            what = f"{each.micros} micros in {each.records}, from {to_ms(each.earliest_ns)}"
            back = ", given back" if was_given_back else ""
            yield f"{window_text(window)}, tags {tags}{back}: {what}"
        oldest = UsageHour.of(side.clock.now() - side.policy.window_length)
        live = [window for window in book.live if window.hour >= oldest]
        released = [key for key in book.released if key.window.hour >= oldest]
        yield f"{book.key} has live {sorted(map(window_text, live))}"
        yield f"{book.key} has released {sorted(map(key_text, released))}"


def is_tied(entries: Iterable[Entry]) -> bool:
    """Whether the order of requests is open: two lanes, or two parked entries, of one deadline."""
    lanes: dict[datetime, object] = {}
    for entry in entries:
        if not entry.state.is_settled:
            lane: object = lane_of(entry) if entry.state == "sealed" else entry.key
            if lanes.setdefault(entry.deadline, lane) != lane:
                return True
    return False


def is_tied_within(entries: Iterable[Entry]) -> bool:
    """Whether the order of the entries of a request is open, by which one is halved."""
    deadlines = [entry.deadline for entry in entries if not entry.state.is_settled]
    return len(set(deadlines)) < len(deadlines)


def _due(side: Side, entries: list[Entry]) -> Iterator[str]:
    if not is_tied(entries):
        for entry in side.store.due(side.clock.now(), side.policy, ()):
            yield key_text(entry.key)


def _stored(books: Snapshot) -> dict[str, Iterable[str]]:
    """What is stored, read behind the back of the product's own code."""
    entries = {
        each.name: f"{meter_text(each.meter)} {each.hour} {each.serial}" for each in books.entries
    }
    return {
        "stored usage records": (
            f"{meter_text(row.meter)} at {to_ms(row.created_ns)}: {row.micros} micros, {row.tags}, "
            f"covered by {entries.get(row.entry or '')}, failure {reason(row.failure)}"
            for row in books.usage
        ),
        "stored entries": (
            f"{entries[each.name]}: {each._replace(state=str(each.state))[2:]}"
            for each in books.entries
        ),
        "stored alarms": (str(each._replace(kind=str(each.kind))) for each in books.alarms),
        "stored refused input": map(str, books.refused_inputs),
    }


def differences(one: View, other: View, names: tuple[str, str]) -> list[str]:
    """Where two views differ, in lines that a person can read."""
    told: list[str] = []
    for section in one:
        left, right = list(one[section]), list(other[section])
        for line in list(left):
            if line in right:
                left.remove(line)
                right.remove(line)
        told += [f"{section}, only in {names[0]}: {line}" for line in left]
        told += [f"{section}, only in {names[1]}: {line}" for line in right]
    return told
