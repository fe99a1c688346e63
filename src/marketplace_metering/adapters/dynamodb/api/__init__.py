"""Talking to DynamoDB; nothing here knows of metering."""
