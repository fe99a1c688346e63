"""A store as the simulated processes open it, with the world between its steps."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol

from marketplace_metering.ports import Clock, OpenStore
from marketplace_metering.proof.worlds.fault_injection import Steps
from marketplace_metering.proof.worlds.snapshot import Snapshot, UsageRow


class Table(Protocol):
    """The guide's table of usage records, as applications and people use it themselves."""

    def put(self, clock: Clock, item: Mapping[str, object]) -> None:
        """A plain PutItem, which overwrites anything that is there."""

    def set_pending(self, clock: Clock, row: UsageRow) -> None:
        """The guide's retry: `metering_pending` is "true" again, and `metering_failed` is not."""

    def correct(self, clock: Clock, row: UsageRow, dimension: str) -> bool:
        """The guide's repair of a failed record: another dimension in place, and pending again.

        False, with nothing done, if it is not marked as failed (any more).
        """


class Shop(Protocol):
    """A store that outlives every process."""

    failures: tuple[type[Exception], ...]  # what a store that cannot be used raises
    table: Table | None  # where applications may also write themselves
    keeps_parts_of_inputs: bool  # whether an input that breaks off may be recorded in part

    def open(self, clock: Clock) -> OpenStore:
        """For a process that starts: nothing of what another one remembers is in it."""

    def books(self) -> Snapshot:
        """What is stored, read behind the back of the product's own code."""

    def changes(self) -> int:
        """A number that grows with everything that is stored."""

    def faults(self) -> Mapping[str, int]:
        """How often it failed in ways of its own."""

    def heal(self) -> None:
        """The store's own faults are over."""

    def close(self) -> None:
        """The world is over."""


OpenShop = Callable[[Steps, int], Shop]  # with the seed for the store's own faults
