"""Each function may do what it does, and nothing more.

Both functions run in this process against the deployed tables, through every branch that talks to
AWS, and each request is noted. What they needed is then compared with what their roles grant.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import boto3
import pytest

from marketplace_metering.adapters.dynamodb.api import requests
from marketplace_metering.aws_lambda import app, job, processor
from marketplace_metering.core.hours import UsageHour
from marketplace_metering.simulator import faults
from marketplace_metering.simulator.faults import Scheduled
from tests.deploy.conftest import Deploy
from tests.deploy.emulator import Emulator
from tests.deploy.reading import properties
from tests.deploy.stage import Context, MovedClock, Need, watched_session
from tests.deploy.test_template import statements

pytestmark = pytest.mark.xdist_group("emulator")

STACK = "granted"
RING = {"Records": [{"messageId": "1", "body": '{"doorbell": "entries are due"}'}]}
# What the services do in a function's name, around its code.
BY_LAMBDA: dict[str, set[Need]] = {
    "MeteringJob": set(),
    "MeteringProcessor": {
        (f"sqs:{action}", "Doorbell")
        for action in ("ReceiveMessage", "DeleteMessage", "GetQueueAttributes")
    },
}
LOGS = ("logs:CreateLogStream", "logs:PutLogEvents")


@pytest.fixture
def clock(aws: Emulator) -> Iterator[MovedClock]:
    """Twenty past an hour; the simulator's clock goes with it."""
    now = aws.simulator.clock.now()
    aws.simulator.clock.set(now.replace(minute=20, second=0, microsecond=0), frozen=True)
    yield MovedClock(aws.simulator.clock)
    aws.simulator.clock.real()


