"""Recording usage: conditional puts, so that nothing is overwritten and nothing counted twice.

A usage record is told from the others of its buyer by its time, which has room for a million
usage records in each millisecond: where a place is taken by other usage, the next nanosecond is
tried, towards the middle of the hour so that the usage stays in it. Where an earlier input has put
the very same, it is the same. Each place is decided in turn, so that two inputs at once agree.

DynamoDB has no transaction for thousands of items: a call that breaks off leaves what it has
recorded, and recording the same input again adds the rest.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple

from marketplace_metering.adapters.dynamodb.api.attributes import (
    Attributes,
    UnstorableError,
    number,
    size_of,
    text,
    timestamp_ns,
    timestamp_text,
)
from marketplace_metering.adapters.dynamodb.api.requests import (
    STATEMENTS_MAX,
    Calls,
    Statement,
    portions,
)
from marketplace_metering.adapters.dynamodb.items import refused_input
from marketplace_metering.adapters.dynamodb.items.alarm import Alarms
from marketplace_metering.adapters.dynamodb.items.event_id import Event, EventLog
from marketplace_metering.adapters.dynamodb.items.tables import TableNames
from marketplace_metering.adapters.dynamodb.items.usage_record import (
    Content,
    content_of,
    item_of,
    key_of,
    replaced_by,
)
from marketplace_metering.core.hours import NS_PER_HOUR
from marketplace_metering.core.quantity import Quantity
from marketplace_metering.core.record import Problem, RefusedInput, UsageRecord
from marketplace_metering.ports import Taken

ITEM_BYTES_MAX = 390_000  # of 400 KB [P3]: the marks need room, too
CROWD = 10  # this many for one place are not put one after the other
CROWD_REACH_NS = 10_000
PUTS_PER_TRANSACTION = 40
EVENTS_PER_TRANSACTION = 40  # each with its usage record
BYTES_TOGETHER_MAX = 2_000_000


class Spot(NamedTuple):
    """Where a usage record may go: its buyer and the nanosecond."""

    account: str
    ns: int


@dataclass(slots=True)
class Wish:
    """A usage record that looks for its place."""

    record: UsageRecord
    item: Attributes
    content: Content
    spot: Spot

    @property
    def step(self) -> int:
        """Towards the middle of the hour."""
        return 1 if self.record.created_ns % NS_PER_HOUR < NS_PER_HOUR // 2 else -1

    def put_at(self, spot: Spot) -> Attributes:
        """The item at that place."""
        self.spot = spot
        return {**self.item, "create_timestamp": number(timestamp_text(spot.ns))}


@dataclass(slots=True)
class _Call:
    """What one call has found out."""

    there: dict[Spot, list[Content]] = field(default_factory=dict)  # others' usage
    added: int = 0
    added_micros: int = 0
    already_there: int = 0
    clashes: list[tuple[UsageRecord, Problem]] = field(default_factory=list)


class DynamoIntake:
    """One input being recorded; see `ports.Intake`."""

    def __init__(
        self, calls: Calls, names: TableNames, alarms: Alarms, source: str, now: datetime
    ) -> None:
        self._calls = calls
        self._names = names
        self._alarms = alarms
        self._source = source
        self._now = now
        self._own: dict[str, set[int]] = {}  # the nanoseconds that this input took, by buyer
        self._matched: set[tuple[Spot, int]] = set()  # others' usage that was met in this input
        self._events = EventLog(calls, names)

    def add(self, records: Sequence[UsageRecord]) -> Taken:
        """Record all of them durably; what breaks off half-way is completed by its repetition."""
        call = _Call()
        waiting = self._wishes(list(records), call)
        while waiting:
            waiting = self._round(waiting, call)
        return Taken(
            call.added, Quantity(call.added_micros), call.already_there, tuple(call.clashes)
        )

    def _wishes(self, records: list[UsageRecord], call: _Call) -> list[Wish]:
        wishes: list[Wish] = []
        for record in records:
            try:
                item = item_of(record, record.created_ns, self._source)
                if size_of(item) > ITEM_BYTES_MAX:
                    raise UnstorableError(f"it has {size_of(item)} bytes of {ITEM_BYTES_MAX}")
            except UnstorableError as error:
                fix = "leave out what the metering does not need"
                rule = f"DynamoDB has no room for it: {error}"
                problem = Problem.of("the usage record", None, rule, fix)
                call.clashes.append((record, problem))
                continue
            spot = Spot(record.account, record.created_ns)
            wishes.append(Wish(record, item, content_of(item), spot))
        return wishes

    def _round(self, wishes: list[Wish], call: _Call) -> list[Wish]:
        """Try the next place of each; answers those that still have none."""
        for spot in self._crowded(wishes):
            self._look_around(spot, wishes, call)
        tried: dict[Spot, Wish] = {}
        waiting: list[Wish] = []
        events: dict[tuple[str, str], Wish] = {}
        for wish in wishes:
            record = wish.record
            if record.event_id is not None:
                event_key = (record.account, record.event_id)
                if self._is_known_event(wish, call):
                    continue
                if event_key in events:
                    waiting.append(wish)
                    continue
                events[event_key] = wish
            if self._is_met(wish, call):
                call.already_there += 1
            elif wish.spot in tried:
                waiting.append(wish)  # whoever tries it first decides what stands there
            else:
                tried[wish.spot] = wish
        lost = self._put([wish for wish in tried.values() if wish.record.event_id is None], call)
        lost += self._put_events([w for w in tried.values() if w.record.event_id is not None], call)
        self._learn([wish.spot for wish in lost], call)
        order = {id(wish): place for place, wish in enumerate(wishes)}
        return sorted([*waiting, *lost], key=lambda wish: order[id(wish)])

    def _is_met(self, wish: Wish, call: _Call) -> bool:
        """Go on to the first place that may be free; True if the very same stands before it."""
        account, ns = wish.spot
        own = self._own.setdefault(account, set())
        while True:
            spot = Spot(account, ns)
            if ns not in own:
                if spot not in call.there:
                    wish.spot = spot
                    return False
                if wish.record.event_id is None:
                    for n, content in enumerate(call.there[spot]):
                        if content == wish.content and (spot, n) not in self._matched:
                            self._matched.add((spot, n))
                            return True
            ns += wish.step

    def _is_known_event(self, wish: Wish, call: _Call) -> bool:
        known = self._events.known(wish.record)
        if known is None:
            return False
        problem = known.clash(wish.record)
        if problem is None:
            call.already_there += 1
        else:
            call.clashes.append((wish.record, problem))
        return True

    def _count(self, wish: Wish, call: _Call) -> None:
        self._own.setdefault(wish.spot.account, set()).add(wish.spot.ns)
        call.added += 1
        call.added_micros += wish.record.micros

    def _put(self, wishes: list[Wish], call: _Call) -> list[Wish]:
        """Put each if its place is free; answers those whose place is taken."""
        lost: list[Wish] = []
        for part in portions(wishes, STATEMENTS_MAX):
            statements = [_insert(self._names.records, w.put_at(w.spot)) for w in part]
            for wish, refusal in zip(part, self._calls.execute(statements), strict=True):
                if refusal is None:
                    self._count(wish, call)
                elif refusal.invalid is not None:
                    self._refuse(wish, refusal.invalid, call)
                else:
                    lost.append(wish)
        return lost

    def _refuse(self, wish: Wish, words: str, call: _Call) -> None:
        fix = "correct what DynamoDB names"
        problem = Problem.of("the usage record", None, f"DynamoDB refuses it: {words}", fix)
        call.clashes.append((wish.record, problem))

    def _put_events(self, wishes: list[Wish], call: _Call) -> list[Wish]:
        """Put each with its event id in one transaction; answers those to be looked at again."""
        lost: list[Wish] = []
        for part in portions(wishes, EVENTS_PER_TRANSACTION):
            while part:
                writes: list[dict[str, Any]] = []
                for wish in part:
                    event = Event.of(wish.record, wish.spot.ns)
                    writes.append(self._events.write(wish.record, event))
                    writes.append(self._put_write(wish))
                refusals = self._calls.transact(writes)
                if refusals is None:
                    for wish in part:
                        self._events.took(wish.record, Event.of(wish.record, wish.spot.ns))
                        self._count(wish, call)
                    break
                kept: list[Wish] = []
                for n, wish in enumerate(part):
                    of_event, of_place = refusals[2 * n], refusals[2 * n + 1]
                    if of_event is not None:
                        self._events.met(wish.record, of_event)
                    (lost if of_event or of_place else kept).append(wish)
                part = kept
        return lost

    def _put_write(self, wish: Wish) -> dict[str, Any]:
        the_place_is_free = "attribute_not_exists(customerAWSAccountId)"
        return {
            "Put": {
                "TableName": self._names.records,
                "Item": wish.put_at(wish.spot),
                "ConditionExpression": the_place_is_free,
            }
        }

    def _learn(self, spots: list[Spot], call: _Call) -> None:
        """See what stands at places that are taken."""
        wanted = dict.fromkeys(spot for spot in spots if spot not in call.there)
        for item in self._calls.get(self._names.records, (key_of(*spot) for spot in wanted)):
            self._see(item, call)

    def _see(self, item: Attributes, call: _Call) -> None:
        ns = timestamp_ns(item["create_timestamp"]["N"])
        assert ns is not None, "only nanoseconds are asked for"
        spot = Spot(item["customerAWSAccountId"]["S"], ns)
        if ns in self._own.get(spot.account, ()):
            return
        # A repeated input does not bring back what was corrected.
        call.there[spot] = [content_of(item), *replaced_by(item)]

    def _crowded(self, wishes: list[Wish]) -> list[Spot]:
        plain = Counter(wish.spot for wish in wishes if wish.record.event_id is None)
        return [spot for spot, count in plain.items() if count > CROWD]

    def _look_around(self, spot: Spot, wishes: list[Wish], call: _Call) -> None:
        """Many equal instants: put them all at once, all or none, where nothing stands."""
        crowd = [w for w in wishes if w.spot == spot and w.record.event_id is None]
        step = crowd[0].step
        first, last = sorted((spot.ns, spot.ns + step * (CROWD_REACH_NS + len(crowd))))
        for item in self._calls.items(
            TableName=self._names.records,
            KeyConditionExpression=(
                "customerAWSAccountId = :account AND create_timestamp BETWEEN :first AND :last"
            ),
            ExpressionAttributeValues={
                ":account": text(spot.account),
                ":first": number(timestamp_text(first)),
                ":last": number(timestamp_text(last)),
            },
            ConsistentRead=True,
        ):
            if timestamp_ns(item["create_timestamp"]["N"]) is not None:
                self._see(item, call)
        left: list[Wish] = []
        for wish in crowd:
            if self._is_met(wish, call):
                call.already_there += 1
                wishes.remove(wish)
            else:
                left.append(wish)
        for part in portions(left, _fitting(left)):
            taken = self._own.get(spot.account, set())
            ns = part[0].spot.ns
            for wish in part:
                while ns in taken or Spot(spot.account, ns) in call.there:
                    ns += step
                wish.spot = Spot(spot.account, ns)
                ns += step
            if self._calls.transact([self._put_write(wish) for wish in part]) is not None:
                for wish in left:
                    wish.spot = spot
                return  # another process was here: the next round looks again
            for wish in part:
                self._count(wish, call)
                wishes.remove(wish)

    def refuse(self, inputs: Sequence[RefusedInput], now: datetime) -> int:
        """Keep what cannot be metered and raise its alarms; answers how many were new."""
        return refused_input.keep(self._calls, self._names.ledger, self._alarms, inputs, now)


def _fitting(wishes: list[Wish]) -> int:
    """How many of them surely fit into one transaction."""
    largest = max((size_of(wish.item) for wish in wishes), default=1)
    return max(1, min(PUTS_PER_TRANSACTION, BYTES_TOGETHER_MAX // largest))


def _insert(table: str, item: Attributes) -> Statement:
    """PartiQL's INSERT refuses to overwrite."""
    names = ", ".join("'{}': ?".format(name.replace("'", "''")) for name in item)
    return Statement(f'INSERT INTO "{table}" VALUE {{{names}}}', list(item.values()))
