"""Random schedules: overlapping runs, old pictures, power cuts and repeated requests; in the end
every usage record is billed once or listed, and the marks say what the ledger says."""

from __future__ import annotations

import os
import random
from typing import Any

import pytest

from marketplace_metering.adapters.dynamodb import DynamoStore
from marketplace_metering.core.ledger import Entry
from marketplace_metering.core.outcome import NotSubscribed, Outcome, Refused
from marketplace_metering.core.policy import Scope
from marketplace_metering.core.quantity import total
from marketplace_metering.jobs.seal import seal
from marketplace_metering.jobs.submit import submit
from marketplace_metering.ports import Ports
from tests.dynamodb.faults import PowerCutError
from tests.dynamodb.world import Collector, TwoTables, accept

SEEDS = range(int(os.environ.get("METERING_TEST_SEARCH", "0")) or 25)
WRITES = ("transact_write_items", "batch_execute_statement", "batch_write_item")
READS = ("query", "batch_get_item")
DIMENSIONS = ("calls", "users")
BUYERS = ("111122223333", "999988887777")


class Chaos:
    """One seed's world."""

    def __init__(self, world: TwoTables, seed: int) -> None:
        self.world = world
        self.chance = random.Random(seed)
        self.keys: list[dict[str, Any]] = []
        self.billed_at_aws: dict[object, Entry] = {}
        self.is_calm = False
        self.stores = [world.store, world.new_store(workers=1)]
        world.aws.answer = self.answer

    def answer(self, entry: Entry) -> Outcome | None:
        """AWS keeps the first of each window; what it says may be lost or a refusal."""
        kind = self.chance.random()
        if not self.is_calm and kind < 0.15:
            return None
        is_billed = entry.window in self.billed_at_aws
        if not self.is_calm and kind < 0.35 and not is_billed:
            refusals: list[Outcome] = [NotSubscribed(), Refused("InvalidLicenseException", "no")]
            return self.chance.choice(refusals)
        if is_billed:
            before = self.billed_at_aws[entry.window]
            assert (before.quantity, before.stamp) == (entry.quantity, entry.stamp)
        self.billed_at_aws[entry.window] = entry
        if not self.is_calm and kind < 0.5:
            return None
        return accept(entry)

    def step(self) -> None:
        world, chance = self.world, self.chance
        match chance.randrange(11):
            case 0 | 1 | 2:
                self.put()
            case 3 | 4:
                self.run(chance.choice([Scope.CLOSED_HOURS, Scope.EVERYTHING]), submits=False)
            case 5 | 6 | 7:
                self.run(Scope.CLOSED_HOURS, submits=True)
            case 8:
                world.clock.advance(minutes=chance.choice([1, 10, 61]))
            case 9 if self.keys:
                world.retry(chance.choice(self.keys))
            case _ if self.keys:
                self.repair(chance.choice(self.keys))

    def repair(self, key: dict[str, Any]) -> None:
        """A person corrects a failed usage record in place."""
        if self.world.item(key).get("metering_failed"):
            changes = [{"dimension": d} for d in DIMENSIONS] + [{"quantity": 7}]
            self.world.retry(key, **self.chance.choice(changes))

    def put(self) -> None:
        world, chance = self.world, self.chance
        at = int(world.clock.now().timestamp() * 1_000) - chance.randrange(7_200_000)
        if any(str(at) == key["create_timestamp"]["N"] for key in self.keys):
            return
        dimension, buyer = chance.choice(DIMENSIONS), chance.choice(BUYERS)
        amount = chance.randrange(1, 100)
        key = world.put(at, amount, dimension=dimension, customerAWSAccountId=buyer)
        self.keys.append(key)

    def run(self, scope: Scope, submits: bool) -> None:
        store = self.chance.choice(self.stores)
        self.disturb(store)
        ports = Ports(store, self.world.aws, self.world.clock, Collector())
        try:
            seal(ports, self.world.policy, scope)
            if submits:
                submit(ports, self.world.policy)
        except PowerCutError:
            self.stores[self.stores.index(store)] = self.world.new_store(workers=1)
        finally:
            self.world.client.faults.clear()
            self.world.client.thaw_indexes()

    def disturb(self, store: DynamoStore) -> None:
        client, chance = self.world.client, self.chance
        match chance.randrange(8):
            case 0:
                client.freeze_indexes()
            case 1:
                client.die_after(chance.choice(WRITES), chance.randrange(1, 4))
            case 2:
                client.before(chance.choice(WRITES), self.die, chance.randrange(1, 3))
            case 3:
                client.repeat(chance.choice(WRITES), 2)
            case 4:
                client.leave_half_unprocessed()
            case 5:
                others = [each for each in self.stores if each is not store]
                client.before(chance.choice((*WRITES, *READS)), lambda: self.overlap(others[0]))

    def die(self) -> None:
        if self.chance.random() < 0.5:
            raise PowerCutError

    def overlap(self, store: DynamoStore) -> None:
        """Another process does a whole run in between."""
        ports = Ports(store, self.world.aws, self.world.clock, Collector())
        seal(ports, self.world.policy)
        submit(ports, self.world.policy)

    def heal(self) -> None:
        """Nothing goes wrong any more, and a person retries all that is listed."""
        self.is_calm = True
        for _day in range(3):
            for key in self.keys:
                if self.world.item(key).get("metering_failed"):
                    self.world.retry(key)
            for _hour in range(13):
                self.world.clock.advance(minutes=61)
                self.run_calmly()

    def run_calmly(self) -> None:
        ports = Ports(self.stores[0], self.world.aws, self.world.clock, Collector())
        seal(ports, self.world.policy)
        submit(ports, self.world.policy)


@pytest.mark.parametrize("seed", SEEDS)
def test_every_unit_is_billed_once_or_listed(world: TwoTables, seed: int) -> None:
    chaos = Chaos(world, seed)
    for _step in range(chaos.chance.randrange(8, 30)):
        chaos.step()
    for balance in world.reports.balances():
        assert balance.is_balanced, balance
    chaos.heal()
    for balance in world.reports.balances():
        assert balance.is_balanced, balance
        at_aws = total(entry.quantity for entry in chaos.billed_at_aws.values())
        assert balance.billed.quantity + balance.unresolved.quantity == at_aws
        assert balance.recorded.quantity == at_aws + balance.refused.quantity
    for key in chaos.keys:
        marked = world.item(key)
        assert "metering_pending" not in marked, marked
        outcomes = ("billed: ", "unresolved: ", "this usage record was changed after")
        assert str(marked["metering_response"]).startswith(outcomes), marked
