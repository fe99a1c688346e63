"""DynamoDB's operations as this store uses them: every page, every unprocessed rest, every retry.

A request that is throttled as a whole is repeated by botocore (`adapters.aws.clients`), and by
nobody else. What DynamoDB left undone of a batch, or of a transaction in conflict with another
one, is asked again here after a growing pause. What a condition refused is answered to the caller.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, NamedTuple, TypeVar

from botocore.exceptions import ClientError

from marketplace_metering.adapters.aws.clients import AwsClient
from marketplace_metering.adapters.dynamodb.api.attributes import Attributes
from marketplace_metering.adapters.dynamodb.api.fast_writes import raw_requests

GET_KEYS_MAX = 100  # [P1] BatchGetItem
PUT_ITEMS_MAX = 25  # [P1] BatchWriteItem
STATEMENTS_MAX = 25  # [P1] BatchExecuteStatement
STATEMENT_LENGTH_MAX = 8_192  # [P8]
TRANSACTION_ITEMS_MAX = 100  # [P1] TransactWriteItems
TRANSACTION_BYTES_MAX = 3_500_000  # ours, below 4 MB [P1]

TRIES = 10
PAUSE_FIRST_S = 0.05
PAUSE_LONGEST_S = 5.0

# DynamoDB did nothing, for reasons that pass. Single operations and the parts of batches and
# transactions name them differently.
PASSING = frozenset(
    {
        "ProvisionedThroughputExceededException",
        "ProvisionedThroughputExceeded",
        "ThrottlingException",
        "ThrottlingError",
        "RequestLimitExceeded",
        "TransactionConflictException",
        "TransactionConflict",
        "TransactionInProgressException",
    }
)
# Here it may have done it: only what can be repeated without harm is asked again.
UNKNOWN = frozenset({"InternalServerError"})
CONDITION_FAILED = frozenset({"ConditionalCheckFailed", "DuplicateItem"})

Many = TypeVar("Many")


class StoreBusyError(Exception):
    """DynamoDB keeps refusing to work for reasons that should pass; the next run goes on."""


class StoreError(Exception):
    """DynamoDB refuses what no condition foresees: a set-up or a program is wrong."""


class InvalidRequestError(StoreError):
    """DynamoDB finds a request invalid, such as too large, and has done nothing of it."""


class Statement(NamedTuple):
    """One PartiQL statement with its parameters."""

    words: str
    parameters: list[Any]


class Refusal(NamedTuple):
    """A write that was not done, for good: mostly because its condition was not met."""

    there: Attributes | None = None  # the item as it is, if there is one
    invalid: str | None = None  # no condition: DynamoDB's words about what cannot be stored


class Calls:
    """A client's operations, with patience for what they leave undone."""

    def __init__(self, client: AwsClient, pause: Callable[[float], None] = time.sleep) -> None:
        self._client = client
        self._pause = pause
        self._raw = raw_requests(client)

    def one(self, operation: str, **parameters: object) -> dict[str, Any]:
        """One request; botocore has repeated it by the time that it is given up."""
        return self._send(operation, getattr(self._client, operation), **parameters)

    def _send(
        self, what: str, send: Callable[..., dict[str, Any]], **parameters: object
    ) -> dict[str, Any]:
        try:
            return send(**parameters)
        except ClientError as error:
            if error.response.get("Error", {}).get("Code") in PASSING:
                raise StoreBusyError(
                    f"DynamoDB refused {what}, being throttled; the next run does what is left"
                ) from error
            raise

    def _waits(self, what: str) -> Iterator[float]:
        wait = PAUSE_FIRST_S
        for _try in range(TRIES):
            yield wait
            wait = min(wait * 2, PAUSE_LONGEST_S)
        raise StoreBusyError(
            f"DynamoDB refused {what} {TRIES} times: throttled or in conflict; "
            "the next run does the rest"
        )

    def pages(self, **query: object) -> Iterator[list[Attributes]]:
        """Every page of a Query. A page may be empty and not the last."""
        while True:
            answer = self.one("query", **query)
            yield answer["Items"]
            if "LastEvaluatedKey" not in answer:
                return
            query["ExclusiveStartKey"] = answer["LastEvaluatedKey"]

    def items(self, **query: object) -> Iterator[Attributes]:
        """Every item of a Query."""
        for page in self.pages(**query):
            yield from page

    def scan(self, **parameters: object) -> Iterator[Attributes]:
        """Every item of a table: for reports, never for the pipeline."""
        while True:
            answer = self.one("scan", **parameters)
            yield from answer["Items"]
            if "LastEvaluatedKey" not in answer:
                return
            parameters["ExclusiveStartKey"] = answer["LastEvaluatedKey"]

    def get(self, table: str, keys: Iterable[Attributes]) -> Iterator[Attributes]:
        """The items of these different keys as they are now, in no order."""
        for part in portions(keys, GET_KEYS_MAX):
            left = list(part)
            for wait in self._waits("BatchGetItem"):
                request = {table: {"Keys": left, "ConsistentRead": True}}
                answer = self.one("batch_get_item", RequestItems=request)
                yield from answer["Responses"].get(table, ())
                left = answer.get("UnprocessedKeys", {}).get(table, {}).get("Keys", [])
                if not left:
                    break
                self._pause(wait)

    def put(self, table: str, items: Iterable[Attributes]) -> None:
        """Write items, over anything that is there."""
        for part in portions(items, PUT_ITEMS_MAX):
            left: list[Any] = [{"PutRequest": {"Item": item}} for item in part]
            for wait in self._waits("BatchWriteItem"):
                answer = self.one("batch_write_item", RequestItems={table: left})
                left = answer.get("UnprocessedItems", {}).get(table, [])
                if not left:
                    break
                self._pause(wait)

    def transact(self, writes: Sequence[Any]) -> list[Refusal | None] | None:
        """All writes or none. None: done. Otherwise which writes had their condition refused.

        Raises InvalidRequestError for all of them where DynamoDB does not say which is invalid.
        """
        for wait in self._waits("TransactWriteItems"):
            try:
                self._transact(list(writes))
            except ClientError as error:
                reasons = error.response.get("CancellationReasons")
                if is_invalid(error):
                    raise InvalidRequestError(str(error)) from error
                if reasons is None:
                    raise
                refused = _refusals(reasons)
                if any(refused):
                    return refused
                self._pause(wait)
            else:
                return None
        raise AssertionError("the waits end with an exception")

    def execute(self, statements: Sequence[Statement]) -> list[Refusal | None]:
        """Each statement by itself; None where it was done. At most one batch at a time.

        One that is invalid may have DynamoDB refuse the whole request: it is found by halving.
        """
        assert len(statements) <= STATEMENTS_MAX, f"{len(statements)} statements in one batch"
        if not statements:
            return []
        try:
            return self._execute_valid(statements)
        except ClientError as error:
            if not is_invalid(error):
                raise
            if len(statements) == 1:
                return [Refusal(invalid=str(error))]
        half = len(statements) // 2
        return [*self.execute(statements[:half]), *self.execute(statements[half:])]

    def _execute_valid(self, statements: Sequence[Statement]) -> list[Refusal | None]:
        answers: list[Refusal | None] = [None] * len(statements)
        left = list(range(len(statements)))
        for wait in self._waits("BatchExecuteStatement"):
            batch = [
                {
                    "Statement": statements[index].words,
                    "Parameters": statements[index].parameters,
                    "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
                }
                for index in left
            ]
            responses = self._execute(batch)["Responses"]
            again: list[int] = []
            for index, response in zip(left, responses, strict=True):
                error = response.get("Error")
                if error is None:
                    continue
                if error["Code"] in PASSING | UNKNOWN:
                    again.append(index)
                else:
                    answers[index] = _refusal(error)
            if not again:
                return answers
            left = again
            self._pause(wait)
        raise AssertionError("the waits end with an exception")

    def _execute(self, batch: list[dict[str, Any]]) -> dict[str, Any]:
        if self._raw is None:
            return self.one("batch_execute_statement", Statements=batch)
        return self._send("batch_execute_statement", self._raw.execute, statements=batch)

    def _transact(self, writes: list[Any]) -> dict[str, Any]:
        if self._raw is None:
            return self.one("transact_write_items", TransactItems=writes)
        return self._send("transact_write_items", self._raw.transact, writes=writes)


def is_invalid(error: ClientError) -> bool:
    """Whether DynamoDB can never take the request as it is."""
    return error.response.get("Error", {}).get("Code") == "ValidationException"


def _refusals(reasons: Sequence[Mapping[str, Any]]) -> list[Refusal | None]:
    passing = PASSING | {"None"}
    return [
        None if reason.get("Code", "None") in passing else _refusal(reason) for reason in reasons
    ]


def _refusal(error: Mapping[str, Any]) -> Refusal:
    if error["Code"] in CONDITION_FAILED:
        return Refusal(error.get("Item"))
    words = f"{error['Code']}: {error.get('Message')}"
    if error["Code"] == "ValidationError":
        return Refusal(invalid=words)
    raise StoreError(words)


def portions(many: Iterable[Many], size: int) -> Iterator[list[Many]]:
    """Lists of at most so many."""
    rest = iter(many)
    while part := list(islice(rest, size)):
        yield part
