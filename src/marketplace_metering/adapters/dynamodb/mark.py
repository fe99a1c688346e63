"""The mark of a store on AWS: one item of a third table, `<Stack>-MeteringMark`.

The table has no point-in-time recovery and is in no backup of the other two, so it never comes
back with them. A parameter or an object would do as well, but for this: the table is raised by one
conditional write, whichever of two processes comes first.
"""

from __future__ import annotations

from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from marketplace_metering.adapters.aws.clients import AwsClient
from marketplace_metering.adapters.dynamodb.api.attributes import Attributes, number, text
from marketplace_metering.adapters.dynamodb.items.tables import TableNames
from marketplace_metering.core.copies import Mark, MarkUnusableError, Sending

KEY: Attributes = {"pk": text("mark"), "sk": text("latest")}


class TableMark:
    """See `ports.HighWaterMark`."""

    def __init__(self, client: AwsClient, names: TableNames) -> None:
        self._client = client
        self._table = names.mark

    def read(self) -> Mark | None:
        """The item as it is now."""
        answer = self._ask("get_item", Key=KEY, ConsistentRead=True)
        return _mark_of(answer["Item"]) if "Item" in answer else None

    def raise_to(self, sending: Sending) -> Mark:
        """Put the item where there is none, or where its number is lower."""
        item = {**KEY, "number": number(sending.number), "sending": text(str(sending))}
        there_is_none = {"ConditionExpression": "attribute_not_exists(pk)"}
        it_is_lower = {
            "ConditionExpression": "#number < :number",
            "ExpressionAttributeNames": {"#number": "number"},
            "ExpressionAttributeValues": {":number": item["number"]},
        }
        # Nearly always the second one fits; where there is no item, its condition does not.
        for condition in (it_is_lower, there_is_none, it_is_lower):
            if self._put(item, condition):
                return Mark(sending)
            there = self.read()
            if there is not None and there.sending.number >= sending.number:
                return there
        raise MarkUnusableError(f"other processes keep changing the mark in {self._table}")

    def _put(self, item: Attributes, condition: dict[str, Any]) -> bool:
        try:
            self._ask("put_item", Item=item, **condition)
        except ClientError as error:
            if error.response["Error"]["Code"] == "ConditionalCheckFailedException":
                return False
            raise
        return True

    def _ask(self, operation: str, **parameters: object) -> dict[str, Any]:
        try:
            answer: dict[str, Any] = getattr(self._client, operation)(
                TableName=self._table, **parameters
            )
        except ClientError as error:
            code = error.response["Error"]["Code"]
            if code == "ConditionalCheckFailedException":
                raise
            if code == "ResourceNotFoundException":
                raise MarkUnusableError(
                    f"there is no table {self._table}: `metering deploy` makes it. Nothing is "
                    "sent without it"
                ) from error
            raise MarkUnusableError(f"the mark in {self._table} cannot be used: {error}") from error
        except BotoCoreError as error:
            raise MarkUnusableError(f"the mark in {self._table} cannot be used: {error}") from error
        return answer


def _mark_of(item: Attributes) -> Mark:
    return Mark(Sending.parse(item["sending"]["S"]))
