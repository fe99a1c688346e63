"""The AWS path in one process: the real handlers and adapters, and every external call counted.

    python -m tests.worlds.aws_path     # the calls that the scenario makes, in order

One run may be told to die before or after a certain call. Then AWS does what it does when a
function dies: the job's invocation is repeated, the doorbell's message comes again.
"""

from __future__ import annotations

import json
import logging
import os
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, redirect_stdout
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from functools import cache
from io import StringIO
from typing import Any, cast
from unittest import mock

from marketplace_metering.adapters.aws.doorbell import SqsDoorbell
from marketplace_metering.adapters.aws.metering_api import MarketplaceApi, connect
from marketplace_metering.adapters.aws.self_invocation import LambdaSuccessor
from marketplace_metering.adapters.aws.topic import SnsNotifier
from marketplace_metering.adapters.dynamodb import DynamoStore
from marketplace_metering.adapters.dynamodb.backlog import DynamoGauges
from marketplace_metering.adapters.dynamodb.items import chunks, tables
from marketplace_metering.adapters.dynamodb.items.tables import table_names
from marketplace_metering.aws_lambda import app, job, processor
from marketplace_metering.core.policy import Scope
from marketplace_metering.core.record_rules import PENDING_VALUES
from marketplace_metering.jobs import seal as sealing
from marketplace_metering.ports import Ports
from marketplace_metering.proof.worlds.dynamodb_store import PREFIX, DynamoShop
from marketplace_metering.proof.worlds.fault_injection import Crash
from marketplace_metering.proof.worlds.listings import LISTED, Buyer
from marketplace_metering.simulator import Answer
from marketplace_metering.simulator.in_process import attach
from tests.worlds.stage import METER, STORAGE, STORES, WRONG, Stage, utc

OTHER = METER._replace(product="prod-b", account="000033334444")
REPEATED_AFTER = timedelta(minutes=1)  # Lambda, an asynchronous invocation that failed
VISIBLE_AGAIN_AFTER = timedelta(minutes=16)  # SQS, a message whose consumer died


@dataclass(frozen=True, slots=True)
class Call:
    """One external call of a function."""

    function: str
    service: str
    operation: str

    def __str__(self) -> str:
        return f"{self.function}: {self.service} {self.operation}"


class Gate:
    """What every external call goes through; kills the process at one of them."""

    def __init__(self, dies_at: int | None = None, is_done: bool = False) -> None:
        self.calls: list[Call] = []
        self.is_counting = True
        self.function = ""
        self.has_died = False
        self._dies_at = dies_at
        self._is_done = is_done

    def pass_through(self, service: str, operation: str, call: Callable[[], Any]) -> Any:
        """Make the call, unless the process dies before it."""
        if not self.is_counting:
            return call()
        here = len(self.calls) == self._dies_at and not self.has_died
        self.calls.append(Call(self.function, service, operation))
        if here and not self._is_done:
            self.has_died = True
            raise Crash(f"before {self.calls[-1]}")
        try:
            return call()
        finally:
            if here:  # also after an answer that is an error
                self.has_died = True
                raise Crash(f"after {self.calls[-1]}")


class Gated:
    """An AWS client behind the gate."""

    def __init__(self, service: str, client: Any, gate: Gate) -> None:
        self._service = service
        self._client = client
        self._gate = gate

    def __getattr__(self, operation: str) -> Any:
        real = getattr(self._client, operation)
        if operation in ("meta", "_request_signer", "_endpoint"):
            return real

        def call(**parameters: Any) -> Any:
            return self._gate.pass_through(self._service, operation, lambda: real(**parameters))

        return call


class Queue:
    """The FIFO queue of doorbells."""

    def __init__(self) -> None:
        self.messages: deque[str] = deque()

    def send_message(self, *, MessageBody: str, **_more: str) -> None:  # noqa: N803 - as boto3
        self.messages.append(MessageBody)


class Invoker:
    """Lambda, asynchronously: the events of the job that are to come."""

    def __init__(self) -> None:
        self.events: deque[object] = deque()

    def invoke(self, *, Payload: bytes, **_more: str) -> None:  # noqa: N803 - as boto3
        self.events.append(json.loads(Payload))


