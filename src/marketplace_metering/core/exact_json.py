"""JSON that keeps the digits of its numbers: a seller's own attributes come back as they were."""

from __future__ import annotations

import json
from collections.abc import Mapping
from decimal import Decimal


def exact_json(value: object) -> str:
    """JSON of any attribute, with the digits of its numbers as they came."""
    match value:
        case Decimal() if value.is_finite():
            return str(value)
        case Mapping():
            members = (f"{json.dumps(str(k))}: {exact_json(v)}" for k, v in value.items())
            return "{" + ", ".join(members) + "}"
        case list() | tuple():
            return "[" + ", ".join(map(exact_json, value)) + "]"
        case None | bool() | int() | float() | str():
            return json.dumps(value)
        case _:
            return json.dumps(str(value))


def says_the_same(one: object, other: object) -> bool:
    """Whether two attributes are the same to a reader of their JSON.

    The order of names and the spelling of a number (3, 3.0) are no difference; true is not 1.
    """
    match one, other:
        case (Mapping(), Mapping()):
            return one.keys() == other.keys() and all(
                says_the_same(one[name], other[name]) for name in one
            )
        case (list() | tuple(), list() | tuple()):
            return len(one) == len(other) and all(map(says_the_same, one, other))
        case _:
            return isinstance(one, bool) == isinstance(other, bool) and one == other
