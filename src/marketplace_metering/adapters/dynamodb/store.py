"""The store on AWS: the guide's table of usage records, and a ledger table beside it."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from itertools import count

from marketplace_metering.adapters.aws.clients import AwsClient
from marketplace_metering.adapters.dynamodb.api.fast_pages import read_pages_fast
from marketplace_metering.adapters.dynamodb.api.requests import Calls
from marketplace_metering.adapters.dynamodb.intake import DynamoIntake
from marketplace_metering.adapters.dynamodb.items import fact, known_input
from marketplace_metering.adapters.dynamodb.items.alarm import Alarms
from marketplace_metering.adapters.dynamodb.items.tables import TableNames
from marketplace_metering.adapters.dynamodb.operators.corrections import DynamoCorrections
from marketplace_metering.adapters.dynamodb.operators.recovery import DynamoRecovery
from marketplace_metering.adapters.dynamodb.sealing.append_plans import SealingLedger
from marketplace_metering.adapters.dynamodb.sealing.operator_retries import Retries
from marketplace_metering.adapters.dynamodb.sealing.pending import PendingUsage
from marketplace_metering.adapters.dynamodb.settling.broken_entries import BrokenEntries
from marketplace_metering.adapters.dynamodb.settling.change import Changes
from marketplace_metering.adapters.dynamodb.settling.due import DueEntries
from marketplace_metering.adapters.dynamodb.settling.recent_writes import Memory
from marketplace_metering.adapters.dynamodb.settling.write_back import WriteBack
from marketplace_metering.core.charter import charter_in
from marketplace_metering.core.inputs import KnownInput
from marketplace_metering.core.ledger import Alarm, Change, Entry, EntryKey
from marketplace_metering.core.plan import Appended, Book, Group, Plan
from marketplace_metering.core.policy import Policy

WORKERS = 4


def _utc_now() -> datetime:
    return datetime.now(UTC)


class DynamoStore:
    """Usage records and ledger in two DynamoDB tables; see `ports.Store`.

    `client` is a boto3 client of DynamoDB and is shared by `workers` threads while marks are
    written. `retention` lets DynamoDB delete usage records that long after they were billed, where
    the ledger itself does not say it.
    """

    def __init__(
        self,
        client: AwsClient,
        names: TableNames,
        *,
        now: Callable[[], datetime] = _utc_now,
        pause: Callable[[float], None] = time.sleep,
        retention: timedelta | None = None,
        workers: int = WORKERS,
    ) -> None:
        read_pages_fast(client)
        self._calls = calls = Calls(client, pause)
        self.names = names
        self._now = now
        memory = Memory(now)
        run, number = secrets.token_hex(6), count()

        def new_revision() -> str:
            return f"{run}-{next(number)}"

        self._new_revision = new_revision
        self._alarms = alarms = Alarms(calls, names.ledger)
        broken = BrokenEntries(alarms, now)
        self._changes = Changes(calls, names, alarms, memory, broken, new_revision)
        self._retention = retention
        self._marks = WriteBack(
            calls, names, memory, broken, now, new_revision, workers, self.retention
        )
        retries = Retries(calls, names, alarms, self._changes, self._marks)
        self._pending = PendingUsage(calls, names, alarms, retries, now)
        self._sealing = SealingLedger(calls, names, alarms, memory, new_revision)
        self._due = DueEntries(calls, names.ledger, memory, broken, self._changes)

    def close(self) -> None:
        """Nothing to give back: the client belongs to its creator."""

    def intake(self, source: str, now: datetime) -> DynamoIntake:
        """Begin to record from a source."""
        return DynamoIntake(self._calls, self.names, self._alarms, source)

    def known_inputs(self, name: str | None, head: str) -> Sequence[KnownInput]:
        """What is noted of inputs of this name, and of inputs of this head."""
        return known_input.known_inputs(self._calls, self.names.ledger, name, head)

    def note_input(self, noted: KnownInput, instead_of: KnownInput | None) -> bool:
        """Note what an input holds, if nobody else has meanwhile."""
        return known_input.note_input(self._calls, self.names.ledger, noted, instead_of)

    def corrections(self) -> DynamoCorrections:
        """What a person may do to listed usage records; scans, under an operator's role."""
        return DynamoCorrections(
            self._calls, self.names, self._new_revision, self.write_back, self._now
        )

    def recovery(self) -> DynamoRecovery:
        """What the tables can say of themselves after a restore; scans, as an operator."""
        return DynamoRecovery(self._calls, self.names)

    def pending(self, now: datetime, policy: Policy) -> Iterator[tuple[Book, Sequence[Group]]]:
        """Every book with pending groups."""
        return self._pending.books(now, policy)

    def refuse_malformed(self, until: datetime | None) -> int:
        """List what was read as pending and is no usage record."""
        return self._pending.refuse_malformed(until)

    def append(self, plans: Sequence[Plan], now: datetime) -> Sequence[Appended]:
        """Store each plan whole, or answer False if its book changed since it was read."""
        return self._sealing.append(plans, now)

    def due(
        self, now: datetime, policy: Policy, without_products: Collection[str]
    ) -> Sequence[Entry]:
        """At most 25 entries of one lane that are sendable, the earliest deadline first."""
        return self._due.due(now, policy, without_products)

    def next_due_at(self, now: datetime, without_products: Collection[str]) -> datetime | None:
        """When the next unsettled entry becomes sendable."""
        return self._due.next_due_at(now, without_products)

    def expired(self, now: datetime) -> Iterator[EntryKey]:
        """Unsettled entries whose deadline has passed."""
        return self._due.expired(now)

    def change(
        self, keys: Sequence[EntryKey], decide: Callable[[Entry], Change | None], now: datetime
    ) -> Sequence[Entry]:
        """Apply a pure decision to each entry as it is stored, and store the change."""
        return self._changes.change(keys, decide, now)

    def write_back(self, until: datetime | None) -> int:
        """Bring the marks on usage records up to the ledger; answers how many were written."""
        return self._marks.all_due(until)

    def undelivered_alarms(self, limit: int | None = None) -> Sequence[tuple[int, Alarm]]:
        """Alarms whose delivery nobody has confirmed, the oldest first."""
        return self._alarms.undelivered(limit)

    def alarms_delivered(self, numbers: Sequence[int], now: datetime) -> None:
        """Confirm the delivery of alarms."""
        self._alarms.delivered(numbers, now)

    def retention(self) -> timedelta | None:
        """How long settled usage records are kept; None: for ever."""
        charter = charter_in(self.facts())
        return self._retention if charter is None else charter.retention or None

    def facts(self) -> Mapping[str, str]:
        """What is known of the ledger itself, by name."""
        return fact.facts(self._calls, self.names.ledger)

    def set_fact(self, name: str, value: str, instead_of: str | None) -> bool:
        """Store a fact, if it still is what the caller read."""
        return fact.set_fact(self._calls, self.names.ledger, name, value, instead_of)
