"""The doorbell: a queue message without cargo that says "entries are due"."""

from __future__ import annotations

import uuid

from marketplace_metering.adapters.aws.clients import AwsClient

BODY = '{"doorbell": "entries are due"}'
# One group, so that SQS hands out one batch at a time and there is one processor.
GROUP = "metering"


class SqsDoorbell:
    """Rings through an SQS FIFO queue."""

    def __init__(self, client: AwsClient, queue_url: str) -> None:
        self._client = client
        self._queue_url = queue_url

    def ring(self) -> None:
        """Wake the processor; to ring twice is harmless.

        Every ring is one of its own. SQS would otherwise swallow one whose content was seen in the
        last five minutes, even if the processor has answered that one long since (SQS guide,
        "Using the message deduplication ID").
        """
        self._client.send_message(
            QueueUrl=self._queue_url,
            MessageBody=BODY,
            MessageGroupId=GROUP,
            MessageDeduplicationId=str(uuid.uuid4()),
        )
