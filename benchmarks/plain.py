"""The guide taken literally: what a seller would write in an afternoon, to compare with.

One query of the pending index, one message for each group, one `BatchMeterUsage` for each group,
one `UpdateItem` for each usage record. Both indexes show all attributes, and `metering_pending`
becomes "false", as in the sample of AWS that the guide descends from. Kinder than that sample, it
reads every page of the index, and splits nothing that is too large, because nothing is.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import boto3

from marketplace_metering.adapters.dynamodb.items.tables import definitions as our_definitions

MS_PER_HOUR = 3_600_000
MESSAGES_MAX = 10  # as many as one ReceiveMessage hands out


def definitions(prefix: str) -> list[dict[str, Any]]:
    """The guide's table alone."""
    records = our_definitions(prefix)[0]
    for index in records["GlobalSecondaryIndexes"]:
        index["Projection"] = {"ProjectionType": "ALL"}
    return [records]


class Plain:
    """The two functions."""

    def __init__(self, table: str, queue: str) -> None:
        self._table = table
        self._queue = queue
        self._dynamodb = boto3.client("dynamodb")
        self._sqs = boto3.client("sqs")
        self._metering = boto3.client("meteringmarketplace")

    def job(self) -> None:
        """Sum up what is pending, and send a message for each group."""
        groups: dict[tuple[str, str, str, int], list[str]] = {}
        sums: dict[tuple[str, str, str, int], int] = {}
        for item in self._pending():
            at = item["create_timestamp"]["N"]
            key = (
                item["productCode"]["S"],
                item["customerAWSAccountId"]["S"],
                item["dimension"]["S"],
                int(at) // MS_PER_HOUR,
            )
            groups.setdefault(key, []).append(at)
            sums[key] = sums.get(key, 0) + int(item["quantity"]["N"])
        for key, times in groups.items():
            body = json.dumps({"group": key, "quantity": sums[key], "times": times})
            self._sqs.send_message(QueueUrl=self._queue, MessageBody=body)

    def _pending(self) -> Iterator[dict[str, Any]]:
        query: dict[str, Any] = {
            "TableName": self._table,
            "IndexName": "PendingMeteringRecordsIndex",
            "KeyConditionExpression": "metering_pending = :pending",
            "ExpressionAttributeValues": {":pending": {"S": "true"}},
        }
        while True:
            page = self._dynamodb.query(**query)
            yield from page["Items"]
            if "LastEvaluatedKey" not in page:
                return
            query["ExclusiveStartKey"] = page["LastEvaluatedKey"]

    def processor(self) -> int:
        """One batch of messages; answers how many there were."""
        messages = self._sqs.receive_message(
            QueueUrl=self._queue, MaxNumberOfMessages=MESSAGES_MAX
        ).get("Messages", [])
        for message in messages:
            self._send(json.loads(message["Body"]))
        if messages:
            entries = [
                {"Id": str(number), "ReceiptHandle": message["ReceiptHandle"]}
                for number, message in enumerate(messages)
            ]
            self._sqs.delete_message_batch(QueueUrl=self._queue, Entries=entries)
        return len(messages)

    def _send(self, message: dict[str, Any]) -> None:
        product, account, dimension, hour = message["group"]
        answer = self._metering.batch_meter_usage(
            ProductCode=product,
            UsageRecords=[
                {
                    "Timestamp": hour * MS_PER_HOUR // 1_000 + 60,
                    "CustomerAWSAccountId": account,
                    "Dimension": dimension,
                    "Quantity": message["quantity"],
                }
            ],
        )
        said = answer["Results"][0]
        assert said["Status"] == "Success", said
        for at in message["times"]:
            self._dynamodb.update_item(
                TableName=self._table,
                Key={"customerAWSAccountId": {"S": account}, "create_timestamp": {"N": at}},
                UpdateExpression="SET metering_pending = :no, metering_response = :said",
                ExpressionAttributeValues={
                    ":no": {"S": "false"},
                    ":said": {"S": json.dumps(said, default=str)},
                },
            )
