"""Vendor-metered tagging: the split of one usage record over buckets of tags."""

import re
from typing import Final, NamedTuple

from marketplace_metering.simulator.answers import refuse
from marketplace_metering.simulator.json_types import Problems, text, whole_number
from marketplace_metering.simulator.quantities import WHOLE_MAX, decimal_quantity, whole_quantity
from marketplace_metering.simulator.readings import Readings

ALLOCATIONS_MAX: Final = 2500  # [M10]
TAGS_MAX: Final = 5  # [M11]
KEY_LENGTH_MAX: Final = 100  # [M11]
VALUE_LENGTH_MAX: Final = 256  # [M11]
_CHARACTERS: Final = {
    # [Q26] ` -=` between brackets is a range from space to the equals sign ...
    "pattern": re.compile(r"[a-zA-Z0-9+ -=._:/@]+"),
    # ... while AWS's prose lists the space, the hyphen and the equals sign.
    "listed": re.compile(r"[a-zA-Z0-9+ \-=._:/@]+"),
}

_QUANTITIES: Final = ("AllocatedUsageQuantity", "AllocatedUsageQuantityAsDecimal")

Tags = tuple[tuple[str, str], ...]


class Allocation(NamedTuple):
    """One bucket: its quantity in millionths and its tags in order of their keys."""

    quantity: int
    tags: Tags


def read_allocations(
    sent: object, path: str, total: int, is_decimal: bool, readings: Readings
) -> tuple[Allocation, ...]:
    """The allocations of a record in a canonical order, or the refusal of the request."""
    if not isinstance(sent, list):
        refuse("SerializationException", f"{path} must be a list")
    problems = Problems()
    problems.length(sent, path, 1, ALLOCATIONS_MAX)
    problems.check()
    allocations = [
        _read_allocation(each, f"{path}.{number}.member", is_decimal, problems, readings)
        for number, each in enumerate(sent, start=1)
    ]
    problems.check()
    _check_whole_split(allocations, path, total, readings)
    return tuple(sorted(allocations, key=lambda each: each.tags))


def echo_allocations(sent: object) -> list[object]:
    """Allocations that were read without complaint, with only the members that AWS knows."""
    assert isinstance(sent, list)
    echo: list[object] = []
    for each in sent:
        members = {name: each[name] for name in _QUANTITIES if each.get(name) is not None}
        if each.get("Tags") is not None:
            members["Tags"] = [
                {"Key": tag["Key"], "Value": tag.get("Value")} for tag in each["Tags"]
            ]
        echo.append(members)
    return echo


def _check_whole_split(
    allocations: list[Allocation], path: str, total: int, readings: Readings
) -> None:
    keys = {key for each in allocations for key, _ in each.tags}
    if readings.five_tags_per == "record" and len(keys) > TAGS_MAX:
        refuse("InvalidTagException", f"{path} use {len(keys)} tag keys, at most {TAGS_MAX}")
    # Seller guide, vendor-metered tagging: no two allocations with the same tags.
    if len({each.tags for each in allocations}) < len(allocations):
        refuse("InvalidUsageAllocationsException", f"{path} have the same set of tags twice")
    # [M10] the allocations sum up to the record's quantity
    if sum(each.quantity for each in allocations) != total:
        refuse(
            "InvalidUsageAllocationsException",
            f"The sum of the quantities of {path} is not the quantity of the usage record",
        )


def _read_allocation(
    sent: object, path: str, is_decimal: bool, problems: Problems, readings: Readings
) -> Allocation:
    if not isinstance(sent, dict):
        refuse("SerializationException", f"{path} must be a structure")
    whole = whole_number(sent.get("AllocatedUsageQuantity"), f"{path}.allocatedUsageQuantity")
    decimal_path = f"{path}.allocatedUsageQuantityAsDecimal"
    decimal = text(sent.get("AllocatedUsageQuantityAsDecimal"), decimal_path)
    tags = _read_tags(sent.get("Tags"), f"{path}.tags", problems, readings)
    if (whole is None) == (decimal is None):  # [M10] exactly one
        refuse("InvalidUsageAllocationsException", f"{path} must have exactly one quantity")
    if (decimal is not None) != is_decimal:  # [M10] the kind of its record
        refuse(
            "InvalidUsageAllocationsException",
            f"{path} must use the same type of quantity as its usage record",
        )
    if whole is not None:
        problems.range(whole, f"{path}.allocatedUsageQuantity", 0, WHOLE_MAX)
        return Allocation(whole_quantity(whole), tags)
    assert decimal is not None
    return Allocation(decimal_quantity(decimal, decimal_path, problems), tags)


def _read_tags(sent: object, path: str, problems: Problems, readings: Readings) -> Tags:
    if sent is None:
        return ()  # the bucket of untagged usage
    if not isinstance(sent, list):
        refuse("SerializationException", f"{path} must be a list")
    if not sent:
        problems.length(sent, path, 1, TAGS_MAX)
        return ()
    if len(sent) > TAGS_MAX:  # [M11]
        refuse("InvalidTagException", f"{path} has {len(sent)} tags, at most {TAGS_MAX}")
    tags = {}
    for number, each in enumerate(sent, start=1):
        key, value = _read_tag(each, f"{path}.{number}.member", problems, readings)
        if key in tags:
            refuse("InvalidTagException", f"{path} has the tag key '{key}' twice")
        tags[key] = value
    return tuple(sorted(tags.items()))


def _read_tag(sent: object, path: str, problems: Problems, readings: Readings) -> tuple[str, str]:
    if not isinstance(sent, dict):
        refuse("SerializationException", f"{path} must be a structure")
    key = text(sent.get("Key"), f"{path}.key")
    value = text(sent.get("Value"), f"{path}.value")
    if key is None:
        problems.missing(f"{path}.key")
        key = "missing"
    if not value and readings.empty_tag_value == "allowed":
        value = ""
    elif value is None:
        problems.missing(f"{path}.value")
        value = "missing"
    else:
        _check_word(value, f"{path}.value", VALUE_LENGTH_MAX, readings)
    _check_word(key, f"{path}.key", KEY_LENGTH_MAX, readings)
    return key, value


def _check_word(word: str, path: str, length_max: int, readings: Readings) -> None:
    if not 1 <= len(word) <= length_max:
        refuse("InvalidTagException", f"{path} must have 1 to {length_max} characters")
    if _CHARACTERS[readings.tag_characters].fullmatch(word) is None:
        refuse("InvalidTagException", f"{path} has a character that tags do not allow")
