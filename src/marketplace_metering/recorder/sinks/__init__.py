"""Where a recorder delivers usage records: a port, the stores behind it, and which a URL names."""

from __future__ import annotations

from os.path import basename

from marketplace_metering.recorder.errors import RecorderSettingError
from marketplace_metering.recorder.sinks.port import Sink


def open_sink(to: str | Sink) -> Sink:
    """The store that a URL names; nothing is opened before the first put."""
    if not isinstance(to, str):
        return to
    if to.startswith("sqlite:///") and basename(to) not in ("", ":memory:"):
        from marketplace_metering.recorder.sinks.sqlite import SqliteSink

        return SqliteSink(to)
    if to.startswith("dynamodb://"):
        from marketplace_metering.recorder.sinks.dynamodb import DynamoDBSink

        return DynamoDBSink.of_url(to)
    raise RecorderSettingError(
        f"the recorder cannot write to {to!r}: give sqlite:///file, sqlite:////absolute/file, "
        "dynamodb://STACK or dynamodb://STACK?region=REGION"
    )
