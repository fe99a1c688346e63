"""What the functions work with, put together once for each execution environment."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from typing import TYPE_CHECKING, NoReturn

from marketplace_metering.aws_lambda.telemetry import MetricNotifier, log, take_over_logs
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

    def deliver_alarms(self) -> None:
        """Deliver alarms. What cannot be delivered now stays in the store for the next run."""
        try:
            deliver_alarms(self.ports)
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
    retention: timedelta | None

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
            retention=self.retention,
        )
        return App(
            Ports(
                store,
                self.marketplace,
                self.clock,
                self.notifier,
                TableMark(self.dynamodb, names),
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
        _open_marketplace(settings, environment, clock) if sends else NoMarketplace(),
        clock,
        AllNotifiers(LogNotifier(), sns, MetricNotifier()),
        SqsDoorbell(connect("sqs"), environment["METERING_QUEUE_URL"]),
        LambdaSuccessor(connect("lambda"), f"{stack}-MeteringJob"),
        settings.record_retention,
    )


def _open_marketplace(
    settings: Settings, environment: Mapping[str, str], clock: Clock
) -> Marketplace:
    from marketplace_metering.adapters.aws.assumed_role import connect_as
    from marketplace_metering.adapters.aws.metering_api import MarketplaceApi, connect

    role_arn = environment.get("METERING_ROLE_ARN")
    if role_arn:
        external_id = environment.get("METERING_ROLE_EXTERNAL_ID", "")
        client = connect_as(role_arn, external_id, settings.region)
    else:
        client = connect(settings.region)
    return MarketplaceApi(client, clock, settings.policy.requests_per_second)
