"""A client between the store and the emulator that can do to the store what AWS can."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count
from typing import Any

from botocore.exceptions import ClientError

from marketplace_metering.adapters.dynamodb import TableNames, create_tables

_numbers = count()
Act = Callable[[], object]


class PowerCutError(BaseException):
    """No handler can swallow it."""


@dataclass(slots=True)
class Call:
    """One request and its answer."""

    operation: str
    parameters: dict[str, Any]
    answer: dict[str, Any] | None = None


@dataclass(slots=True)
class _Fault:
    operation: str
    times: int
    act: Callable[[Callable[..., Any], dict[str, Any]], Any]


@dataclass
class FaultyClient:
    """Passes calls on, unless it was told otherwise; remembers all of them."""

    client: Any
    names: TableNames
    log: list[Call] = field(default_factory=list)
    faults: list[_Fault] = field(default_factory=list)
    old_pictures: TableNames | None = None
    observer: Any = None

    def __getattr__(self, operation: str) -> Callable[..., Any]:
        def call(**parameters: Any) -> Any:
            made = Call(operation, parameters)
            self.log.append(made)
            made.answer = self._call(operation, parameters)
            return made.answer

        return call

    def _call(self, operation: str, parameters: dict[str, Any]) -> Any:
        for fault in list(self.faults):
            if fault.operation == operation:
                fault.times -= 1
                if fault.times == 0:
                    self.faults.remove(fault)
                return fault.act(getattr(self.client, operation), parameters)
        if self.old_pictures is not None and "IndexName" in parameters:
            old = dict(zip(self.names, self.old_pictures, strict=True))
            parameters = {**parameters, "TableName": old[parameters["TableName"]]}
        if self.observer is not None:
            return self.observer.watch(operation, getattr(self.client, operation), parameters)
        return getattr(self.client, operation)(**parameters)

    def _next(self, operation: str, times: int, act: Callable[..., Any]) -> None:
        self.faults.append(_Fault(operation, times, act))

    def refuse(self, operation: str, code: str, times: int = 1) -> None:
        """The next calls are answered with an error that did nothing."""

        def act(call: Callable[..., Any], parameters: dict[str, Any]) -> Any:
            raise ClientError({"Error": {"Code": code, "Message": "in a test"}}, operation)

        self._next(operation, times, act)

    def cancel(self, code: str, times: int = 1) -> None:
        """The next transactions are cancelled, for a reason that their last part has."""

        def act(call: Callable[..., Any], parameters: dict[str, Any]) -> Any:
            reasons = [{"Code": "None"} for _write in parameters["TransactItems"]]
            reasons[-1] = {"Code": code}
            error = {"Code": "TransactionCanceledException", "Message": "in a test"}
            said: Any = {"Error": error, "CancellationReasons": reasons}
            raise ClientError(said, "transact_write_items")

        self._next("transact_write_items", times, act)

    def leave_half_unprocessed(self, times: int = 1) -> None:
        """Batches are answered in part."""

        def get(call: Callable[..., Any], parameters: dict[str, Any]) -> Any:
            ((table, request),) = parameters["RequestItems"].items()
            half = len(request["Keys"]) // 2
            answer = call(
                RequestItems={
                    table: {**request, "Keys": request["Keys"][:half] or [request["Keys"][0]]}
                }
            )
            rest = request["Keys"][max(half, 1) :]
            answer["UnprocessedKeys"] = {table: {**request, "Keys": rest}} if rest else {}
            return answer

        def put(call: Callable[..., Any], parameters: dict[str, Any]) -> Any:
            ((table, requests),) = parameters["RequestItems"].items()
            half = max(len(requests) // 2, 1)
            call(RequestItems={table: requests[:half]})
            rest = requests[half:]
            return {"UnprocessedItems": {table: rest} if rest else {}}

        def execute(call: Callable[..., Any], parameters: dict[str, Any]) -> Any:
            statements = parameters["Statements"]
            half = max(len(statements) // 2, 1)
            answer = call(Statements=statements[:half])
            busy = {"Error": {"Code": "ThrottlingError", "Message": "in a test"}}
            answer["Responses"] += [busy for _statement in statements[half:]]
            return answer

        self._next("batch_get_item", times, get)
        self._next("batch_write_item", times, put)
        self._next("batch_execute_statement", times, execute)

    def repeat(self, operation: str, times: int = 1, between: Act = lambda: None) -> None:
        """The answer is lost, and botocore sends the request once more, after others went on.

        It would send a transaction with the same token, which DynamoDB knows for ten minutes; here
        it comes as a new one.
        """

        def act(call: Callable[..., Any], parameters: dict[str, Any]) -> Any:
            call(**parameters)
            between()
            return call(**parameters)

        self._next(operation, times, act)

    def before(self, operation: str, act_first: Act, times: int = 1) -> None:
        """Another process comes first."""

        def act(call: Callable[..., Any], parameters: dict[str, Any]) -> Any:
            act_first()
            return call(**parameters)

        self._next(operation, times, act)

    def die_after(self, operation: str, calls: int = 1) -> None:
        """The power goes when so many of these calls were done."""

        def act(call: Callable[..., Any], parameters: dict[str, Any]) -> Any:
            call(**parameters)
            if not any(fault.act is act for fault in self.faults):
                raise PowerCutError
            return call(**parameters)

        self._next(operation, calls, act)

    def freeze_indexes(self) -> None:
        """From now on every index shows the tables as they are now."""
        self.old_pictures = create_tables(self.client, f"old-{next(_numbers)}")
        for table, old in zip(self.names, self.old_pictures, strict=True):
            for page in self.client.get_paginator("scan").paginate(TableName=table):
                for item in page["Items"]:
                    self.client.put_item(TableName=old, Item=item)

    def thaw_indexes(self) -> None:
        """The indexes have caught up."""
        self.old_pictures = None

    def requests(self) -> Counter[str]:
        """How many requests of each kind were made."""
        return Counter(call.operation for call in self.log)

    def wrote(self, table: str) -> bool:
        """Whether any request wrote to a table."""
        reading = ("query", "scan", "batch_get_item", "get_item")
        return any(c.operation not in reading and table in str(c.parameters) for c in self.log)
