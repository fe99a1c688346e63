"""What can go wrong on this machine, in words that say what to do."""

from __future__ import annotations


class LocalError(Exception):
    """The local pipeline could not be brought to what was asked for; the message says why."""
