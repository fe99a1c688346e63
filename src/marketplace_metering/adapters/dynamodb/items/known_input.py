"""Which inputs were begun, and what they held: an item by name, and one by content.

Whoever notes content that somebody else has noted meanwhile comes to the same item by content.
"""

from __future__ import annotations

from typing import Any

from marketplace_metering.adapters.dynamodb.api.attributes import Attributes, number, text
from marketplace_metering.adapters.dynamodb.api.requests import Calls
from marketplace_metering.adapters.dynamodb.items.keys import Place, digest
from marketplace_metering.core.inputs import KnownInput


def known_inputs(calls: Calls, table: str, name: str | None, head: str) -> list[KnownInput]:
    """Those of this name, and those of this head."""
    found: dict[KnownInput, None] = {}
    for pk in (None if name is None else _by_name(name), _by_head(head)):
        if pk is not None:
            items = calls.items(
                TableName=table,
                KeyConditionExpression="pk = :pk",
                ExpressionAttributeValues={":pk": text(pk)},
                ConsistentRead=True,
            )
            found.update((_parse(item), None) for item in items if "digest" in item)
    return list(found)


def note_input(calls: Calls, table: str, noted: KnownInput, instead_of: KnownInput | None) -> bool:
    """Note it in the place of what was read, if that is so still."""
    places = _places(noted)
    before = [] if instead_of is None else _places(instead_of)
    writes = [
        _put(table, place, noted, instead_of if place in before else None) for place in places
    ]
    # It holds that no more; what stays is no claim, and needs no right to delete.
    writes += [
        {"Put": {"TableName": table, "Item": {**place.key, "gone": text("it grew")}}}
        for place in before
        if place not in places
    ]
    if calls.transact(writes) is None:
        return True
    # An own write whose answer was lost is met when it is repeated.
    there = calls.get(table, [places[0].key])
    return [_parse(item) for item in there] == [noted]


def _put(
    table: str, place: Place, noted: KnownInput, instead_of: KnownInput | None
) -> dict[str, Any]:
    item: Attributes = {
        **place.key,
        "name": text(noted.name),
        "source": text(noted.source),
        "size": number(noted.size),
        "digest": text(noted.digest),
        "head": text(noted.head),
        "counted": text(str(noted.is_counted)),
    }
    condition: dict[str, Any] = {
        "ConditionExpression": "attribute_not_exists(#digest)",
        "ExpressionAttributeNames": {"#digest": "digest"},
    }
    if instead_of is not None:
        condition = {
            "ConditionExpression": "#digest = :digest AND #counted = :counted",
            "ExpressionAttributeNames": {"#digest": "digest", "#counted": "counted"},
            "ExpressionAttributeValues": {
                ":digest": text(instead_of.digest),
                ":counted": text(str(instead_of.is_counted)),
            },
        }
    return {"Put": {"TableName": table, "Item": item, **condition}}


def _places(noted: KnownInput) -> list[Place]:
    own = digest(noted.source.encode())
    by_content = f"{noted.digest}#{own}#{digest(noted.name.encode())}"
    return [
        Place(_by_name(noted.name), own),
        Place(_by_head(noted.head), by_content if noted.is_counted else noted.digest),
    ]


def _by_name(name: str) -> str:
    return f"input#name#{digest(name.encode())}"


def _by_head(head: str) -> str:
    return f"input#head#{head}"


def _parse(item: Attributes) -> KnownInput:
    return KnownInput(
        item["name"]["S"],
        item["source"]["S"],
        int(item["size"]["N"]),
        item["digest"]["S"],
        item["head"]["S"],
        item["counted"]["S"] == "True",
    )
