"""Usage metering for AWS Marketplace, exactly once.

    from marketplace_metering import UsageRecorder

The names below are loaded when they are first used, so that the command line does not pay for
them, and a recorder loads no AWS SDK and no database before its first flush.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from marketplace_metering.recorder.asynchronous import AsyncUsageRecorder
    from marketplace_metering.recorder.errors import (
        InvalidUsageError,
        RecorderClosedError,
        RecorderError,
        RecorderSettingError,
        SpoolFullError,
        SpoolUnusableError,
    )
    from marketplace_metering.recorder.recorder import UsageRecorder
    from marketplace_metering.recorder.sinks.dynamodb import DynamoDBSink
    from marketplace_metering.recorder.telemetry import RecorderStats

__all__ = [
    "AsyncUsageRecorder",
    "DynamoDBSink",
    "InvalidUsageError",
    "RecorderClosedError",
    "RecorderError",
    "RecorderSettingError",
    "RecorderStats",
    "SpoolFullError",
    "SpoolUnusableError",
    "UsageRecorder",
]

_MODULES = {
    "AsyncUsageRecorder": "asynchronous",
    "DynamoDBSink": "sinks.dynamodb",
    "RecorderStats": "telemetry",
    "UsageRecorder": "recorder",
}


def __getattr__(name: str) -> object:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    module = import_module(f"{__name__}.recorder.{_MODULES.get(name, 'errors')}")
    found = globals()[name] = getattr(module, name)
    return found