class Topic:
    """SNS: somebody reads it."""

    def __init__(self) -> None:
        self.published = 0

    def publish(self, **_message: Any) -> None:
        self.published += 1


@dataclass(frozen=True, slots=True)
class Context:
    """Lambda's context; the time left runs with the world's clock."""

    now: Callable[[], datetime]
    ends_at: datetime

    def get_remaining_time_in_millis(self) -> int:
        return max(0, (self.ends_at - self.now()) // timedelta(milliseconds=1))


class Relay:
    """Answers from the simulator of the path that is played: boto3's clients are slow to make."""

    path: AwsPath

    def answer(self, *request: Any) -> Answer:
        """As `MarketplaceSimulator.answer`."""
        return self.path.aws.simulator.answer(*request)

    def now(self) -> datetime:
        """The path's true time."""
        return self.path.now()


@cache
def _relayed() -> tuple[Any, Relay]:
    client, relay = connect("us-east-1"), Relay()
    attach(client, relay, relay.now)
    return client, relay


def _client_of(path: AwsPath) -> Any:
    client, relay = _relayed()
    relay.path = path
    return client


class AwsPath(Stage):
    """A stage on which job and processor run as AWS runs them."""

    def __init__(self, gate: Gate) -> None:
        super().__init__(STORES["dynamodb"])
        self.gate = gate
        self.queue, self.invoker, self.topic = Queue(), Invoker(), Topic()
        self.seconds_left: deque[float] = deque()  # of the next invocations; else a quarter hour
        self._add_second_product()
        client = _client_of(self)
        self._marketplace = MarketplaceApi(client, self.processes[0].clock, 5)
        self._marketplace._client = Gated("Marketplace Metering", client, gate)
        self.endings.may_have_died = True

    def _add_second_product(self) -> None:
        buyer = Buyer(OTHER.product, OTHER.account, None, utc("01 00:00"))
        self.cast.buyers.append(buyer)
        self.aws.simulator.declare(OTHER.product, {name: Decimal("0.01") for name in LISTED})
        self.aws.simulator.subscribe(OTHER.product, OTHER.account, starts_at=buyer.starts_at)

    def app(self) -> app.App:
        """As `WarmClients.app` puts it together, for one invocation."""
        gate, clock = self.gate, self.processes[0].clock
        dynamodb = Gated("DynamoDB", cast("DynamoShop", self.shop).client, gate)
        names = table_names(PREFIX)
        store = DynamoStore(dynamodb, names, now=clock.now, pause=clock.sleep, workers=1)
        sns = SnsNotifier(Gated("SNS", self.topic, gate), "arn:topic", PREFIX)
        return app.App(
            Ports(store, self._marketplace, clock, app.AllNotifiers(sns, self.pager)),
            self.mix.policy,
            SqsDoorbell(Gated("SQS", self.queue, gate), "https://queue"),
            DynamoGauges(dynamodb, names),
            LambdaSuccessor(Gated("Lambda", self.invoker, gate), f"{PREFIX}-MeteringJob"),
        )

    def seal(self, scope: Scope = Scope.CLOSED_HOURS) -> None:
        """The schedule's event, and all that follows from it."""
        if scope is Scope.EVERYTHING:
            self.auditor.may_seal_open_hours = True
            self.invoker.events.append({})
        else:
            self.invoker.events.append({"detail-type": "Scheduled Event"})
        self._let_all_run()

    def submit(self) -> None:
        """The clock's own ring, and all that follows from it."""
        self.queue.messages.append('{"doorbell": "entries are due"}')
        self._let_all_run()

    def _let_all_run(self) -> None:
        while self.invoker.events or self.queue.messages:
            if self.invoker.events:
                self._run_job(self.invoker.events[0])
            else:
                self._run_processor(list(self.queue.messages)[:10])

    def _run_job(self, event: object) -> None:
        answer = self._invoke("job", lambda: job.handler(event, self._context()))
        if answer is not None:
            self.invoker.events.popleft()

    def _run_processor(self, bodies: list[str]) -> None:
        batch = {"Records": [{"messageId": f"m{n}", "body": body} for n, body in enumerate(bodies)]}
        answer = self._invoke("processor", lambda: processor.handler(batch, self._context()))
        if answer is not None:
            assert answer == {"batchItemFailures": []}, "no run fails but those that die"
            for _body in bodies:
                self.queue.messages.popleft()

    def _context(self) -> Context:
        left_s = self.seconds_left.popleft() if self.seconds_left else 900
        return Context(self.now, self.now() + timedelta(seconds=left_s))

    def _invoke(
        self, function: str, handler: Callable[[], Mapping[str, Any]]
    ) -> Mapping[str, Any] | None:
        """What it answers, or None if it died."""
        self.gate.function = function
        answer = None
        try:
            with redirect_stdout(StringIO()), self._handlers_use_this():
                answer = handler()
        except Crash as crash:
            self.tell(f"{function} dies {crash}")
            again = REPEATED_AFTER if function == "job" else VISIBLE_AGAIN_AFTER
            self.pass_s(again.total_seconds())
        self.look()
        return answer

    def _handlers_use_this(self) -> AbstractContextManager[object]:
        return mock.patch.multiple(app, job_app=self.app, processor_app=self.app)


def play(gate: Gate) -> AwsPath:
    """Two products, three hours, late usage and a poison record; then every deadline passes.

    09:10  both products are used; one use names a dimension that the listing does not have
    10:06  the schedule: the job seals, the processor sends
    10:20  usage of 09:50 comes late; the application puts a record that is malformed
    11:06  the job has time for one book only and starts a successor; the processor for one request
    11:40  more of both
    12:06  the schedule, and once more at 13:06
    21st   the poison record's deadline passes: given back, listed, told
    """
    path = AwsPath(gate)
    with (
        mock.patch.object(sealing, "BOOKS_PER_STEP", 1),  # a run may end after each of them
        mock.patch.object(chunks, "INLINE_BYTES_MAX", 40),  # what is larger stands apart
        mock.patch.object(tables, "PENDING_VALUES", PENDING_VALUES[:2]),  # shards that are read
    ):
        _three_hours(path)
        gate.is_counting = False
        path.end()
    return path


def _three_hours(path: AwsPath) -> None:
    path.now_is("09:10")
    path.use(5, tags={"team": "a"})
    path.use("2.5", meter=OTHER)
    path.use(3, meter=WRONG)
    path.now_is("09:30")
    path.use(1, tags={"team": "b"})
    path.now_is("10:06")
    path.seal()
    path.now_is("10:20")
    path.use(2, used_at="09:50")
    path.use(7, meter=STORAGE)
    path.use(4, meter=OTHER)
    _put_malformed(path)
    path.now_is("11:06")
    path.seconds_left.extend((0, 900, 1))
    path.seal()
    path.now_is("11:40")
    path.use(6)
    path.use(8, meter=OTHER)
    path.now_is("12:06")
    path.seal()
    path.now_is("13:06")
    path.seal()
    path.now_is("21 10:06")
    path.seal()


def _put_malformed(path: AwsPath) -> None:
    drawn = path.made(1, meter=STORAGE)
    [piece] = drawn.pieces
    assert isinstance(piece.item, dict) and path.shop.table is not None
    item = {**piece.item, "quantity": -1, "made_wrong": True, "request": 1}
    item["create_timestamp"] = int(item["create_timestamp"]) + 1
    drawn.good.clear()
    drawn.pieces.clear()
    drawn.bad.append("request 1")
    drawn.is_confirmed = True
    path.shop.table.put(path.processes[0].clock, item)


def main() -> None:
    """See above."""
    logging.disable(logging.CRITICAL)
    gate = Gate()
    with mock.patch.dict(os.environ, AWS_ACCESS_KEY_ID="none", AWS_SECRET_ACCESS_KEY="none"):
        play(gate)
    for number, call in enumerate(gate.calls):
        print(f"{number:4} {call}")  # noqa: T201


if __name__ == "__main__":
    main()
