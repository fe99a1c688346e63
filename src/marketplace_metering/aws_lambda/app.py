"""What the functions work with, put together once for each execution environment."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import TYPE_CHECKING, NoReturn

from marketplace_metering.aws_lambda.telemetry import MetricNotifier, log, take_over_logs
from marketplace_metering.core.charter import Claim
from marketplace_metering.core.ledger import Alarm
from marketplace_metering.core.policy import Policy
from marketplace_metering.jobs.deliver_alarms import deliver_alarms
from marketplace_metering.ports import (
    Clock,
    Doorbell,
    Gauges,
    Marketplace,
    Notifier,
    Ports,
    Successor,
)

if TYPE_CHECKING:
    from marketplace_metering.adapters.aws.clients import AwsClient
    from marketplace_metering.settings import Settings


@dataclass(frozen=True, slots=True)
class App:
    """One function's view of the world."""

    ports: Ports
    policy: Policy
    doorbell: Doorbell
    gauges: Gauges
    successor: Successor

    def place(self) -> dict[str, str | None]:
        """Where this run meters, for the log."""
        claim = None if self.ports.claim is None else self.ports.claim()
        return {} if claim is None else {"region": claim.region, "account": claim.account}

    def deliver_alarms(self, until: datetime) -> None:
        """Deliver alarms. What cannot be delivered now stays in the store for the next run."""
        try:
            deliver_alarms(self.ports, until)
        except Exception:  # noqa: BLE001 - the edge: it is logged, and tried again
            log.exception("alarms could not be delivered; the next run tries again")


class AllNotifiers:
    """Several notifiers as one; an alarm is delivered when all of them took it."""

    def __init__(self, *notifiers: Notifier) -> None:
        self._notifiers = notifiers

    def notify(self, alarms: Sequence[Alarm]) -> None:
        """One after the other; the log first, because it cannot fail."""
        for notifier in self._notifiers:
            notifier.notify(alarms)


class NoMarketplace:
    """For the job, which sends nothing and has no permission to."""

    def take_turn(self) -> NoReturn:
        """Never called."""
        raise AssertionError("the metering job sends nothing")

    def submit(self, batch: object) -> NoReturn:
        """Never called."""
        raise AssertionError("the metering job sends nothing")


@dataclass(frozen=True, slots=True)
class WarmClients:
    """What an execution environment keeps from one invocation to the next."""

    stack: str
    policy: Policy
    dynamodb: AwsClient
    marketplace: Marketplace
    clock: Clock
    notifier: Notifier
    doorbell: Doorbell
    successor: Successor
    claim: Claim

    def app(self) -> App:
        """For one invocation, with a store of its own: a store remembers what it did, and another
        environment may have been at work meanwhile."""
        from marketplace_metering.adapters.dynamodb import DynamoStore, table_names
        from marketplace_metering.adapters.dynamodb.backlog import DynamoGauges
        from marketplace_metering.adapters.dynamodb.mark import TableMark

        names = table_names(self.stack)
        store = DynamoStore(
            self.dynamodb,
            names,
            now=self.clock.now,
            pause=self.clock.sleep,
        )
        return App(
            Ports(
                store,
                self.marketplace,
                self.clock,
                self.notifier,
                TableMark(self.dynamodb, names),
                lambda: self.claim,
            ),
            self.policy,
            self.doorbell,
            DynamoGauges(self.dynamodb, names),
            self.successor,
        )


def job_app() -> App:
    """The job's, as the function's environment says."""
    return _clients(sends=False).app()


def processor_app() -> App:
    """The processor's, as the function's environment says."""
    return _clients(sends=True).app()


@cache
def _clients(sends: bool) -> WarmClients:
    take_over_logs()
    return connect_all(os.environ, sends)


def connect_all(
    environment: Mapping[str, str], sends: bool, clock: Clock | None = None
) -> WarmClients:
    """Everything that the function's environment names; only the processor `sends`."""
    from marketplace_metering.adapters.aws.clients import connect
    from marketplace_metering.adapters.aws.doorbell import SqsDoorbell
    from marketplace_metering.adapters.aws.self_invocation import LambdaSuccessor
    from marketplace_metering.adapters.aws.topic import SnsNotifier
    from marketplace_metering.adapters.machine import LogNotifier, SystemClock
    from marketplace_metering.settings import load
    from marketplace_metering.wiring import DYNAMODB

    settings = load(environment, path=None, store=None)
    clock = clock or SystemClock()
    stack = settings.store.removeprefix(DYNAMODB)
    sns = SnsNotifier(
        connect("sns"),
        environment["METERING_TOPIC_ARN"],
        stack,
        environment.get("METERING_PRODUCT_CODE", ""),
    )
    return WarmClients(
        stack,
        settings.policy,
        connect("dynamodb"),
        _open_marketplace(settings, clock) if sends else NoMarketplace(),
        clock,
        AllNotifiers(LogNotifier(), sns, MetricNotifier()),
        SqsDoorbell(connect("sqs"), environment["METERING_QUEUE_URL"]),
        LambdaSuccessor(connect("lambda"), f"{stack}-MeteringJob"),
        _claim(settings),
    )


def _open_marketplace(settings: Settings, clock: Clock) -> Marketplace:
    from marketplace_metering.adapters.aws.metering_api import MarketplaceApi
    from marketplace_metering.wiring import open_metering_client

    client = open_metering_client(settings, _region(settings))
    return MarketplaceApi(client, clock, settings.policy.requests_per_second)


def _claim(settings: Settings) -> Claim:
    """What the template says, in either function: the ledger is told by the first one that runs."""
    from marketplace_metering.wiring import claim_of, known_account

    return claim_of(
        settings,
        _region(settings),
        known_account(settings),
        is_of_stack=True,
        region_from="MeteringRegion",
    )


def _region(settings: Settings) -> str:
    from marketplace_metering.adapters.aws.metering_api import REGION_DEFAULT

    return settings.region or REGION_DEFAULT
