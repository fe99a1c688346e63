"""Storing plans: the entries, their members and the head of the book in one transaction.

Plans of several books share a transaction; a condition that one of them fails is told apart from
the others, which are written again without it, and so is one that DynamoDB finds invalid. A plan
too large for one transaction takes several, each of which is whole in itself and brings the book to
a next version. Each transaction writes the buyers whose usage it seals as well: nobody else has
sealed usage of theirs since it was read.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple

from marketplace_metering.adapters.dynamodb.api.attributes import Attributes, size_of
from marketplace_metering.adapters.dynamodb.api.requests import (
    TRANSACTION_BYTES_MAX,
    TRANSACTION_ITEMS_MAX,
    Calls,
    InvalidRequestError,
    Refusal,
)
from marketplace_metering.adapters.dynamodb.items import keys
from marketplace_metering.adapters.dynamodb.items.alarm import Alarms
from marketplace_metering.adapters.dynamodb.items.book_head import (
    NO_WINDOW,
    BookAsRead,
    Cover,
    Head,
    Holding,
    cover,
    read_heads,
)
from marketplace_metering.adapters.dynamodb.items.buyer_books import Buyer, BuyerBooks, read_buyers
from marketplace_metering.adapters.dynamodb.items.chunks import Parts
from marketplace_metering.adapters.dynamodb.items.entry import (
    Covering,
    Rejected,
    Stored,
    new_item,
    rejected_item,
)
from marketplace_metering.adapters.dynamodb.items.keys import Place
from marketplace_metering.adapters.dynamodb.items.license_owner import claim
from marketplace_metering.adapters.dynamodb.items.member_list import MemberColumns, MemberList
from marketplace_metering.adapters.dynamodb.items.tables import TableNames
from marketplace_metering.adapters.dynamodb.settling.recent_writes import Memory
from marketplace_metering.core.hours import UsageHour, epoch_ms
from marketplace_metering.core.identity import BookKey
from marketplace_metering.core.ledger import Alarm
from marketplace_metering.core.license_owners import Owner, to_be_claimed
from marketplace_metering.core.plan import Appended, Book, Group, Plan, Sealing, Unstorable

COVERS_PER_STEP = 40
ALARMS_PER_STEP = 40
NUMBERS_PER_VERSION = 100


class _Target(NamedTuple):
    """Which plan of a call it is, and of what."""

    plan: int
    book: BookKey
    buyer: Buyer


@dataclass(slots=True)
class _BookTransaction:
    """What one transaction does for one book."""

    plan: int
    book: BookKey
    buyer: Buyer
    before: Head
    after: Head
    writes: list[dict[str, Any]]
    coverings: list[Covering]
    parts: Parts
    latest_hour: int | None = None  # of the windows that it seals
    size: int = 0


class _Rejection(NamedTuple):
    """Usage of one hour, with any tags, that is rejected for one reason: one item of the ledger."""

    hour: UsageHour
    why: str
    groups: tuple[Group, ...]


@dataclass(slots=True)
class _PlanPart:
    """As much of a plan as one transaction takes."""

    sealings: list[Sealing] = field(default_factory=list)
    rejected: list[_Rejection] = field(default_factory=list)
    alarms: list[Alarm] = field(default_factory=list)


class SealingLedger:
    """Takes plans."""

    def __init__(
        self,
        calls: Calls,
        names: TableNames,
        alarms: Alarms,
        memory: Memory,
        new_revision: Callable[[], str],
    ) -> None:
        self._calls = calls
        self._names = names
        self._alarms = alarms
        self._memory = memory
        self._new_revision = new_revision

    def append(self, plans: Sequence[Plan], now: datetime) -> list[Appended]:
        """Store each plan whole, or answer False if its book changed since it was read."""
        stored: list[Appended] = [*self._licenses_are_own(plans)]
        heads = self._heads([plan.book for plan in plans])
        buyers = self._buyers([plan.book for plan in plans])
        small: list[_BookTransaction] = []
        for number, plan in enumerate(plans):
            head = heads.pop(plan.book.key, None)
            if not stored[number]:
                continue
            if head is None or head.version != plan.book.version:
                stored[number] = False  # of two plans for one book the first makes the other stale
                continue
            pieces = list(_pieces(plan))
            target = _Target(number, plan.book.key, buyers[plan.book.key])
            if len(pieces) == 1:
                small.append(self._step(target, head, pieces[0], now))
            else:
                self._store_pieces(target, head, pieces, now, stored)
        for steps in _shared(small):
            self._store(steps, stored)
        return stored

    def _licenses_are_own(self, plans: Sequence[Plan]) -> list[bool]:
        """Claim the licences of each plan for its product code: is none of them another's?"""
        claims = [_claims_of(plan) for plan in plans]
        products: dict[str, str] = {}
        for plan, licenses in zip(plans, claims, strict=True):
            for arn in licenses:
                products.setdefault(arn, plan.book.key.product)
        owners = claim(self._calls, self._names.ledger, products)
        return [
            all(owners[arn] == Owner(plan.book.key.product) for arn in licenses)
            for plan, licenses in zip(plans, claims, strict=True)
        ]

    def _heads(self, books: Sequence[Book]) -> dict[BookKey, Head]:
        heads = {book.key: book.head for book in books if isinstance(book, BookAsRead)}
        others = {keys.book_pk(book.key): book.key for book in books if book.key not in heads}
        if others:
            read = read_heads(self._calls, self._names.ledger, others)
            heads.update((others[pk], head) for pk, head in read.items())
        return heads

    def _buyers(self, books: Sequence[Book]) -> dict[BookKey, Buyer]:
        buyers = {
            book.key: book.buyer
            for book in books
            if isinstance(book, BookAsRead) and book.buyer is not None
        }
        others = {book.key for book in books if book.key not in buyers}
        if others:
            accounts = dict.fromkeys(key.account for key in others)
            read = read_buyers(self._calls, self._names.ledger, accounts)
            buyers.update((key, read[key.account]) for key in others)
        return buyers

    def _store_pieces(
        self,
        target: _Target,
        head: Head,
        pieces: list[_PlanPart],
        now: datetime,
        stored: list[Appended],
    ) -> None:
        for piece in pieces:
            step = self._step(target, head, piece, now)
            self._store([step], stored)
            if stored[target.plan] is not True:
                return
            head = step.after

    def _step(
        self, target: _Target, head: Head, piece: _PlanPart, now: datetime
    ) -> _BookTransaction:
        parts = Parts()
        covers: list[Cover] = []
        coverings: list[Covering] = []
        writes: list[dict[str, Any]] = []
        before = head
        for sealing in piece.sealings:
            head, stored, covered = self._sealed(head, sealing, parts, now)
            coverings.append(stored)
            covers.append(covered)
            writes.append(self._put_if_absent(new_item(stored, parts)))
        for index, rejection in enumerate(piece.rejected):
            serial = head.version * NUMBERS_PER_VERSION + index
            rejected, covered = self._rejected(head.pk, rejection, serial, parts, now)
            coverings.append(rejected)
            covers.append(covered)
            writes.append(self._put_if_absent(rejected_item(rejected)))
        writes += [self._alarms.write(alarm) for alarm in piece.alarms]
        after = head.bumped([*head.covers, *covers], now)
        writes.insert(0, after.write(self._names.ledger, before))
        hours = [sealing.entry.window.hour.number for sealing in piece.sealings]
        size = sum(size_of(write["Put"]["Item"]) for write in writes)
        if hours:
            size += size_of(target.buyer.books.item())
        return _BookTransaction(
            *target, before, after, writes, coverings, parts, max(hours, default=None), size
        )

    def _put_if_absent(self, item: Attributes) -> dict[str, Any]:
        nobody_sealed_the_window = "attribute_not_exists(pk)"
        return {
            "Put": {
                "TableName": self._names.ledger,
                "Item": item,
                "ConditionExpression": nobody_sealed_the_window,
                "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
            }
        }

    def _sealed(
        self, head: Head, sealing: Sealing, parts: Parts, now: datetime
    ) -> tuple[Head, Stored, Cover]:
        entry = sealing.entry
        members = MemberList.of((group.tags, _columns(group)) for group in sealing.groups)
        assert len(members) == entry.record_count, f"{len(members)} members in {entry}"
        head, identity = head.with_license(entry.window.meter.license_arn)
        stored = Stored(
            place=keys.entry_place(entry.key),
            revision=self._new_revision(),
            members=parts.take(head.pk, members.encode()),
            entry=entry,
            sealed_at_ms=epoch_ms(now),
            # One that is settled from the beginning has news for its members.
            marks_due_at_ms=epoch_ms(now) if entry.state.is_settled else None,
            is_marked=entry.state.is_settled,
        )
        hour = entry.window.hour.number
        first_ns, last_ns = members.first_ns, members.last_ns
        return head, stored, cover(hour, identity, entry.serial, Holding.LIVE, first_ns, last_ns)

    def _rejected(
        self, pk: str, rejection: _Rejection, serial: int, parts: Parts, now: datetime
    ) -> tuple[Rejected, Cover]:
        members = MemberList.of((group.tags, _columns(group)) for group in rejection.groups)
        hour = rejection.hour.number
        rejected = Rejected(
            place=Place(pk, keys.hour_sk(hour, keys.REJECTED, serial)),
            revision=self._new_revision(),
            members=parts.take(pk, members.encode()),
            marks_due_at_ms=epoch_ms(now),
            why=rejection.why,
        )
        first_ns, last_ns = members.first_ns, members.last_ns
        return rejected, cover(hour, NO_WINDOW, serial, Holding.LISTED, first_ns, last_ns)

    def _store(self, steps: list[_BookTransaction], stored: list[Appended]) -> None:
        """Write what several books' steps do; notes those whose book had changed or is invalid."""
        parts = (item for step in steps for item in step.parts.items.values())
        self._calls.put(self._names.ledger, parts)
        self._transact(steps, stored)

    def _transact(self, steps: list[_BookTransaction], stored: list[Appended]) -> None:
        while steps:
            buyers = _sealed_for(steps)
            writes = [
                after.write(self._names.ledger, buyer.books) for buyer, after in buyers.values()
            ]
            owners: list[set[int]] = [
                {id(step) for step in steps if id(step.buyer) == buyer} for buyer in buyers
            ]
            for step in steps:
                owners += [{id(step)}] * len(step.writes)
                writes += step.writes
            try:
                refused = self._calls.transact(writes)
            except InvalidRequestError as error:
                self._isolate(steps, str(error), stored)
                return
            if refused is None or _are_own(refused, writes):
                for buyer, after in buyers.values():
                    buyer.books = after
                self._remember(steps, writes)
                return
            left = []
            for step in steps:
                refusals = [
                    refusal
                    for owner, refusal in zip(owners, refused, strict=True)
                    if refusal is not None and id(step) in owner
                ]
                if refusals:
                    stored[step.plan] = _answer(refusals)
                else:
                    left.append(step)
            steps = left

    def _isolate(self, steps: list[_BookTransaction], words: str, stored: list[Appended]) -> None:
        """One book of several is to blame: it costs only itself."""
        if len(steps) == 1:
            stored[steps[0].plan] = Unstorable(words)
            return
        half = len(steps) // 2
        self._transact(steps[:half], stored)
        self._transact(steps[half:], stored)

    def _remember(self, steps: list[_BookTransaction], writes: list[dict[str, Any]]) -> None:
        self._alarms.were_raised(writes)
        for step in steps:
            for covering in step.coverings:
                self._memory.wrote(covering)


