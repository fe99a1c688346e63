"""An in-process stand-in for the calls that the DynamoDB store makes, with DynamoDB's own faults.

The contract suite runs against it, as it does against an emulator: that keeps it honest.
"""

from marketplace_metering.proof.fake_dynamodb.client import FakeDynamoDb, Faults

__all__ = ["FakeDynamoDb", "Faults"]
