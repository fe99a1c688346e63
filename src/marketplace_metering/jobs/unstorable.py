"""A book that the store cannot take or read costs only itself: it stays pending, with an alarm."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Sequence
from dataclasses import dataclass

from marketplace_metering.core.identity import BookKey
from marketplace_metering.core.ledger import Alarm, AlarmKind
from marketplace_metering.core.plan import Book, Group, Plan, Unstorable
from marketplace_metering.core.quantity import Quantity, total
from marketplace_metering.ports import Ports

logger = logging.getLogger("marketplace_metering.jobs.unstorable")

TOLD = "unstorable told"  # the fact: on which day people were told of which books


@dataclass(frozen=True, slots=True)
class UnstorableBook:
    """What was to be sealed of a book, and why the store did not take it."""

    key: BookKey
    records: int
    quantity: Quantity
    why: str
    cannot: str = "take the plan for"

    @classmethod
    def of(cls, plan: Plan, answer: Unstorable) -> UnstorableBook:
        """Of a plan that was not stored."""
        groups = [group for sealing in plan.sealings for group in sealing.groups]
        groups += [group for group, _why in plan.rejected]
        return cls(plan.book.key, *_sum(groups), answer.words)

    @classmethod
    def unread(cls, book: Book, groups: Sequence[Group]) -> UnstorableBook:
        """Of a book that could not be read."""
        return cls(book.key, *_sum(groups), book.unreadable, "read what the ledger has beside")

    def __str__(self) -> str:
        key = self.key
        return (
            f"{key.product} {key.account} {key.dimension}: the store cannot {self.cannot} "
            f"{self.records} usage records, quantity {self.quantity}; they stay pending and all "
            f"other usage is metered. It said: {self.why}"
        )

    def figures(self) -> dict[str, str | int]:
        """As JSON."""
        return {
            "product": self.key.product,
            "account": self.key.account,
            "dimension": self.key.dimension,
            "usage_records": self.records,
            "quantity": str(self.quantity),
            "why": self.why,
        }


def _sum(groups: Sequence[Group]) -> tuple[int, Quantity]:
    records = sum(group.record_count for group in groups)
    return records, total(group.quantity for group in groups)


def tell(ports: Ports, books: Sequence[UnstorableBook]) -> None:
    """Alarm people: at once, and once a day for as long as it lasts.

    An alarm is stored with what it is about; this is about what could not be stored. If nobody can
    be told now, the next run tells them.
    """
    if not books:
        return
    now = ports.clock.now()
    names = "\n".join(sorted(str(each.key) for each in books))
    about = f"{now:%Y-%m-%d} {hashlib.sha256(names.encode()).hexdigest()}"
    told = ports.store.facts().get(TOLD)
    if told == about:
        return
    alarms = [Alarm(AlarmKind.UNSTORABLE, None, each.quantity, str(each), now) for each in books]
    try:
        ports.notifier.notify(alarms)
    except Exception:
        logger.exception("nobody could be told what could not be stored; the next run tries again")
    else:
        ports.store.set_fact(TOLD, about, told)
