"""Recording usage: conditional puts, so that nothing is overwritten and nothing counted twice.

A usage record is told from the others of its buyer by its time, which has room for a million
usage records in each millisecond: where a place is taken by other usage, the next nanosecond is
tried, towards the middle of the hour so that the usage stays in it. Where the same input has put
the very same before, it is the same. Usage with an event id goes to the place of the event, which
is the same whichever way it comes in (`core.event`). Each place is decided in turn, so that two
inputs at once agree.

DynamoDB has no transaction for thousands of items: a call that breaks off leaves what it has
recorded, and recording the same input again adds the rest.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
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
)
from marketplace_metering.adapters.dynamodb.api.requests import (
    STATEMENT_LENGTH_MAX,
    STATEMENTS_MAX,
    Calls,
    InvalidRequestError,
    Refusal,
    portions,
)
from marketplace_metering.adapters.dynamodb.items import refused_input
from marketplace_metering.adapters.dynamodb.items.alarm import Alarms
from marketplace_metering.adapters.dynamodb.items.tables import TableNames
from marketplace_metering.adapters.dynamodb.items.usage_record import (
    Content,
    content_of,
    events_at,
    first_source,
    inserting,
    item_of,
    key_of,
    replaced_by,
)
from marketplace_metering.core.event import event_clash, next_place, place_of, second_of
from marketplace_metering.core.exact_json import says_the_same
from marketplace_metering.core.hours import NS_PER_HOUR
from marketplace_metering.core.quantity import Quantity
from marketplace_metering.core.record import Problem, RefusedInput, UsageRecord
from marketplace_metering.core.record_item import timestamp_text
from marketplace_metering.ports import Taken

ITEM_BYTES_MAX = 390_000  # of 400 KB [P3]: the marks need room, too
CROWD = 10  # this many for one place are not put one after the other
CROWD_REACH_NS = 10_000
PUTS_PER_TRANSACTION = 40
BYTES_TOGETHER_MAX = 2_000_000


class Spot(NamedTuple):
    """Where a usage record may go: its buyer and the nanosecond."""

    account: str
    ns: int


class EventName(NamedTuple):
    """By what an event is known."""

    account: str
    event_id: str
    second_ns: int


@dataclass(slots=True)
class Unplaced:
    """A usage record that looks for its place, beginning at the first that is its own."""

    record: UsageRecord
    item: Attributes
    content: Content
    event: EventName | None
    spot: Spot

    @classmethod
    def of(cls, record: UsageRecord, source: str) -> Unplaced:
        """Before it has looked anywhere; raises UnstorableError if no place can hold it."""
        item = item_of(record, record.created_ns, source)
        if size_of(item) > ITEM_BYTES_MAX:
            raise UnstorableError(f"it has {size_of(item)} bytes of {ITEM_BYTES_MAX}")
        event, ns = None, record.created_ns
        if record.event_id is not None:
            event = EventName(record.account, record.event_id, second_of(ns))
            ns = place_of(record.event_id, ns)
        return cls(record, item, content_of(item), event, Spot(record.account, ns))

    def after(self, ns: int) -> int:
        """Where to look after that nanosecond."""
        return ns + self.step if self.event is None else next_place(ns)

    @property
    def step(self) -> int:
        """Towards the middle of the hour."""
        return 1 if self.record.created_ns % NS_PER_HOUR < NS_PER_HOUR // 2 else -1

    def item_at_spot(self) -> Attributes:
        """The item, at the place that is looked at."""
        return {**self.item, "create_timestamp": number(timestamp_text(self.spot.ns))}


@dataclass(slots=True)
class KnownPlaces:
    """What this input knows of places and events."""

    source: str
    own: dict[str, set[int]] = field(default_factory=dict)  # the nanoseconds it took, by buyer
    others: dict[Spot, list[Content]] = field(default_factory=dict)  # what others put, in one call
    repeated: set[Spot] = field(default_factory=set)  # of these, what this very input put before
    matched: set[tuple[Spot, int]] = field(default_factory=set)  # of others', met in this input
    events: dict[EventName, list[UsageRecord | None]] = field(default_factory=dict)

    def took(self, placed: Unplaced) -> None:
        """This input put it where it is now."""
        self.own.setdefault(placed.spot.account, set()).add(placed.spot.ns)
        if placed.event is not None:
            self.events[placed.event] = [placed.record]

    def see(self, item: Attributes) -> None:
        """Something stands in the table."""
        ns = timestamp_ns(item["create_timestamp"]["N"])
        if ns is None:
            return  # finer than a nanosecond: in nobody's way
        spot = Spot(item["customerAWSAccountId"]["S"], ns)
        if ns in self.own.get(spot.account, ()):
            return
        # A repeated input does not bring back what was corrected.
        self.others[spot] = [content_of(item), *replaced_by(item)]
        if first_source(item) == self.source:
            self.repeated.add(spot)
        for event_id, recorded in events_at(item, ns).items():
            self.events[EventName(spot.account, event_id, second_of(ns))] = recorded

    def is_free(self, spot: Spot) -> bool:
        """Whether nothing is known to stand there."""
        return spot.ns not in self.own.get(spot.account, ()) and spot not in self.others

    def go_on(self, unplaced: Unplaced) -> bool:
        """Go on to the first place that may be free; False if the very same stands before it."""
        account, ns = unplaced.spot
        own = self.own.get(account, ())
        while True:
            if ns not in own:
                spot = Spot(account, ns)
                if spot not in self.others:
                    unplaced.spot = spot
                    return True
                if unplaced.event is None and self._matches(spot, unplaced.content):
                    return False
            ns = unplaced.after(ns)

    def _matches(self, spot: Spot, content: Content) -> bool:
        for which, there in enumerate(self.others[spot] if spot in self.repeated else ()):
            if says_the_same(there, content) and (spot, which) not in self.matched:
                self.matched.add((spot, which))
                return True
        return False


@dataclass(slots=True)
class _Outcome:
    """What one call has done so far."""

    added: int = 0
    added_micros: int = 0
    already_there: int = 0
    clashes: list[tuple[UsageRecord, Problem]] = field(default_factory=list)

    def add(self, record: UsageRecord) -> None:
        self.added += 1
        self.added_micros += record.micros

    def repeat(self, record: UsageRecord, clash: Problem | None) -> None:
        """Its event is known; the clash says if it is other usage."""
        if clash is None:
            self.already_there += 1
        else:
            self.clashes.append((record, clash))

    def refuse(self, record: UsageRecord, rule: str, fix: str) -> None:
        self.clashes.append((record, Problem.of("the usage record", None, rule, fix)))


class DynamoIntake:
    """One input being recorded; see `ports.Intake`."""

    def __init__(self, calls: Calls, names: TableNames, alarms: Alarms, source: str) -> None:
        self._calls = calls
        self._names = names
        self._alarms = alarms
        self._source = source
        self._places = KnownPlaces(source)

    def add(self, records: Sequence[UsageRecord]) -> Taken:
        """Record all of them durably; what breaks off half-way is completed by its repetition."""
        outcome = _Outcome()
        self._places.others.clear()
        self._places.repeated.clear()
        unplaced = self._storable(list(records), outcome)
        while unplaced:
            unplaced = self._round(unplaced, outcome)
        return Taken(
            outcome.added,
            Quantity(outcome.added_micros),
            outcome.already_there,
            tuple(outcome.clashes),
        )

    def _storable(self, records: list[UsageRecord], outcome: _Outcome) -> list[Unplaced]:
        storable: list[Unplaced] = []
        for record in records:
            try:
                storable.append(Unplaced.of(record, self._source))
            except UnstorableError as error:
                fix = "leave out attributes that metering does not need"
                outcome.refuse(record, f"DynamoDB has no room for it: {error}", fix)
        return storable

    def _round(self, unplaced: list[Unplaced], outcome: _Outcome) -> list[Unplaced]:
        """Try the next place of each; answers those that still have none."""
        for spot in _crowded(unplaced):
            crowd = [each for each in unplaced if each.spot == spot and each.event is None]
            settled = self._put_crowd(crowd, outcome)
            unplaced = [each for each in unplaced if id(each) not in settled]
        tried: dict[Spot, Unplaced] = {}
        waiting: list[Unplaced] = []
        for each in unplaced:
            recorded = None if each.event is None else self._places.events.get(each.event)
            if recorded is not None:
                outcome.repeat(each.record, event_clash(each.record, recorded))
            elif not self._places.go_on(each):
                outcome.already_there += 1
            elif each.spot in tried:
                waiting.append(each)  # the first try decides what is there
            else:
                tried[each.spot] = each
        lost = self._put(list(tried.values()), outcome)
        self._learn(each.spot for each in lost)
        order = {id(each): number_ for number_, each in enumerate(unplaced)}
        return sorted([*waiting, *lost], key=lambda each: order[id(each)])

    def _put(self, unplaced: list[Unplaced], outcome: _Outcome) -> list[Unplaced]:
        """Put each if its place is free; answers those whose place is taken."""
        lost: list[Unplaced] = []
        ready = [(each, inserting(self._names.records, each.item_at_spot())) for each in unplaced]
        stated = [pair for pair in ready if len(pair[1].words) <= STATEMENT_LENGTH_MAX]
        for part in portions(stated, STATEMENTS_MAX):
            refusals = self._calls.execute([statement for _each, statement in part])
            for (each, _statement), refusal in zip(part, refusals, strict=True):
                self._settle(each, refusal, outcome, lost)
        for each, statement in ready:
            if len(statement.words) > STATEMENT_LENGTH_MAX:
                self._put_alone(each, outcome, lost)
        return lost

    def _settle(
        self, each: Unplaced, refusal: Refusal | None, outcome: _Outcome, lost: list[Unplaced]
    ) -> None:
        if refusal is None:
            self._took(each, outcome)
        elif refusal.invalid is not None:
            words = f"DynamoDB refuses it: {refusal.invalid}"
            outcome.refuse(each.record, words, "correct what DynamoDB names")
        else:
            lost.append(each)

    def _put_alone(self, each: Unplaced, outcome: _Outcome, lost: list[Unplaced]) -> None:
        """A put names its attributes in no statement, so there may be very many."""
        try:
            refusals = self._calls.transact([self._put_write(each)])
        except InvalidRequestError as error:
            refusals = [Refusal(invalid=str(error))]
        self._settle(each, None if refusals is None else refusals[0], outcome, lost)

    def _took(self, placed: Unplaced, outcome: _Outcome) -> None:
        self._places.took(placed)
        outcome.add(placed.record)

    def _learn(self, spots: Iterable[Spot]) -> None:
        """Read what is at places that are taken."""
        wanted = dict.fromkeys(spot for spot in spots if spot not in self._places.others)
        for item in self._calls.get(self._names.records, (key_of(*spot) for spot in wanted)):
            self._places.see(item)

    def _put_crowd(self, crowd: list[Unplaced], outcome: _Outcome) -> set[int]:
        """Many of one instant: put them together, all or none, where nothing stands; answers which
        of them (by `id`) need no other place."""
        start = crowd[0].spot
        self._look_around(crowd)
        left = [each for each in crowd if self._places.go_on(each)]
        done = set(map(id, crowd)).difference(map(id, left))
        outcome.already_there += len(done)
        for part in portions(left, _fitting(left)):
            spot = part[0].spot
            for each in part:
                while not self._places.is_free(spot):
                    spot = spot._replace(ns=each.after(spot.ns))
                each.spot = spot
                spot = spot._replace(ns=each.after(spot.ns))
            lost = self._put_together(part, outcome)
            done.update(set(map(id, part)).difference(map(id, lost)))
            if lost:
                for each in left:
                    if id(each) not in done:
                        each.spot = start
                break  # another process was here: the next round looks again
        return done

    def _put_together(self, part: list[Unplaced], outcome: _Outcome) -> list[Unplaced]:
        """Put all or none; answers those whose place is taken. If DynamoDB finds one of them
        invalid, each is put by itself."""
        lost: list[Unplaced] = []
        try:
            refusals = self._calls.transact([self._put_write(each) for each in part])
        except InvalidRequestError:
            for each in part:
                self._put_alone(each, outcome, lost)
            return lost
        if refusals is not None:
            return part
        for each in part:
            self._took(each, outcome)
        return lost

    def _look_around(self, crowd: list[Unplaced]) -> None:
        account, ns = crowd[0].spot
        reach = crowd[0].step * (CROWD_REACH_NS + len(crowd))
        first, last = sorted((ns, ns + reach))
        for item in self._calls.items(
            TableName=self._names.records,
            KeyConditionExpression=(
                "customerAWSAccountId = :account AND create_timestamp BETWEEN :first AND :last"
            ),
            ExpressionAttributeValues={
                ":account": text(account),
                ":first": number(timestamp_text(first)),
                ":last": number(timestamp_text(last)),
            },
            ConsistentRead=True,
        ):
            self._places.see(item)

    def _put_write(self, unplaced: Unplaced) -> dict[str, Any]:
        the_place_is_free = "attribute_not_exists(customerAWSAccountId)"
        return {
            "Put": {
                "TableName": self._names.records,
                "Item": unplaced.item_at_spot(),
                "ConditionExpression": the_place_is_free,
            }
        }

    def refuse(self, inputs: Sequence[RefusedInput], now: datetime) -> int:
        """Keep what cannot be metered and raise its alarms; answers how many were new."""
        return refused_input.keep(self._calls, self._names.ledger, self._alarms, inputs, now)


def _crowded(unplaced: list[Unplaced]) -> list[Spot]:
    """Places that many look at."""
    plain = Counter(each.spot for each in unplaced if each.event is None)
    return [spot for spot, count in plain.items() if count > CROWD]


def _fitting(unplaced: list[Unplaced]) -> int:
    """How many of them surely fit into one transaction."""
    largest = max((size_of(each.item) for each in unplaced), default=1)
    return max(1, min(PUTS_PER_TRANSACTION, BYTES_TOGETHER_MAX // largest))
