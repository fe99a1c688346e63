"""Content too large for the item that it belongs to, in items of its own.

An item is rewritten whole by each of its changes and holds 400 KB, so what is large and never
changes (members, allocations) stands apart. Parts are named by a digest of their content: two
runs that write the same part write the same, and what a lost transaction leaves behind is never
read. They are written before the item that names them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from marketplace_metering.adapters.dynamodb.api.attributes import Attributes, binary, text
from marketplace_metering.adapters.dynamodb.api.requests import Calls
from marketplace_metering.adapters.dynamodb.items.keys import Place, digest

INLINE_BYTES_MAX = 1_000
PART_BYTES = 300_000


@dataclass(slots=True)
class Parts:
    """The items that hold what did not fit elsewhere."""

    items: dict[Place, Attributes] = field(default_factory=dict)

    def take(self, pk: str, content: bytes) -> dict[str, Any]:
        """The attribute that stands for the content; its parts are added if it is large."""
        if len(content) <= INLINE_BYTES_MAX:
            return binary(content)
        name = digest(content)
        count = -(-len(content) // PART_BYTES)
        for number in range(count):
            place = Place(pk, _part_sk(name, number))
            part = content[number * PART_BYTES : (number + 1) * PART_BYTES]
            self.items[place] = {**place.key, "content": binary(part)}
        return text(f"{name}/{count}")


def _part_sk(name: str, number: int) -> str:
    return f"part#{name}#{number:03d}"


def read_contents(
    calls: Calls, table: str, attributes: Iterable[tuple[Place, Mapping[str, object]]]
) -> dict[Place, bytes]:
    """What each attribute stands for, inline or in parts; one attribute for each place."""
    contents: dict[Place, bytes] = {}
    wanted: dict[Place, list[Place]] = {}
    for owner, attribute in attributes:
        inline = attribute.get("B")
        if inline is not None:
            assert isinstance(inline, bytes)
            contents[owner] = inline
            continue
        name, _slash, count = str(attribute["S"]).partition("/")
        wanted[owner] = [Place(owner.pk, _part_sk(name, number)) for number in range(int(count))]
    places = dict.fromkeys(place for parts in wanted.values() for place in parts)
    found = {
        Place(item["pk"]["S"], item["sk"]["S"]): item["content"]["B"]
        for item in calls.get(table, (place.key for place in places))
    }
    for owner, parts in wanted.items():
        content = b"".join(found[place] for place in parts)
        assert digest(content) == parts[0].sk.split("#")[1], f"{owner} does not have its content"
        contents[owner] = content
    return contents
