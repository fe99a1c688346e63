"""The marks on usage records: what each outcome in the ledger looks like on them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from enum import Enum
from functools import lru_cache
from typing import Any, NamedTuple

from marketplace_metering.adapters.dynamodb.api.attributes import TRUE, number, text
from marketplace_metering.adapters.dynamodb.api.requests import Statement
from marketplace_metering.adapters.dynamodb.items import keys
from marketplace_metering.adapters.dynamodb.items.entry import Covering, Names, Rejected, Stored
from marketplace_metering.adapters.dynamodb.items.usage_record import EXPIRES, MARKED_BY
from marketplace_metering.core import ledger
from marketplace_metering.core.hours import epoch_ms
from marketplace_metering.core.ledger import Entry, State
from marketplace_metering.core.quantity import Quantity
from marketplace_metering.core.record_item import timestamp_text

RESPONSE_LENGTH_MAX = 2_000


class Fate(Enum):
    """What a mark tells at a glance."""

    DONE = "done"  # no metering_pending, no metering_failed
    FAILED = "failed"  # metering_failed, no metering_pending
    PENDING = "pending"  # metering_pending again


class Room(Enum):
    """What fits beside what an application wrote: an item holds 400 KB."""

    FOR_WORDS = "for words"
    FOR_NAME = "for the entry's name"
    FOR_FLAGS = "for flags"


class Mark(NamedTuple):
    """What is written onto every member of an entry."""

    fate: Fate
    words: str


def mark_of(covering: Covering) -> Mark | None:
    """The mark that fits, or None for a sealed entry: its members are as they were recorded."""
    if isinstance(covering, Stored):
        return _mark_of_entry(covering.entry, covering.frees)
    assert isinstance(covering, Rejected)
    return Mark(Fate.FAILED, covering.why[:RESPONSE_LENGTH_MAX])


def _mark_of_entry(entry: Entry, frees: ledger.AfterRelease | None) -> Mark | None:
    window = f"window {entry.window.hour}, quantity {entry.quantity}"
    why = entry.reason or ""
    match entry.state:
        case State.SEALED:
            return None
        case State.BILLED if entry.metering_record_id is not None:
            words = f"billed: {window}, MeteringRecordId {entry.metering_record_id}"
            return Mark(Fate.DONE, words)
        case State.BILLED | State.PRESUMED:
            return Mark(Fate.DONE, f"{entry.state}: {window}. {why}"[:RESPONSE_LENGTH_MAX])
        case State.RELEASED if frees is ledger.AfterRelease.PENDING:
            words = f"planned again, it was not billed: {window}. {why}"
            return Mark(Fate.PENDING, words[:RESPONSE_LENGTH_MAX])
        case State.PARKED | State.UNRESOLVED | State.WRITTEN_OFF | State.RELEASED:
            return Mark(Fate.FAILED, f"{entry.state}: {window}. {why}"[:RESPONSE_LENGTH_MAX])


def with_marks(before: Stored, after: Stored, now: datetime, is_asked_for: bool) -> Stored:
    """The changed entry, with its marks due if they say something else by now."""
    mark = mark_of(after)
    if mark is None or (mark == mark_of(before) and not is_asked_for):
        return after
    if mark.fate is Fate.PENDING and not before.is_marked:
        return after  # nobody took `metering_pending` away
    names = Names.ALL if before.names is None and before.names_members else before.names
    due_at_ms = epoch_ms(now)
    return replace(after, marks_due_at_ms=due_at_ms, marks_done=0, is_marked=True, names=names)


@dataclass(frozen=True, slots=True)
class Marking:
    """The statement that marks a member of one entry, but for which member it is.

    It marks a usage record only if that still says what was sealed.
    """

    words: str
    before: list[Any]
    product: dict[str, str]
    dimension: dict[str, str]
    after: list[Any]

    def statement(self, ns: int, micros: int) -> Statement:
        """For one member."""
        return Statement(
            self.words,
            [
                *self.before,
                {"N": timestamp_text(ns)},
                self.product,
                self.dimension,
                _quantity(micros),
                *self.after,
            ],
        )


@lru_cache
def _quantity(micros: int) -> dict[str, str]:
    return number(str(Quantity(micros)))


def marking(
    table: str,
    covering: Covering,
    mark: Mark,
    expires_s: int | None = None,
    room: Room = Room.FOR_WORDS,
) -> Marking:
    """How the members of an entry get its mark, or as much of it as there is room for."""
    values: list[Any]
    match mark.fate:
        case Fate.DONE:
            flags = 'REMOVE "metering_pending" REMOVE "metering_failed"'
            values = []
        case Fate.FAILED:
            flags = 'REMOVE "metering_pending" SET "metering_failed"=?'
            values = [TRUE]
        case Fate.PENDING:
            flags = 'REMOVE "metering_failed" SET "metering_pending"=?'
            values = [text("true")]
    if expires_s is not None:
        flags += f' SET "{EXPIRES}"=?'
        values.append(number(expires_s))
    elif mark.fate is not Fate.DONE:
        flags += f' REMOVE "{EXPIRES}"'  # it was presumed: a person may need it now
    steps, responses = "", []
    if room is Room.FOR_WORDS:
        steps, responses = 'SET "metering_response"=? ', [text(mark.words)]
    if room is not Room.FOR_FLAGS:
        steps += f'SET "{MARKED_BY}"=? '
        responses.append(text(str(covering.place)))
    it_says_what_was_sealed = '"productCode"=? AND "dimension"=? AND "quantity"=?'
    license_arn = covering.entry.window.meter.license_arn if isinstance(covering, Stored) else None
    conditions = []
    if license_arn is not None:
        it_says_what_was_sealed += ' AND "licenseArn"=?'
        conditions.append(text(license_arn))
    if mark.fate is Fate.PENDING and isinstance(covering, Stored) and covering.names is Names.ALL:
        # Edited away and back, it may be another entry's by now: what is given back takes no name.
        it_says_what_was_sealed += f' AND "{MARKED_BY}"=?'
        conditions.append(text(str(covering.place)))
    words = (
        f'UPDATE "{table}" {steps}{flags} WHERE "customerAWSAccountId"=? '
        f'AND "create_timestamp"=? AND {it_says_what_was_sealed}'
    )
    book = keys.book_key_of(covering.place.pk)
    return Marking(
        words,
        [*responses, *values, text(book.account)],
        text(book.product),
        text(book.dimension),
        conditions,
    )


def naming(table: str, covering: Covering, ns: int) -> Statement:
    """Have the usage record in a member's place name the entry, also if it says something else."""
    words = (
        f'UPDATE "{table}" SET "{MARKED_BY}"=? '
        'WHERE "customerAWSAccountId"=? AND "create_timestamp"=?'
    )
    account = keys.book_key_of(covering.place.pk).account
    values = [text(str(covering.place)), text(account), {"N": timestamp_text(ns)}]
    return Statement(words, values)
