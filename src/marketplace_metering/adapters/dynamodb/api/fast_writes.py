"""The two operations that write most, without botocore's serializer and parser.

botocore walks through each value of a request with its service model, twice: two thirds of the
time of sealing and of writing marks. DynamoDB's JSON needs that for binary values only. A request
is signed with the client's own credentials and goes through its own connections, with their
proxies, certificates and time limits.

It is a short cut, never the only way: a request without a plain answer is sent again by the client,
which knows every kind of failure. That is as safe as the client's own repetition: a transaction
carries a token, and every statement has a condition.
"""

from __future__ import annotations

import json
from base64 import b64decode, b64encode
from typing import Any
from uuid import uuid4

from botocore.awsrequest import AWSRequest

from marketplace_metering.adapters.aws.clients import AwsClient
from marketplace_metering.adapters.dynamodb.api.fast_pages import BINARY, OK

METHODS = {
    "BatchExecuteStatement": "batch_execute_statement",
    "TransactWriteItems": "transact_write_items",
}


def _binary(value: object) -> str:
    if isinstance(value, bytes | bytearray):
        return b64encode(value).decode()
    raise TypeError(f"DynamoDB has no attribute of type {type(value).__name__}")


_encode = json.JSONEncoder(separators=(",", ":"), check_circular=False, default=_binary).encode


class RawRequests:
    """Sends requests for a boto3 client."""

    def __init__(self, client: AwsClient) -> None:
        self._client = client
        self._url = client.meta.endpoint_url
        self._region = client.meta.region_name
        self._headers = {
            "Content-Type": "application/x-amz-json-1.0",
            "User-Agent": client.meta.config.user_agent,
        }
        self._signer = client._request_signer
        self._connections = client._endpoint.http_session

    def execute(self, statements: list[dict[str, Any]]) -> dict[str, Any]:
        """As the client's `batch_execute_statement`, whose exceptions it raises."""
        return self._send("BatchExecuteStatement", {"Statements": statements})

    def transact(self, writes: list[Any]) -> dict[str, Any]:
        """As the client's `transact_write_items`, whose exceptions it raises."""
        token = str(uuid4())
        request = {"TransactItems": writes, "ClientRequestToken": token}
        return self._send("TransactWriteItems", request)

    def _send(self, operation: str, parameters: dict[str, Any]) -> dict[str, Any]:
        answer = self._try(operation, parameters)
        if answer is None:
            answer = getattr(self._client, METHODS[operation])(**parameters)
        return answer

    def _try(self, operation: str, parameters: dict[str, Any]) -> dict[str, Any] | None:
        """The answer, or None if the client is to ask."""
        headers = {**self._headers, "X-Amz-Target": f"DynamoDB_20120810.{operation}"}
        request = AWSRequest("POST", self._url, headers, _encode(parameters).encode())
        try:
            # For each request: credentials may have been renewed.
            self._signer.get_auth_instance("dynamodb", self._region).add_auth(request)
            response = self._connections.send(request.prepare())
            if response.status_code != OK:
                return None
            content = response.content
            answer: dict[str, Any] = json.loads(content)
        except Exception:  # noqa: BLE001 - the client asks again, and its failure is the one to tell
            return None
        return _with_bytes(answer) if any(mark in content for mark in BINARY) else answer


def _with_bytes(value: Any) -> Any:  # noqa: ANN401 - JSON
    """Binary attributes as boto3 gives them."""
    if isinstance(value, list):
        return [_with_bytes(each) for each in value]
    if not isinstance(value, dict):
        return value
    match value:
        case {"B": str(content)}:
            return {"B": b64decode(content)}
        case {"BS": [*contents]}:
            return {"BS": [b64decode(content) for content in contents]}
        case _:
            return {name: _with_bytes(each) for name, each in value.items()}


def raw_requests(client: AwsClient) -> RawRequests | None:
    """The short cut, if this is a boto3 client built as we know it."""
    try:
        return RawRequests(client)
    except AttributeError:
        return None
