"""One operation without botocore's serializer and parser: BatchExecuteStatement.

Writing the marks is most of what a processor does, and botocore walks through each value of a
request with its service model: two thirds of the time. DynamoDB's JSON needs that for binary
values only. The request is signed with the client's own credentials, and goes through its own
connections, with their proxies, certificates and time limits.

It is a short cut, never the only way: whatever does not come back as a plain answer is sent again
by the client, which knows every kind of failure and repeats what may be repeated.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from botocore.awsrequest import AWSRequest

from marketplace_metering.adapters.aws.clients import AwsClient

OK = 200
HEADERS = {
    "Content-Type": "application/x-amz-json-1.0",
    "X-Amz-Target": "DynamoDB_20120810.BatchExecuteStatement",
}

Statements = Sequence[Mapping[str, Any]]
_encode = json.JSONEncoder(separators=(",", ":"), check_circular=False).encode


class RawStatements:
    """Sends statements for a boto3 client."""

    def __init__(self, client: AwsClient) -> None:
        self._client = client
        self._url = client.meta.endpoint_url
        self._region = client.meta.region_name
        self._headers = {**HEADERS, "User-Agent": client.meta.config.user_agent}
        self._signer = client._request_signer
        self._connections = client._endpoint.http_session

    def send(self, statements: Statements) -> dict[str, Any]:
        """As the client's `batch_execute_statement`, whose exceptions it raises."""
        answer = self._send(statements)
        if answer is None:
            answer = self._client.batch_execute_statement(Statements=statements)
        return answer

    def _send(self, statements: Statements) -> dict[str, Any] | None:
        """The answer, or None if the client is to ask."""
        try:
            body = _encode({"Statements": statements}).encode()
        except TypeError:  # a binary value
            return None
        request = AWSRequest("POST", self._url, dict(self._headers), body)
        try:
            # Anew for each: credentials may have been renewed.
            self._signer.get_auth_instance("dynamodb", self._region).add_auth(request)
            response = self._connections.send(request.prepare())
            if response.status_code != OK:
                return None
            answer: dict[str, Any] = json.loads(response.content)
        except Exception:  # noqa: BLE001 - the client asks again, and its failure is the one to tell
            return None
        return answer


def raw_statements(client: AwsClient) -> RawStatements | None:
    """The short cut, if this is a boto3 client built as we know it."""
    try:
        return RawStatements(client)
    except AttributeError:
        return None
