"""A person's retry: a usage record that the ledger has settled or parked is pending again.

The ledger is the truth, so setting `metering_pending` never bills anything twice:

    unchanged, in a parked entry       the entry is due at once
    unchanged, in a settled one        its mark is written again
    repaired, nothing of it at AWS     the entry is released, the usage goes where it belongs now
    repaired, but AWS may have it      marked as failed, with why; an alarm names the quantity
    of a released entry, or rejected   free: it is planned like any other

An edit before any mark is known by its place alone: an entry of another book holds what was there.
A put of other usage in the same millisecond looks the same, so it is listed until a person says:

    the entry has not marked it        marked as failed, with why; a retry of that is a repair
    put there since it was marked      free: other usage

Each is first read again from the table itself: the index may show an old picture of it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum

from marketplace_metering.adapters.dynamodb.api.attributes import Attributes, timestamp_ns
from marketplace_metering.adapters.dynamodb.api.requests import STATEMENTS_MAX, Calls, portions
from marketplace_metering.adapters.dynamodb.items import keys
from marketplace_metering.adapters.dynamodb.items.alarm import Alarms
from marketplace_metering.adapters.dynamodb.items.entry import Stored, read_covering
from marketplace_metering.adapters.dynamodb.items.keys import Place
from marketplace_metering.adapters.dynamodb.items.tables import TableNames
from marketplace_metering.adapters.dynamodb.items.usage_record import MARKED_BY, key_of, parse
from marketplace_metering.adapters.dynamodb.sealing.compare_with_ledger import Match, is_as_sealed
from marketplace_metering.adapters.dynamodb.sealing.pending_reader import GroupKey
from marketplace_metering.adapters.dynamodb.sealing.reject_malformed import (
    MalformedRecord,
    mark_refused,
)
from marketplace_metering.adapters.dynamodb.settling.change import Changes
from marketplace_metering.adapters.dynamodb.settling.outcome_marks import mark_of, marking
from marketplace_metering.adapters.dynamodb.settling.write_back import WriteBack
from marketplace_metering.core import ledger
from marketplace_metering.core.identity import BookKey, Window
from marketplace_metering.core.ledger import Alarm, AlarmKind, Change, Entry, EntryKey, State
from marketplace_metering.core.quantity import Quantity
from marketplace_metering.core.record import UsageRecord

TRIES = 5


class Use(Enum):
    """Whether what stands in the place of usage that another book has is that usage, changed."""

    SAME = "same"
    OTHER = "other"  # an application put it there after that was marked
    EITHER = "either"  # nobody can tell, but a person


@dataclass(slots=True)
class Settled:
    """What came of it."""

    free: dict[BookKey, set[int]] = field(default_factory=dict)
    released: list[EntryKey] = field(default_factory=list)


@dataclass(slots=True)
class _Decisions:
    """What people want of entries, and what cannot be done about usage records."""

    hasten: dict[Place, EntryKey] = field(default_factory=dict)
    mark_again: list[Match] = field(default_factory=list)
    release: dict[Place, list[tuple[Match, Attributes]]] = field(default_factory=dict)
    stuck: list[tuple[Match, Attributes]] = field(default_factory=list)


class Retries:
    """Settles what is doubtful about pending usage."""

    def __init__(
        self, calls: Calls, names: TableNames, alarms: Alarms, changes: Changes, marks: WriteBack
    ) -> None:
        self._calls = calls
        self._names = names
        self._alarms = alarms
        self._changes = changes
        self._marks = marks

    def settle(self, matches: Iterable[Match], now: datetime) -> Settled:
        """Do what the operators want where the ledger allows it, and say where it does not."""
        settled = Settled()
        decisions = self._decide(list(matches), now, settled)
        self._changes.change(
            list(decisions.hasten.values()),
            lambda entry: ledger.hasten(entry, now),
            now,
            is_marked_anew=True,
        )
        self._mark_again(decisions.mark_again)
        self._release(decisions, now, settled)
        mark_refused(
            self._calls,
            self._names,
            self._alarms,
            (_stuck(match, item, now) for match, item in decisions.stuck),
        )
        return settled

    def _decide(self, matches: list[Match], now: datetime, settled: Settled) -> _Decisions:
        decisions = _Decisions()
        items = self._read(matches)
        for match in matches:
            item = items.get((match.book.account, match.ns))
            if item is None or not _is_as_shown(item, match, now):
                continue  # the index shows an old picture: the next run sees it as it is
            covering = match.covering
            is_same = is_as_sealed(covering, match.said, match.book, match.group, match.micros)
            use = use_of(match, item)
            if match.is_free or not isinstance(covering, Stored) or use is Use.OTHER:
                settled.free.setdefault(match.book, set()).add(match.ns)
            elif not is_same and (covering.entry.state.is_settled or use is Use.EITHER):
                decisions.stuck.append((match, item))
            elif not is_same:
                decisions.release.setdefault(covering.place, []).append((match, item))
            elif covering.entry.state is State.PARKED:
                decisions.hasten[covering.place] = covering.entry.key
            elif covering.entry.state.is_settled:
                decisions.mark_again.append(match)
        return decisions

    def _read(self, matches: list[Match]) -> dict[tuple[str, int], Attributes]:
        wanted = dict.fromkeys((match.book.account, match.ns) for match in matches)
        found: dict[tuple[str, int], Attributes] = {}
        record_keys = (key_of(account, ns) for account, ns in wanted)
        for item in self._calls.get(self._names.records, record_keys):
            ns = timestamp_ns(item["create_timestamp"]["N"])
            assert ns is not None, "it was asked for by its nanoseconds"
            found[item["customerAWSAccountId"]["S"], ns] = item
        return found

    def _mark_again(self, matches: list[Match]) -> None:
        for _try in range(TRIES):
            if not matches:
                return
            self._mark(matches)
            # An entry that was changed meanwhile may have its newer marks written already, and ours
            # went over them.
            places = dict.fromkeys(match.covering.place for match in matches)
            there = read_covering(self._calls, self._names.ledger, places)
            matches = [
                match._replace(covering=there[match.covering.place])
                for match in matches
                if there[match.covering.place].revision != match.covering.revision
            ]

    def _mark(self, matches: list[Match]) -> None:
        for part in portions(matches, STATEMENTS_MAX):
            statements = []
            for match in part:
                mark = mark_of(match.covering)
                assert mark is not None, "a settled entry has a mark"
                # Without a date to be deleted at: the entry may have become unresolved meanwhile,
                # and nobody would take the date back. One that is there already stays.
                found = marking(self._names.records, match.covering, mark)
                statements.append(found.statement(match.ns, match.said.micros))
            self._calls.execute(statements)

    def _release(self, decisions: _Decisions, now: datetime, settled: Settled) -> None:
        for place, repaired in decisions.release.items():
            covering = repaired[0][0].covering
            assert isinstance(covering, Stored)
            released = self._changes.change([covering.entry.key], _releasing, now)
            if released:
                settled.released.append(covering.entry.key)
                self._marks.of_entries([place])
            else:
                decisions.stuck.extend(repaired)


def _releasing(entry: Entry) -> Change | None:
    return ledger.release(
        entry, "a usage record of this window was repaired; its usage is planned again"
    )


def _is_as_shown(item: Attributes, match: Match, now: datetime) -> bool:
    """Whether the usage record is pending and says what the index shows of it.

    Its mark with it: who looks into the ledger goes by the entry that it names.
    """
    found = parse(item, now)
    return (
        isinstance(found, UsageRecord)  # which it is only while it is pending
        and item.get(MARKED_BY, {}).get("S") == match.named
        and found.meter.book_key == match.book
        and GroupKey(found.license_arn, found.hour.number, found.tags) == match.group
        and found.micros == match.micros
    )


def use_of(match: Match, item: Attributes) -> Use:
    """What a usage record is, where an entry of another book has what stood there."""
    if not match.is_elsewhere:
        return Use.SAME  # in its own book it was corrected
    if match.is_other_use:
        return Use.OTHER
    # With words, a person has read them. Without, only its name was put there, if that.
    is_named = match.named == str(match.covering.place)
    return Use.SAME if is_named and "metering_response" in item else Use.EITHER


def _stuck(match: Match, item: Attributes, now: datetime) -> MalformedRecord:
    """A usage record that cannot be billed as it is now."""
    covering = match.covering
    assert isinstance(covering, Stored)
    entry = covering.entry
    book = keys.book_key_of(covering.place.pk)
    if entry.state.is_settled:
        state = f"that window is {entry.state}: what was sent never changes"
        remedy = "To bill more, record new usage under another create_timestamp"
    elif entry.possibly_accepted:
        state = (
            "AWS may have that window, because an earlier answer was lost: "
            "what was sent never changes"
        )
        remedy = "Set metering_pending again when the window is settled"
    else:
        state = f"that window is {entry.state} and will be sent as it is"
        remedy = (
            "If it is the same usage, set metering_pending again: the window is given back, if AWS "
            "has nothing of it by then. If it is other usage, record it under another "
            "create_timestamp"
        )
    why = (
        f"this usage record was changed after it was sealed as {book.dimension} "
        f"{Quantity(match.said.micros)} of product {book.product} in the window "
        f"{entry.window.hour}, and {state}. {remedy}."
    )
    found = parse(item, now)
    assert isinstance(found, UsageRecord), "it was read a moment ago"
    window = Window(found.meter, found.hour)
    alarm = Alarm(AlarmKind.REFUSED_INPUT, window, found.quantity, why, now)
    return MalformedRecord(item, why, alarm, covering.place)