class Functions:
    """Both functions, each with the requests that it made."""

    def __init__(
        self, session: boto3.session.Session, clock: MovedClock, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        self.needs: dict[str, set[Need]] = {}
        lasting = {}
        for name in ("MeteringJob", "MeteringProcessor"):
            function = session.client("lambda").get_function_configuration(
                FunctionName=f"{STACK}-{name}"
            )
            with watched_session() as needs:
                environment = function["Environment"]["Variables"]
                sends = name == "MeteringProcessor"
                lasting[name] = app.connect_all(environment, sends, clock)
            self.needs[name] = needs.seen
        # The metering client comes from a session of its own.
        api: Any = lasting["MeteringProcessor"].marketplace
        api._client.meta.events.register("before-parameter-build.*.*", needs.take)
        monkeypatch.setattr(app, "job_app", lasting["MeteringJob"].app)
        monkeypatch.setattr(app, "processor_app", lasting["MeteringProcessor"].app)

    def seal(self, event: object = None, seconds: float = 900) -> dict[str, Any]:
        return job.handler(event or {"scope": "closed hours"}, Context(seconds))

    def submit(self, seconds: float = 180) -> None:
        assert processor.handler(RING, Context(seconds)) == {"batchItemFailures": []}


@pytest.fixture
def functions(
    deploy: Deploy,
    session: boto3.session.Session,
    clock: MovedClock,
    monkeypatch: pytest.MonkeyPatch,
) -> Functions:
    deploy(STACK)
    _stop_the_stack(session)
    # The short cut asks for the same and tells nobody; tests/deploy/test_strictly.py goes that way.
    monkeypatch.setattr(requests, "raw_requests", lambda client: None)
    return Functions(session, clock, monkeypatch)


def _stop_the_stack(session: boto3.session.Session) -> None:
    """The functions run here and not in the emulator."""
    functions = session.client("lambda")
    mappings = functions.list_event_source_mappings(FunctionName=f"{STACK}-MeteringProcessor")
    for mapping in mappings["EventSourceMappings"]:
        functions.update_event_source_mapping(UUID=mapping["UUID"], Enabled=False)
    session.client("events").disable_rule(Name=f"{STACK}-MeteringSchedule")


class Application:
    """Records usage with plain PutItem, as the guide does."""

    def __init__(self, session: boto3.session.Session, clock: MovedClock) -> None:
        self._table = session.resource("dynamodb").Table(f"{STACK}-MeteringRecords")
        self._clock = clock
        self._number = 0

    def use(self, hours_ago: float = 1, dimension: str = "users", **changes: Any) -> dict[str, Any]:
        self._number += 1
        start = UsageHour.of(self._clock.now()).start.timestamp()
        item = {
            "customerAWSAccountId": "111122223333",
            "productCode": "prod-abc123",
            "create_timestamp": int((start - hours_ago * 3_600 + 600) * 1_000) + self._number,
            "dimension": dimension,
            "quantity": 5,
            "metering_pending": "true",
        }
        item.update(changes)
        self._table.put_item(Item=item)
        return item

    def again(self, item: dict[str, Any], **changes: Any) -> None:
        """A person's retry, as the guide does it."""
        self._table.put_item(Item={**item, "metering_failed": False, **changes})

    def marks(self, item: dict[str, Any]) -> dict[str, Any]:
        key = {name: item[name] for name in ("customerAWSAccountId", "create_timestamp")}
        found: dict[str, Any] = self._table.get_item(Key=key)["Item"]
        return found


def test_each_role_grants_what_its_function_does_and_no_more(
    aws: Emulator, functions: Functions, session: boto3.session.Session, clock: MovedClock
) -> None:
    application = Application(session, clock)
    _ordinary_day(functions, application)
    _bad_input_and_retries(aws, functions, application)
    _large_entries(functions, application)
    _time_runs_out(functions, application)
    _a_lost_day(aws, functions, application, clock)

    for name, seen in functions.needs.items():
        needed = {(action, _logical(resource)) for action, resource in seen} | BY_LAMBDA[name]
        assert needed == _granted(name), name


def _ordinary_day(functions: Functions, application: Application) -> None:
    item = application.use()
    assert functions.seal()["entries"] == 1
    functions.submit()
    assert application.marks(item)["metering_response"].startswith("billed")
    # Pending again although it is billed: the mark is written once more.
    application.again(application.marks(item), metering_pending="true")
    functions.seal()
    assert "metering_pending" not in application.marks(item)
    # Changed although it is billed: it is told that it cannot be.
    application.again(application.marks(item), metering_pending="true", quantity=9)
    functions.seal()
    assert application.marks(item)["metering_failed"] is True


def _bad_input_and_retries(aws: Emulator, functions: Functions, application: Application) -> None:
    malformed = application.use(quantity="many")
    refused = application.use(dimension="seats")
    functions.seal()
    aws.simulator.faults.plan([Scheduled(faults.NotSubscribed())])
    functions.submit()
    assert application.marks(malformed)["metering_failed"] is True
    assert application.marks(refused)["metering_failed"] is True
    application.again(application.marks(refused), metering_pending="true")
    functions.seal()
    functions.submit()
    assert application.marks(refused)["metering_response"].startswith("billed")
    # One event, put twice at places of its own.
    event = application.use(dimension="orders", event_id="order-4711")
    again = application.use(dimension="orders", event_id="order-4711")
    functions.seal()
    functions.submit()
    assert application.marks(event)["metering_response"].startswith("billed")
    assert "an event counts once" in application.marks(again)["metering_response"]
    # Repaired while it is parked: its entry is released and the usage goes where it belongs.
    misspelt = application.use(dimension="seets")
    functions.seal()
    aws.simulator.faults.plan([Scheduled(faults.NotSubscribed())])
    functions.submit()
    application.again(application.marks(misspelt), metering_pending="true", dimension="stools")
    functions.seal()
    functions.submit()
    assert application.marks(misspelt)["metering_response"].startswith("billed")


def _large_entries(functions: Functions, application: Application) -> None:
    """So many usage records in one window that their list needs an item of its own."""
    table = application._table
    start = application.use(hours_ago=2, dimension="events")
    with table.batch_writer() as batch:
        for number in range(1, 2_000):
            stamp = start["create_timestamp"] + number * 7_919 % 2_400_011
            amount = number * 104_729 % 1_009
            batch.put_item({**start, "create_timestamp": stamp, "quantity": amount})
    functions.seal()
    functions.submit()
    assert application.marks(start)["metering_response"].startswith("billed")


def _time_runs_out(functions: Functions, application: Application) -> None:
    for number in range(600):
        application.use(hours_ago=3, dimension=f"d{number}")
    assert functions.seal(seconds=0)["continues"]
    functions.seal()
    functions.submit(seconds=3)
    functions.submit()


def _a_lost_day(
    aws: Emulator, functions: Functions, application: Application, clock: MovedClock
) -> None:
    """AWS does not answer until the deadline: released or unresolved, and told."""
    application.use(dimension="lost")
    functions.seal()
    aws.simulator.faults.plan([Scheduled(faults.ServerError(), times=5)])
    functions.submit()
    clock.advance(hours=26)
    functions.submit()
    functions.seal()
    # Usage older than what the ledger still has at hand.
    application.use(dimension="lost")
    functions.seal()
    application.use(hours_ago=60, dimension="lost")
    functions.seal()


def _logical(resource: str) -> str:
    """`granted-MeteringRecords/index/X` as the template names it."""
    name = (
        resource.removeprefix(f"{STACK}-").removesuffix(".fifo").removesuffix("-MeteringDoorbell")
    )
    names = {"MeteringDoorbell": "Doorbell", "MeteringNotifications": "Notifications"}
    return names.get(name, name)


def _granted(function: str) -> set[Need]:
    found = set()
    for statement in statements(properties(f"{function}Role")["Policies"]):
        actions, resources = statement["Action"], statement["Resource"]
        for action in [actions] if isinstance(actions, str) else actions:
            if action in LOGS:
                continue
            for resource in resources if isinstance(resources, list) else [resources]:
                if action != "sts:AssumeRole":
                    found.add((action, _name(resource)))
    return found


def _name(resource: Any) -> str:
    if isinstance(resource, str):
        return resource
    if "Ref" in resource:
        return str(resource["Ref"])
    if "Fn::GetAtt" in resource:
        return str(resource["Fn::GetAtt"][0])
    text = re.sub(r"\$\{(\w+)\.Arn\}", r"\1", resource["Fn::Sub"])
    return text.rpartition("${AWS::StackName}-")[2] or text
