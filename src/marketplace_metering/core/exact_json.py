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
