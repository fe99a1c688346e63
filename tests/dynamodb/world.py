"""A seller on DynamoDB: the store behind a faulty client, the two use cases, a scripted AWS."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

from marketplace_metering.adapters.dynamodb import DynamoReports, DynamoStore, TableNames
from marketplace_metering.adapters.dynamodb.api.attributes import attribute_of, python_value
from marketplace_metering.core.balance import Balance
from marketplace_metering.core.batch import Batch
from marketplace_metering.core.ledger import Alarm, Entry, EntryKey, State
from marketplace_metering.core.outcome import Accepted, Answered, Lost, Outcome, RequestRefused
from marketplace_metering.core.policy import Policy, Scope
from marketplace_metering.core.views import EntryFilter
from marketplace_metering.jobs.seal import SealReport, seal
from marketplace_metering.jobs.submit import SubmitReport, submit
from marketplace_metering.ports import Ports
from tests.dynamodb.faults import FaultyClient
from tests.support.build import BUYER, DIMENSION, PRODUCT
from tests.support.clock import Clock, utc

Answer = Callable[[Entry], Outcome | None]  # None: the answer is lost


def accept(entry: Entry) -> Outcome:
    """AWS takes everything."""
    return Accepted(f"id-{entry.window.hour.number}-{entry.serial}")


class ScriptedMarketplace:
    """Answers as it was told to."""

    def __init__(self) -> None:
        self.answer: Answer = accept
        self.sent: list[Batch] = []

    def take_turn(self) -> None:
        """No waiting."""

    def submit(self, batch: Batch) -> Answered[EntryKey] | RequestRefused | Lost:
        self.sent.append(batch)
        outcomes = {entry.key: self.answer(entry) for entry in batch.entries}
        answered = {key: outcome for key, outcome in outcomes.items() if outcome is not None}
        return Answered(answered) if len(answered) == len(outcomes) else Lost("timeout")


class Collector:
    """Nobody in particular."""

    def notify(self, alarms: Sequence[Alarm]) -> None:
        """Not asked for here."""


class TwoTables:
    """One seller, one pair of tables."""

    def __init__(self, client: Any, names: TableNames, policy: Policy | None = None) -> None:
        self.raw = client
        self.names = names
        self.client = FaultyClient(client, names)
        self.clock = Clock(utc("11:30"))
        self.policy = policy or Policy()
        self.aws = ScriptedMarketplace()
        self.store = self.new_store()

    def new_store(self, client: Any = None, **options: Any) -> DynamoStore:
        """Another process on the same tables."""
        pause = options.pop("pause", lambda seconds: None)
        return DynamoStore(
            client or self.client, self.names, now=self.clock.now, pause=pause, **options
        )

    @property
    def ports(self) -> Ports:
        return Ports(self.store, self.aws, self.clock, Collector())

    def put(self, used_at: str | datetime | int, amount: Any = 1, **changes: Any) -> dict[str, Any]:
        """The application's plain put, as the guide shows it; answers the key."""
        at = utc(used_at) if isinstance(used_at, str) else used_at
        ms = int(at.timestamp() * 1_000) if isinstance(at, datetime) else at
        said: dict[str, Any] = {
            "customerAWSAccountId": BUYER,
            "productCode": PRODUCT,
            "create_timestamp": ms,
            "dimension": DIMENSION,
            "quantity": amount,
            "metering_pending": "true",
            **changes,
        }
        item = {name: attribute_of(value) for name, value in said.items() if value is not None}
        self.client.put_item(TableName=self.names.records, Item=item)
        return {name: item[name] for name in ("customerAWSAccountId", "create_timestamp")}

    def item(self, key: dict[str, Any]) -> dict[str, Any]:
        """A usage record as it stands in the table."""
        found = self.raw.get_item(TableName=self.names.records, Key=key, ConsistentRead=True)
        return {name: python_value(value) for name, value in found["Item"].items()}

    def edit(self, key: dict[str, Any], **changes: Any) -> None:
        """An operator changes attributes in the console; None removes one."""
        sets = {name: value for name, value in changes.items() if value is not None}
        removes = [name for name, value in changes.items() if value is None]
        names = {f"#{name}": name for name in changes}
        words = "SET " + ", ".join(f"#{name} = :{name}" for name in sets) if sets else ""
        words += " REMOVE " + ", ".join(f"#{name}" for name in removes) if removes else ""
        self.raw.update_item(
            TableName=self.names.records,
            Key=key,
            UpdateExpression=words,
            ExpressionAttributeNames=names,
            **(
                {
                    "ExpressionAttributeValues": {
                        f":{name}": attribute_of(value) for name, value in sets.items()
                    }
                }
                if sets
                else {}
            ),
        )

    def retry(self, key: dict[str, Any], **changes: Any) -> None:
        """The guide's retry, with what was repaired."""
        self.edit(key, metering_pending="true", metering_failed=False, **changes)

    def seal(self, scope: Scope = Scope.CLOSED_HOURS) -> SealReport:
        return seal(self.ports, self.policy, scope)

    def submit(self) -> SubmitReport:
        return submit(self.ports, self.policy)

    def run(self, scope: Scope = Scope.CLOSED_HOURS) -> SubmitReport:
        self.seal(scope)
        return self.submit()

    def at(self, text: str) -> None:
        """Move on to an instant."""
        self.clock.at = utc(text)

    @property
    def reports(self) -> DynamoReports:
        return DynamoReports(self.raw, self.names, now=self.clock.now)

    def entries(self, state: State | None = None) -> list[Entry]:
        return [view.entry for view in self.reports.entries(EntryFilter(state=state))]

    def entry(self) -> Entry:
        (only,) = self.entries()
        return only

    def balance(self) -> Balance:
        (only,) = self.reports.balances()
        assert only.is_balanced, only
        return only

    def alarms(self) -> list[Alarm]:
        return [alarm for _number, alarm in self.store.undelivered_alarms()]

    def billed_quantities(self) -> list[str]:
        """What was sent, in order."""
        return [str(entry.quantity) for batch in self.aws.sent for entry in batch.entries]
