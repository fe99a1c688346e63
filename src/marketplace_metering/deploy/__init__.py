"""Bringing the metering stack into an AWS account, and taking it away again."""


class DeployError(Exception):
    """The stack could not be brought to what was asked for; the message says what to do."""
