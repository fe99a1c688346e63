"""Bringing the metering stack into an AWS account, and taking it away again."""
