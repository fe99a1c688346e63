"""A further invocation of a function, for what one could not finish in its time."""

from __future__ import annotations

import json
from collections.abc import Mapping

from marketplace_metering.adapters.aws.clients import AwsClient


class LambdaSuccessor:
    """Starts a function without waiting for it."""

    def __init__(self, client: AwsClient, function_name: str) -> None:
        self._client = client
        self._function_name = function_name

    def start(self, event: Mapping[str, object]) -> None:
        """Hand over to the next invocation."""
        self._client.invoke(
            FunctionName=self._function_name,
            InvocationType="Event",
            Payload=json.dumps(event).encode(),
        )
