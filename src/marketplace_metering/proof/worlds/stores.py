"""A store as the simulated processes open it, with the world between its steps."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Protocol

from botocore.exceptions import ClientError

from marketplace_metering.adapters.dynamodb.api.attributes import attribute_of
from marketplace_metering.adapters.dynamodb.api.requests import Calls
from marketplace_metering.core.identity import BookKey
from marketplace_metering.core.record import UsageRecord
from marketplace_metering.core.record_item import timestamp_text
from marketplace_metering.ports import Clock, OpenStore
from marketplace_metering.proof.fake_dynamodb import FakeDynamoDb
from marketplace_metering.proof.worlds.fault_injection import Steps, StoreFailure
from marketplace_metering.proof.worlds.snapshot import MeterName, Snapshot, UsageRow

PENDING = "SET metering_pending = :true, metering_failed = :no"
PENDING_VALUES = {":true": {"S": "true"}, ":no": {"BOOL": False}}


@dataclass(slots=True)
class GuideTable:
    """The guide's table of usage records, as applications and people use it themselves.

    Throttled requests are repeated, as an SDK does it.
    """

    client: FakeDynamoDb
    name: str

    def put(self, clock: Clock, item: Mapping[str, object]) -> None:
        """A plain PutItem, which overwrites anything that is there."""
        attributes = {name: attribute_of(value) for name, value in item.items()}
        Calls(self.client, clock.sleep).one("put_item", TableName=self.name, Item=attributes)

    def set_pending(self, clock: Clock, row: UsageRow) -> None:
        """The guide's retry: `metering_pending` is "true" again, and `metering_failed` is not."""
        self._update(clock, row, PENDING, "attribute_exists(create_timestamp)", PENDING_VALUES)

    def correct(self, clock: Clock, row: UsageRow, dimension: str) -> bool:
        """The guide's repair of a failed record: another dimension in place, and pending again.

        False, with nothing done, if it is not marked as failed (any more).
        """
        it_is_the_failed_one = (
            "metering_failed = :failed AND dimension = :wrong AND quantity = :quantity"
        )
        values = {
            **PENDING_VALUES,
            ":right": {"S": dimension},
            ":failed": {"BOOL": True},
            ":wrong": {"S": row.meter.dimension},
            ":quantity": attribute_of(Decimal(row.micros) / 1_000_000),
        }
        try:
            self._update(clock, row, f"{PENDING}, dimension = :right", it_is_the_failed_one, values)
        except ClientError:
            return False
        return True

    def edit(self, clock: Clock, row: UsageRow, meter: MeterName, is_retried: bool) -> bool:
        """Somebody changes what it is in the console, whatever became of the usage record.

        With the guide's retry, or of one that is pending anyway. False, with nothing done, if it
        is not what was looked at (any more).
        """
        condition = "dimension = :wrong AND productCode = :other AND quantity = :quantity"
        values: dict[str, object] = {
            ":right": {"S": meter.dimension},
            ":product": {"S": meter.product},
            ":wrong": {"S": row.meter.dimension},
            ":other": {"S": row.meter.product},
            ":quantity": attribute_of(Decimal(row.micros) / 1_000_000),
        }
        steps = "dimension = :right, productCode = :product"
        if is_retried:
            steps, values = f"{PENDING}, {steps}", {**PENDING_VALUES, **values}
        else:
            steps = f"SET {steps}"
            condition = f"attribute_exists(metering_pending) AND {condition}"
        try:
            self._update(clock, row, steps, condition, values)
        except ClientError:
            return False
        return True

    def _update(
        self, clock: Clock, row: UsageRow, steps: str, condition: str, values: Mapping[str, object]
    ) -> None:
        ms = timestamp_text(row.created_ns)
        Calls(self.client, clock.sleep).one(
            "update_item",
            TableName=self.name,
            Key={"customerAWSAccountId": {"S": row.meter.account}, "create_timestamp": {"N": ms}},
            UpdateExpression=steps,
            ConditionExpression=condition,
            ExpressionAttributeValues=values,
        )


class Shop(Protocol):
    """A store that outlives every process."""

    failures: tuple[type[Exception], ...] = (StoreFailure,)  # what a store that is unusable raises
    table: GuideTable | None = None  # where applications may also write themselves
    keeps_parts_of_inputs: bool = False  # whether an input that breaks off may be recorded in part
    index_lags: bool = False  # whether what is recorded may be invisible to the jobs for any time

    def open(self, clock: Clock) -> OpenStore:
        """For a process that starts: nothing of what another one remembers is in it."""

    def flush(self, opened: OpenStore, clock: Clock, records: Sequence[UsageRecord]) -> None:
        """A recorder delivers; raises one of `failures` if it has to come again."""

    def books(self) -> Snapshot:
        """What is stored, read behind the back of the product's own code."""

    def changes(self) -> int:
        """A number that grows with everything that is stored."""

    def copy(self) -> object:
        """A backup of all that is stored; the mark is not in it."""

    def restore(self, copy: object, only: str | None = None) -> None:
        """Put a backup in the place of what is stored; `only` "records" or "ledger", where they
        are kept apart."""

    def fill(self, book: BookKey | None) -> None:
        """From now on there is no room for what is sealed of this book; None: there is again."""

    def faults(self) -> Mapping[str, int]:
        """How often it failed in ways of its own, apart from those at the steps."""
        return {}

    def heal(self) -> None:
        """The store's own faults are over."""
        return

    def close(self) -> None:
        """The world is over."""
        return


OpenShop = Callable[[Steps, int], Shop]  # with the seed for the store's own faults
