"""Where in the table a usage record of the recorder stands.

Every usage record of the recorder has an event id, the application's or one of its own. Its sort
key follows from the id and the second of the usage: who writes it again, at any later time and
from any process, comes to the same place, sees the id there and writes nothing. Other languages
do the same (docs/recorder.md), so this never changes.
"""

from __future__ import annotations

from marketplace_metering.core.hours import NS_PER_S


def place_of(event_id: str, at_ns: int) -> int:
    """The instant, within the second of the usage, where an event is put."""
    from hashlib import sha256

    digest = sha256(event_id.encode()).digest()
    return second_of(at_ns) + int.from_bytes(digest[:8], "big") % NS_PER_S


def next_place(place_ns: int) -> int:
    """Where to look next if another event stands there: a nanosecond on, in the same second."""
    second_ns = second_of(place_ns)
    return second_ns + (place_ns + 1 - second_ns) % NS_PER_S


def second_of(at_ns: int) -> int:
    """The first instant of the second."""
    return at_ns - at_ns % NS_PER_S
