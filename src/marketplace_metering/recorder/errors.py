"""What a recorder raises; every message says what to do."""

from __future__ import annotations

from marketplace_metering.core.record import Problem


class RecorderError(Exception):
    """The base of all errors of a recorder: catch it to catch each of them."""


class InvalidUsageError(RecorderError, ValueError):
    """`record()` was given usage that could never be metered; nothing of it was recorded.

    problems  every `Problem` of the call: `field` (the argument), `shown` (its value as text, or
              None), `rule` (what it must be) and `fix` (what to do)
    """

    def __init__(self, problems: tuple[Problem, ...]) -> None:
        super().__init__("; ".join(map(str, problems)))
        self.problems = problems


class RecorderSettingError(RecorderError, ValueError):
    """A recorder or sink cannot be set up like this; the message names the setting and its rule."""


class SpoolFullError(RecorderError):
    """`spool_bytes_max` bytes wait for the store; this call recorded nothing.

    Record the usage again when the store answers again, or raise the limit.
    """


class SpoolUnusableError(RecorderError):
    """The spool cannot be written: no room on the disk, no permission.

    The call recorded nothing, with one exception, which the message names: with `fsync=True` the
    line may be written and only not confirmed by the disk.
    """


class RecorderClosedError(RecorderError):
    """`record()` was called after `close()`; this call recorded nothing."""
