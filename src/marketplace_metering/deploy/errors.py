"""What can go wrong with a stack, in words that say what to do."""

from __future__ import annotations


class DeployError(Exception):
    """The stack could not be brought to what was asked for; the message says what to do."""
