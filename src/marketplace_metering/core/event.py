"""Events: usage with an id of its own, which counts once whichever way it comes in.

On DynamoDB an event is known by its id and the second of its usage, which together say where it
is put: any later writer, in any process, comes to the same place, sees the id
there and writes nothing. Other languages do the same (docs/recorder.md), so the place
never changes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from marketplace_metering.core.hours import NS_PER_S
from marketplace_metering.core.record import Problem, UsageRecord


def place_of(event_id: str, at_ns: int) -> int:
    """The instant, within the second of the usage, where an event is put."""
    from hashlib import sha256

    digest = sha256(event_id.encode()).digest()
    return second_of(at_ns) + int.from_bytes(digest[:8], "big") % NS_PER_S


def place_test() -> Callable[[str, int], bool]:
    """Tells whether an event stands exactly at its place; made once, for a million questions."""
    from hashlib import sha256

    def is_at_its_place(event_id: str, ns: int) -> bool:
        digest = sha256(event_id.encode()).digest()
        return (int.from_bytes(digest[:8], "big") - ns) % NS_PER_S == 0

    return is_at_its_place


def next_place(place_ns: int) -> int:
    """Where to look next if another event stands there: a nanosecond on, in the same second."""
    second_ns = second_of(place_ns)
    return second_ns + (place_ns + 1 - second_ns) % NS_PER_S


def second_of(at_ns: int) -> int:
    """The first instant of the second."""
    return at_ns - at_ns % NS_PER_S


def event_clash(event: UsageRecord, recorded: Sequence[UsageRecord | None]) -> Problem | None:
    """What is wrong if its id was recorded before for other usage; None if for the same.

    `recorded` is what is known under the id, the latest first and then what it was before each
    correction; None stands for usage of another group, or for what cannot be read any more. Another
    time within the hour is no clash: it changes nothing that is billed.
    """
    for each in recorded:
        if each is not None and each.micros == event.micros and _is_same_group(each, event):
            return None
    latest = recorded[0]
    if latest is not None and _is_same_group(latest, event):
        what = f"with quantity {latest.quantity}"
    else:
        what = "for another product, licence, dimension, hour or set of tags"
    return Problem.of(
        "event_id",
        event.event_id,
        f"it was recorded before {what}, and an event counts once",
        "give the new event an id of its own",
    )


def repeated_event(
    event: UsageRecord, recorded: Sequence[UsageRecord | None], where: str
) -> Problem:
    """What is wrong with a usage record whose event stands elsewhere in the table already."""
    clash = event_clash(event, recorded)
    if clash is not None:
        return replace(clash, rule=f"{clash.rule} (see usage record {where})")
    return Problem.of(
        "event_id",
        event.event_id,
        f"it is recorded already, as usage record {where}, and an event counts once",
        "there is nothing to do, unless this is another use: then give it an id of its own",
    )


def _is_same_group(one: UsageRecord, other: UsageRecord) -> bool:
    return (one.meter, one.hour, one.tags) == (other.meter, other.hour, other.tags)