def _answer(refusals: Iterable[Refusal]) -> Appended:
    """To a plan that was not stored."""
    invalid = [each.invalid for each in refusals if each.invalid is not None]
    return Unstorable(invalid[0]) if invalid else False


def _claims_of(plan: Plan) -> Sequence[str]:
    entries = [sealing.entry for sealing in plan.sealings]
    return to_be_claimed(plan.book.key.product, entries, plan.book.owners)


def _sealed_for(steps: list[_BookTransaction]) -> dict[int, tuple[Buyer, BuyerBooks]]:
    """The buyers whose usage these steps seal, and their books afterwards."""
    windows: dict[int, dict[BookKey, int]] = {}
    buyers: dict[int, Buyer] = {}
    for step in steps:
        if step.latest_hour is not None:
            buyers[id(step.buyer)] = step.buyer
            windows.setdefault(id(step.buyer), {})[step.book] = step.latest_hour
    return {key: (buyer, buyer.books.sealed(windows[key])) for key, buyer in buyers.items()}


def _are_own(refused: list[Refusal | None], writes: list[dict[str, Any]]) -> bool:
    """Whether the transaction was done after all and only the answer to it was lost."""
    for refusal, write in zip(refused, writes, strict=True):
        there = (refusal.there if refusal is not None else None) or {}
        if "revision" in there:
            return bool(there["revision"] == write["Put"]["Item"].get("revision"))
    return False


