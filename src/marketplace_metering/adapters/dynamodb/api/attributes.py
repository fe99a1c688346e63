"""DynamoDB's attribute values and Python's, both ways and exact: no float on the way."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from marketplace_metering.core.budgets import DEPTH_MAX
from marketplace_metering.core.hours import NS_PER_MS
from marketplace_metering.core.quantity import micros_of

Attribute = Mapping[str, Any]  # such as {"S": "text"}
Attributes = dict[str, Any]  # an item as DynamoDB's API has it: names and their Attribute

NAME_BYTES_MAX = 65_535  # [P3]
NUMBER_DIGITS_MAX = 38  # [P2] more is an exception
NUMBER_EXPONENT_MAX = 125  # [P2] magnitude up to 9.99E+125, down to 1E-130


class UnstorableError(ValueError):
    """A value that DynamoDB has no place for."""


def text(value: str) -> dict[str, str]:
    """A string attribute."""
    return {"S": value}


def number(value: int | str) -> dict[str, str]:
    """A number attribute, from an integer or from exact digits."""
    return {"N": str(value)}


def binary(value: bytes) -> dict[str, bytes]:
    """A binary attribute."""
    return {"B": value}


TRUE: dict[str, bool] = {"BOOL": True}


def python_value(attribute: Attribute) -> object:
    """The value of an attribute of any type: a seller may have written anything."""
    ((kind, value),) = attribute.items()
    match kind:
        case "S" | "B" | "BOOL":
            return value
        case "N":
            return python_number(value)
        case "NULL":
            return None
        case "M":
            return {name: python_value(each) for name, each in value.items()}
        case "L":
            return [python_value(each) for each in value]
        case "NS":
            return {python_number(each) for each in value}
        case _:
            return set(value)


def python_attributes(item: Mapping[str, Attribute]) -> dict[str, object]:
    """What all attributes of an item say."""
    return {name: python_value(attribute) for name, attribute in item.items()}


def python_number(digits: str) -> int | Decimal:
    """The exact number."""
    return int(digits) if digits.isdecimal() else Decimal(digits)


def attribute_of(value: object, depth: int = 0) -> dict[str, Any]:
    """The attribute that holds a value of JSON or CSV; raises UnstorableError.

    Numbers that DynamoDB would round are kept as strings of their digits.
    """
    if depth > DEPTH_MAX:
        raise UnstorableError(f"it is nested more than {DEPTH_MAX} levels deep")
    match value:
        case None:
            return {"NULL": True}
        case bool():
            return {"BOOL": value}
        case str():
            return {"S": writable(value)}
        case int():
            return _number_attribute(Decimal(value))
        case float():
            return _number_attribute(Decimal(repr(value)))
        case Decimal():
            return _number_attribute(value)
        case Mapping():
            return {
                "M": {
                    writable(str(key)): attribute_of(each, depth + 1) for key, each in value.items()
                }
            }
        case list() | tuple():
            return {"L": [attribute_of(each, depth + 1) for each in value]}
        case bytes():
            return {"B": value}
        case _:
            return {"S": writable(str(value))}


def writable(value: str) -> str:
    """The text; halves of characters, which JSON may hold and UTF-8 cannot, are escaped."""
    return value if value.isascii() else value.encode("utf-8", "backslashreplace").decode()


def name_of(written: str) -> str:
    """The name of an item's attribute; raises UnstorableError."""
    name = writable(written)
    if not name:
        raise UnstorableError("one of its attributes has an empty name")
    if len(name.encode()) > NAME_BYTES_MAX:
        raise UnstorableError(f"it has an attribute whose name is longer than {NAME_BYTES_MAX}")
    return name


def _number_attribute(value: Decimal) -> dict[str, str]:
    fits = (
        value.is_finite()
        and len(value.as_tuple().digits) <= NUMBER_DIGITS_MAX
        and abs(value.adjusted()) <= NUMBER_EXPONENT_MAX
    )
    return {"N": str(value)} if fits else {"S": str(value)}


def timestamp_ns(digits: str) -> int | None:
    """The instant of a `create_timestamp`, or None if it is finer than a nanosecond."""
    if digits.isdecimal():
        return int(digits) * NS_PER_MS
    return micros_of(Decimal(digits))  # a millisecond has a million nanoseconds


def size_of(item: Mapping[str, Attribute]) -> int:
    """The bytes of an item as DynamoDB counts them, or a little more. [P3]"""
    return sum(len(name.encode()) + _value_size(attribute) for name, attribute in item.items())


def _value_size(attribute: Attribute) -> int:
    ((kind, value),) = attribute.items()
    match kind:
        case "S":
            return len(value.encode())
        case "B":
            return len(value)
        case "N":
            return len(value) // 2 + 2
        case "M":
            return 3 + sum(len(k.encode()) + 1 + _value_size(v) for k, v in value.items())
        case "L":
            return 3 + sum(1 + _value_size(each) for each in value)
        case "SS" | "BS" | "NS":
            return 3 + sum(len(each) for each in value)
        case _:
            return 1
