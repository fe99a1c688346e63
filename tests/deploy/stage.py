"""The deployed stack with both functions in this process, so that their requests can be seen."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import boto3

from marketplace_metering.simulator import SimulatorClock

STATEMENT = re.compile(r'^(UPDATE|INSERT INTO|DELETE FROM) "([^"]+)"')
PARTIQL = {
    "UPDATE": "PartiQLUpdate",
    "INSERT INTO": "PartiQLInsert",
    "DELETE FROM": "PartiQLDelete",
}
TRANSACTION = {
    "Put": "PutItem",
    "Update": "UpdateItem",
    "Delete": "DeleteItem",
    "ConditionCheck": "ConditionCheckItem",
}

Need = tuple[str, str]  # an IAM action, and the resource as this test names it


@dataclass
class Needs:
    """The permissions that requests need, as they are made."""

    seen: set[Need] = field(default_factory=set)

    def take(self, params: Mapping[str, Any], model: Any, **_: object) -> None:
        """A request of any client of the default session."""
        service = model.service_model.service_name
        if service == "dynamodb":
            self.seen |= set(_dynamodb(model.name, params))
        else:
            self.seen.add(_other(service, model.name, params))


def _dynamodb(operation: str, params: Mapping[str, Any]) -> Iterator[Need]:
    match operation:
        case "BatchGetItem" | "BatchWriteItem":
            for table in params["RequestItems"]:
                yield f"dynamodb:{operation}", table
        case "BatchExecuteStatement":
            for each in params["Statements"]:
                found = STATEMENT.match(each["Statement"])
                assert found, each["Statement"]
                yield f"dynamodb:{PARTIQL[found[1]]}", found[2]
        case "TransactWriteItems":
            for each in params["TransactItems"]:
                ((kind, write),) = each.items()
                yield f"dynamodb:{TRANSACTION[kind]}", write["TableName"]
        case _:
            index = params.get("IndexName")
            name = params["TableName"]
            yield f"dynamodb:{operation}", f"{name}/index/{index}" if index else name


def _other(service: str, operation: str, params: Mapping[str, Any]) -> Need:
    match service, operation:
        case "sqs", _:
            return f"sqs:{operation}", params["QueueUrl"].rpartition("/")[2]
        case "sns", _:
            return f"sns:{operation}", params["TopicArn"].rpartition(":")[2]
        case "lambda", "Invoke":
            return "lambda:InvokeFunction", params["FunctionName"]
        case "meteringmarketplace", _:
            return f"aws-marketplace:{operation}", "*"
        case "sts", "AssumeRole":
            return "sts:AssumeRole", params["RoleArn"]
    raise AssertionError(f"no test knows the permission for {service} {operation}")


@contextmanager
def watched_session() -> Iterator[Needs]:
    """Watch every client that boto3 makes meanwhile."""
    needs = Needs()
    boto3.setup_default_session()
    assert boto3.DEFAULT_SESSION is not None
    boto3.DEFAULT_SESSION.events.register("before-parameter-build.*.*", needs.take)
    try:
        yield needs
    finally:
        boto3.DEFAULT_SESSION = None


@dataclass
class Context:
    """Lambda's context, with the clock's time."""

    seconds: float

    def get_remaining_time_in_millis(self) -> int:
        return int(self.seconds * 1_000)


class MovedClock:
    """Real time and an offset, the same as the simulator's; sleeping takes no time."""

    def __init__(self, simulator: SimulatorClock) -> None:
        self._simulator = simulator

    def now(self) -> datetime:
        return self._simulator.now()

    def sleep(self, seconds: float) -> None:
        self._simulator.advance(seconds)

    def advance(self, **span: float) -> None:
        self._simulator.advance(timedelta(**span).total_seconds())
