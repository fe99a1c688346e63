"""What a recorder raises; every message says what to do."""

from __future__ import annotations

from marketplace_metering.core.record import Problem


class RecorderError(Exception):
    """Whatever a recorder raises."""


class InvalidUsageError(RecorderError, ValueError):
    """Usage that could never be metered; nothing of it was recorded."""

    def __init__(self, problems: tuple[Problem, ...]) -> None:
        super().__init__("; ".join(map(str, problems)))
        self.problems = problems


class RecorderSettingError(RecorderError, ValueError):
    """A recorder cannot be set up like this."""


class SpoolFullError(RecorderError):
    """Usage waits for the store and no more of it fits; this call recorded nothing."""


class SpoolUnusableError(RecorderError):
    """The spool cannot be written; this call recorded nothing."""


class RecorderClosedError(RecorderError):
    """The recorder was closed; this call recorded nothing."""
