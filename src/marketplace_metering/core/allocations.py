"""Which sets of tags a window is billed under.

AWS takes so many sets of tags for a window, so many different keys, and a request of so many bytes.
Tags change neither price nor sum, so what is above that never waits: it is billed at once, without
its tags. The sets with the most usage keep theirs.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from marketplace_metering.core.ledger import Allocation
from marketplace_metering.core.limits import ENTRY_BYTES_MAX, TAGS_MAX
from marketplace_metering.core.quantity import ZERO, Quantity
from marketplace_metering.core.record import Tags

UNTAGGED: Tags = ()


@dataclass(frozen=True, slots=True)
class Allocated:
    """The allocations of a window, and what of its usage lost its tags."""

    allocations: tuple[Allocation, ...]
    sets: int
    sets_without: int = 0
    quantity_without: Quantity = ZERO


def allocation_bytes(tags: Tags) -> int:
    """At least what one allocation takes in the request body (tags are ASCII)."""
    return 64 + sum(32 + len(key) + len(value) for key, value in tags)


def allocate(micros_by_tags: Mapping[Tags, int], sets_max: int) -> Allocated:
    """One allocation for each set of tags; none at all where no usage is tagged [M10]."""
    if micros_by_tags.keys() == {UNTAGGED}:
        return Allocated((), 0)
    tagged = [tags for tags in micros_by_tags if tags]
    keys = {key for tags in tagged for key, _value in tags}
    size = sum(map(allocation_bytes, micros_by_tags))
    if len(micros_by_tags) <= sets_max and len(keys) <= TAGS_MAX and size <= ENTRY_BYTES_MAX:
        return Allocated(_allocations(micros_by_tags), len(tagged))
    kept = _kept(micros_by_tags, sets_max)
    untagged = sum(micros for tags, micros in micros_by_tags.items() if tags not in kept)
    without = Quantity(untagged - micros_by_tags.get(UNTAGGED, 0))
    allocations = _allocations({UNTAGGED: untagged, **kept})
    return Allocated(allocations, len(tagged), len(tagged) - len(kept), without)


def _kept(micros_by_tags: Mapping[Tags, int], sets_max: int) -> dict[Tags, int]:
    """The sets that stay, the largest first, beside an allocation without tags."""
    kept: dict[Tags, int] = {}
    keys: set[str] = set()
    size = allocation_bytes(UNTAGGED)
    for tags, micros in sorted(micros_by_tags.items(), key=lambda each: (-each[1], each[0])):
        if not tags:
            continue
        # [Q11] five tags may be meant per record, so a window has no more than five distinct keys.
        with_these = keys.union(key for key, _value in tags)
        added = allocation_bytes(tags)
        if (
            len(kept) + 1 < sets_max
            and len(with_these) <= TAGS_MAX
            and size + added <= ENTRY_BYTES_MAX
        ):
            kept[tags] = micros
            keys = with_these
            size += added
    return kept


def _allocations(micros_by_tags: Mapping[Tags, int]) -> tuple[Allocation, ...]:
    return tuple(
        Allocation(tags, Quantity(micros)) for tags, micros in sorted(micros_by_tags.items())
    )