def _columns(group: Group) -> MemberColumns:
    assert isinstance(group.members, MemberColumns), "a group of another store"
    return group.members


def _pieces(plan: Plan) -> Iterator[_PlanPart]:
    """The plan in as few transactions as it needs: nearly always one."""
    covers: list[Sealing | _Rejection] = [*plan.sealings, *_rejections(plan)]
    alarms = list(plan.alarms)
    while covers or alarms:
        piece = _PlanPart(alarms=alarms[:ALARMS_PER_STEP])
        for each in covers[:COVERS_PER_STEP]:
            if isinstance(each, Sealing):
                piece.sealings.append(each)
            else:
                piece.rejected.append(each)
        covers, alarms = covers[COVERS_PER_STEP:], alarms[ALARMS_PER_STEP:]
        yield piece


def _rejections(plan: Plan) -> Iterator[_Rejection]:
    """What is rejected, for each hour and reason together: however many sets of tags it has, the
    head of the book names it once."""
    together: dict[tuple[UsageHour, str], list[Group]] = {}
    for group, why in plan.rejected:
        together.setdefault((group.hour, why), []).append(group)
    for (hour, why), groups in together.items():
        yield _Rejection(hour, why, tuple(groups))


def _shared(steps: list[_BookTransaction]) -> Iterator[list[_BookTransaction]]:
    """Steps of different books that fit into one transaction, which writes no buyer twice."""
    together: list[_BookTransaction] = []
    for step in steps:
        buyers = {id(each.buyer): each.book.account for each in (*together, step)}
        count = sum(len(each.writes) for each in (*together, step)) + len(buyers)
        size = sum(each.size for each in (*together, step))
        is_read_twice = len(set(buyers.values())) < len(buyers)
        is_full = count > TRANSACTION_ITEMS_MAX or size > TRANSACTION_BYTES_MAX
        if together and (is_full or is_read_twice):
            yield together
            together = []
        together.append(step)
    if together:
        yield together
