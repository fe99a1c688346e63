"""One of the two stores that do the same, with a world of its own around it."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from marketplace_metering.adapters.dynamodb.items.tables import table_names
from marketplace_metering.core.policy import Policy
from marketplace_metering.ports import Ports
from marketplace_metering.proof.fake_dynamodb import Faults
from marketplace_metering.proof.worlds.dynamodb_store import PREFIX, DynamoShop
from marketplace_metering.proof.worlds.sqlite_store import SqliteShop
from tests.differential.scripted_aws import ScriptedAws
from tests.support.clock import Clock
from tests.support.stores import LAGGING, SQLITE, Behind, NothingBetween
from tests.support.world import Collector


class Side:
    """A store, and what a seller does with it."""

    def __init__(self, kind: str, starts_at: datetime, policy: Policy) -> None:
        self.kind = kind
        self.clock = Clock(starts_at)
        self.policy = policy
        self.aws = ScriptedAws()
        self.told = Collector()
        self.shop: SqliteShop | DynamoShop
        if kind == SQLITE:
            self.shop = SqliteShop(NothingBetween())
        else:
            self.shop = DynamoShop(NothingBetween(), 0, Faults())
            if kind == LAGGING:
                self.shop.client.injector = Behind(Faults(), 0)
        self.restart()

    def restart(self) -> None:
        """The process ends and another one begins: only the store is left."""
        self.opened = self.shop.open(self.clock)
        self.store = self.opened.store
        self.reports = self.opened.reports
        self.ports = Ports(self.store, self.aws, self.clock, self.told)

    def step_is_over(self) -> None:
        """Indexes show what it wrote."""
        if isinstance(self.shop, DynamoShop):
            for table in self.shop.client.tables.values():
                for index in table.indexes.values():
                    index.catch_up(sys.maxsize)

    def items(self) -> list[Mapping[str, Any]]:
        """The usage records as people see them in the table, where there is one."""
        assert isinstance(self.shop, DynamoShop)
        return list(self.shop.client.tables[table_names(PREFIX).records].items())

    def close(self) -> None:
        """The world is over."""
        self.shop.close()
