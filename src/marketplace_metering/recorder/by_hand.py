"""A batch that a person records: it may be in the store that its recorder wrote to."""

from __future__ import annotations

import re
from pathlib import Path

from marketplace_metering.recorder.place import Place
from marketplace_metering.recorder.sinks.port import Sink
from marketplace_metering.recorder.spool.owner_lock import SUFFIX, Owner, read_owner

BATCH = re.compile(r"([0-9a-f]{24})-[0-9]{6}-[0-9a-f]{8}\.jsonl")
FILE = "sqlite:"


def may_be_elsewhere(path: Path, store: Sink) -> str | None:
    """Where usage of this file may be already, if it is a batch in a spool and not this store's.

    The ids of its sums make it count once in one store; two stores know nothing of each other.
    """
    owner = _owner_of(path)
    if owner is None or not owner.destination:
        return None
    is_there = owner.goes_to(store.name)
    if owner.destination.startswith(FILE):  # which has no place to be noted before a put
        return None if is_there else owner.destination
    if owner.place == Place() or (is_there and owner.place.may_be(store.place())):
        return None
    return f"{owner.destination} of {owner.place}"


def _owner_of(path: Path) -> Owner | None:
    named = BATCH.fullmatch(path.name)
    if named is None:
        return None
    try:
        return read_owner(path.with_name(f"{named[1]}{SUFFIX}"))
    except OSError:
        return None  # it was copied out of its spool, or nobody may look
