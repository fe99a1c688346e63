"""Events that an application put elsewhere than at their place: each counts once all the same.

Recorders, files and commands put an event where its id and second say (`core.event`), and meet
it there when it comes again. A plain PutItem may put it anywhere in its second. Before such
usage is planned, its event's place is looked at: what stands there is the event, and the other one
is listed with the reason. Where nothing stands, a signpost is put, on the condition that still
nothing does, which says where the event is: two runs at once agree, a recorder that comes later
finds the event known, and so does the next plain put of it. A signpost stays for good.

Usage without an event id, and events at their place, cost no request.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from marketplace_metering.adapters.dynamodb.api.attributes import Attributes, timestamp_ns
from marketplace_metering.adapters.dynamodb.api.requests import (
    STATEMENTS_MAX,
    Calls,
    StoreError,
    portions,
)
from marketplace_metering.adapters.dynamodb.items.alarm import Alarms
from marketplace_metering.adapters.dynamodb.items.tables import TableNames
from marketplace_metering.adapters.dynamodb.items.usage_record import (
    event_stands_at,
    events_at,
    inserting,
    key_of,
    parse,
    signpost,
)
from marketplace_metering.adapters.dynamodb.sealing.pending_reader import PendingBook
from marketplace_metering.adapters.dynamodb.sealing.reject_malformed import (
    MalformedRecord,
    mark_refused,
)
from marketplace_metering.core.event import next_place, place_of, repeated_event
from marketplace_metering.core.identity import BookKey, Window
from marketplace_metering.core.ledger import Alarm, AlarmKind
from marketplace_metering.core.record import UsageRecord

Times = Mapping[BookKey, set[int]]


class Spot(NamedTuple):
    """A buyer and a nanosecond."""

    account: str
    ns: int


@dataclass(slots=True)
class _Seeker:
    """A usage record whose event is being looked for."""

    book: BookKey
    ns: int
    event_id: str
    is_held: bool  # the ledger has it: it was first, whatever else is there
    place_ns: int
    item: Attributes

    @property
    def spot(self) -> Spot:
        """Where to look."""
        return Spot(self.book.account, self.place_ns)


class _Repeat(NamedTuple):
    """A usage record whose event is another one."""

    seeker: _Seeker
    recorded: list[UsageRecord | None]
    at: str  # of the other one


class Settled(NamedTuple):
    """What must not be planned by this run, by book and nanosecond."""

    repeated: Times  # listed: its event is another usage record
    unclear: Times  # not what the index shows


class Events:
    """Looks for the events of some books."""

    def __init__(self, calls: Calls, names: TableNames, alarms: Alarms) -> None:
        self._calls = calls
        self._names = names
        self._alarms = alarms

    def settle(self, books: Mapping[BookKey, PendingBook], held: Times, now: datetime) -> Settled:
        """List what is recorded elsewhere as well."""
        away = {(key, ns): event for key, book in books.items() for ns, event in book.away.items()}
        if not away:
            return Settled({}, {})
        seekers, unclear = self._seekers(away, held, now)
        repeats = self._find(seekers)
        judged = (judgement for each in repeats if (judgement := _judgement(each, now)) is not None)
        mark_refused(self._calls, self._names, self._alarms, judged)
        repeated: defaultdict[BookKey, set[int]] = defaultdict(set)
        for each in repeats:
            repeated[each.seeker.book].add(each.seeker.ns)
        return Settled(repeated, unclear)

    def _seekers(
        self, away: Mapping[tuple[BookKey, int], str], held: Times, now: datetime
    ) -> tuple[list[_Seeker], defaultdict[BookKey, set[int]]]:
        """Those that are what the index shows; the others the next run sees as they are."""
        items = self._read(Spot(key.account, ns) for key, ns in away)
        seekers: list[_Seeker] = []
        unclear: defaultdict[BookKey, set[int]] = defaultdict(set)
        for (key, ns), event_id in away.items():
            item = items.get(Spot(key.account, ns), {})
            is_held = ns in held.get(key, ())
            if item.get("event_id", {}).get("S") == event_id and (
                is_held or _is_pending_in(key, item, now)
            ):
                place_ns = place_of(event_id, ns)
                seekers.append(_Seeker(key, ns, event_id, is_held, place_ns, item))
            else:
                unclear[key].add(ns)
        # What is in the ledger already goes first.
        seekers.sort(key=lambda each: (not each.is_held, each.ns, each.book))
        return seekers, unclear

    def _find(self, seekers: list[_Seeker]) -> list[_Repeat]:
        repeats: list[_Repeat] = []
        while seekers:
            there = self._read(each.spot for each in seekers)
            seeking: list[_Seeker] = []
            claims: dict[Spot, _Seeker] = {}
            for each in seekers:
                item = there.get(each.spot)
                if item is None:
                    if each.spot in claims:
                        seeking.append(each)  # the first one decides what will be there
                    else:
                        claims[each.spot] = each
                    continue
                recorded = events_at(item, each.place_ns).get(each.event_id)
                if recorded is None:
                    each.place_ns = next_place(each.place_ns)
                    seeking.append(each)
                    continue
                at = event_stands_at(item) or item["create_timestamp"]["N"]
                if timestamp_ns(at) != each.ns and not each.is_held:
                    repeats.append(_Repeat(each, recorded, at))
            seekers = [*self._claim(list(claims.values())), *seeking]
        return repeats

    def _claim(self, seekers: list[_Seeker]) -> list[_Seeker]:
        """Put a signpost for each; answers those whose place was taken meanwhile."""
        late: list[_Seeker] = []
        for part in portions(seekers, STATEMENTS_MAX):
            posts = [signpost(each.item, each.place_ns) for each in part]
            statements = [inserting(self._names.records, post) for post in posts]
            for each, refusal in zip(part, self._calls.execute(statements), strict=True):
                if refusal is not None and refusal.invalid is not None:
                    raise StoreError(refusal.invalid)
                if refusal is not None:
                    late.append(each)
        return late

    def _read(self, spots: Iterable[Spot]) -> dict[Spot, Attributes]:
        return dict(self._items(dict.fromkeys(spots)))

    def _items(self, spots: Iterable[Spot]) -> Iterator[tuple[Spot, Attributes]]:
        for item in self._calls.get(self._names.records, (key_of(*spot) for spot in spots)):
            ns = timestamp_ns(item["create_timestamp"]["N"])
            assert ns is not None, "it was asked for by its nanoseconds"
            yield Spot(item["customerAWSAccountId"]["S"], ns), item


def _is_pending_in(key: BookKey, item: Attributes, now: datetime) -> bool:
    found = parse(item, now)
    return isinstance(found, UsageRecord) and found.meter.book_key == key


def _judgement(repeat: _Repeat, now: datetime) -> MalformedRecord | None:
    item = repeat.seeker.item
    found = parse(item, now)
    if not isinstance(found, UsageRecord):
        return None
    account, at = item["customerAWSAccountId"]["S"], item["create_timestamp"]["N"]
    why = f"{repeated_event(found, repeat.recorded, f'{account} {repeat.at}')}."
    text = f"usage record {account} {at}: {why}"
    alarm = Alarm(
        AlarmKind.REFUSED_INPUT, Window(found.meter, found.hour), found.quantity, text, now
    )
    return MalformedRecord(item, why, alarm)
