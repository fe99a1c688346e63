"""A restored store neither seals nor sends until a person says what it is (money rule 14).

Whatever seals looks at the mark first; whatever sends raises it before each request, after the
intent is stored. So for every copy there is: either it knows of the attempt, or it is behind its
mark when it comes back. See `core.copies`.
"""

from __future__ import annotations

import logging
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from marketplace_metering.core.batch import Batch
from marketplace_metering.core.copies import (
    BEGUN,
    SENDING,
    Mark,
    MarkUnusableError,
    Sending,
    Standing,
    standing,
)
from marketplace_metering.core.hours import EPOCH, UsageHour
from marketplace_metering.core.ledger import Alarm, AlarmKind, EntryKey
from marketplace_metering.core.outcome import Answered, Fault, Lost, RequestRefused
from marketplace_metering.core.policy import Policy
from marketplace_metering.jobs.admit import CharterError, check_place
from marketplace_metering.ports import HighWaterMark, Ledger, Ports

logger = logging.getLogger("marketplace_metering.jobs.copies")

TOLD = "restore told"  # of which mark people were told
TRIES = 100  # each is lost to a process that got on

WORDS = {
    Standing.BEHIND: (
        "this store was restored from a copy: something was sent at {mark.at:%Y-%m-%d %H:%M:%S}Z "
        "(number {mark.number}) that it does not know; the latest that it knows is {known}. What "
        "it shows as pending, unsettled or listed may have been billed since. Nothing was sealed "
        "or sent. Say of when the copy is: metering restored --at TIME"
    ),
    Standing.UNMARKED: (
        "this store has sent usage before (the latest that it knows is {known}), its mark is "
        "missing, and older usage is open: it may be a copy that was restored without its mark. "
        "Nothing was sealed or sent. If it is a copy, say of when: metering restored --at TIME. If "
        "it was only moved, and nothing was sent elsewhere: metering restored --not-a-copy"
    ),
    Standing.ELSEWHERE: (
        "the mark of this store was made for another file: both were moved, or both were copied "
        "and more was sent since (the latest that they know is {known}). Nothing was sealed or "
        "sent. If it is a copy, say of when: metering restored --at TIME. If it was only moved, "
        "and nothing was sent elsewhere: metering restored --not-a-copy"
    ),
}


class RestoredStoreError(Exception):
    """The store may not be the latest of its copies; the message says what a person has to do."""


def known_sending(store: Ledger) -> Sending | None:
    """The latest sending that the store knows of."""
    return sending_in(store.facts())


def sending_in(facts: Mapping[str, str]) -> Sending | None:
    """The latest sending among the facts of a store."""
    text = facts.get(SENDING)
    return None if text is None else Sending.parse(text)


def look(store: Ledger, mark: HighWaterMark) -> tuple[Standing, Sending | None, Mark | None]:
    """How the store stands beside its mark."""
    # The mark first: another process may raise both in between, the store before its mark.
    there = mark.read()
    known = known_sending(store)
    return standing(known, there), known, there


def admitted(ports: Ports, policy: Policy) -> Ports:
    """The ports for one run, which tell the mark of everything they send.

    Raises RestoredStoreError, after people were told once, where a person has to speak first.
    """
    if ports.mark is None:
        return ports
    stands, known, there = look(ports.store, ports.mark)
    if stands in WORDS:  # or the first sending of all came between the two looks
        stands, known, there = look(ports.store, ports.mark)
    if stands is Standing.UNMARKED and not _older_usage_is_open(ports, policy):
        stands = Standing.LEVEL
    if stands in WORDS:
        raise _refusal(ports, stands, known, there)
    return replace(ports, marketplace=_Announced(ports, ports.mark, known))


def explain(stands: Standing, known: Sending | None, there: Mark | None) -> str:
    """What is wrong, with the values, and what to do."""
    latest = "none" if known is None else f"number {known.number}, {known.at:%Y-%m-%d %H:%M:%S}Z"
    return WORDS[stands].format(known=latest, mark=None if there is None else there.sending)


def complaint(store: Ledger, mark: HighWaterMark | None) -> str | None:
    """What a person has to say of a store before anything is sent from it, if anything."""
    if mark is None:
        return None
    seen = look(store, mark)
    return explain(*seen) if seen[0] in (Standing.BEHIND, Standing.ELSEWHERE) else None


def _refusal(
    ports: Ports, stands: Standing, known: Sending | None, there: Mark | None
) -> RestoredStoreError:
    text = explain(stands, known, there)
    about = str(None if there is None else there.sending)
    told = ports.store.facts().get(TOLD)
    if told != about:
        alarm = Alarm(AlarmKind.RESTORED, None, None, text, ports.clock.now())
        try:
            ports.notifier.notify([alarm])
        except Exception:
            logger.exception("nobody could be told that this store was restored")
        else:
            ports.store.set_fact(TOLD, about, told)
    return RestoredStoreError(text)


def _older_usage_is_open(ports: Ports, policy: Policy) -> bool:
    """Whether there is anything that another copy may have billed: all but the current hour's."""
    now = ports.clock.now()
    if any(ports.store.expired(now)) or ports.store.next_due_at(EPOCH, ()) is not None:
        return True
    hour = UsageHour.of(now)
    return any(
        group.hour < hour for _book, groups in ports.store.pending(now, policy) for group in groups
    )


@dataclass(slots=True)
class _Announced:
    """AWS, behind a mark that is raised before each request; see `ports.Marketplace`."""

    ports: Ports
    mark: HighWaterMark
    known: Sending | None
    by: str = field(default_factory=lambda: secrets.token_hex(6))

    def take_turn(self) -> None:
        """As AWS's quota allows."""
        self.ports.marketplace.take_turn()

    def submit(self, batch: Batch) -> Answered[EntryKey] | RequestRefused | Lost:
        """Raise the mark, then send; a request whose mark cannot be raised never leaves."""
        try:
            self._announce()
        except (MarkUnusableError, CharterError) as error:
            return RequestRefused(
                Fault.ACCOUNT, type(error).__name__.removesuffix("Error"), str(error)
            )
        return self.ports.marketplace.submit(batch)

    def _announce(self) -> None:
        """The store first, then the mark: a crash in between leaves the store ahead of it."""
        for _try in range(TRIES):
            before, now = self.known, self.ports.clock.now()
            if before is None:
                # Or a crash before the first raise would look like a mark that is missing.
                self.mark.raise_to(Sending(BEGUN, 0, self.by, now))
            number, restores = (BEGUN, 0) if before is None else before[:2]
            sending = Sending(number + 1, restores, self.by, now)
            instead_of = None if before is None else str(before)
            is_ours = self.ports.store.set_fact(SENDING, str(sending), instead_of)
            self._look_again(restores, self.mark.raise_to(sending) if is_ours else self.mark.read())
            if is_ours:
                return
        raise MarkUnusableError("other processes keep sending: this one comes with its next run")

    def _look_again(self, restores: int, there: Mark | None) -> None:
        """Whether it still is the store that it was, and no copy has come in its place.

        Also after the mark was raised: a copy that came right before that is level with it still,
        holds nothing, and may send what this process was about to send.
        """
        facts = self.ports.store.facts()
        if self.ports.claim is not None:
            check_place(facts, self.ports.claim())
        self.known = known = sending_in(facts)
        stands = standing(known, there)
        if stands in (Standing.BEHIND, Standing.ELSEWHERE):
            raise _refusal(self.ports, stands, known, there)
        if known is not None and known.restores != restores:
            raise RestoredStoreError(
                "this store was restored while usage was being sent from it: the next run goes on"
            )
