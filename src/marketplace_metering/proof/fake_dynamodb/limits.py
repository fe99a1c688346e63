"""How large things may be: DynamoDB's own limits, in its own words.

An item's size is that of its names and values as DynamoDB counts them. It is computed for what is
written, and for what is read only where a page might be full.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from functools import lru_cache
from typing import Any

from marketplace_metering.proof.fake_dynamodb.tables import Index, Table

Item = Mapping[str, Any]

ITEM_BYTES = 400 * 1024
PAGE_BYTES = 1024 * 1024
TRANSACTION_BYTES = 4 * 1024 * 1024
EXPRESSION_BYTES = 4 * 1024
SUBSTITUTION_BYTES = 2 * 1024 * 1024
STATEMENT_LENGTH = 8_192
HASH_KEY_BYTES, RANGE_KEY_BYTES = 2_048, 1_024
GETS, PUTS, STATEMENTS, WRITES = 100, 25, 25, 100  # in one request
CONTAINER_BYTES = 3
EXPRESSIONS = (
    "ConditionExpression",
    "UpdateExpression",
    "KeyConditionExpression",
    "FilterExpression",
)

TOO_LARGE = "Item size has exceeded the maximum allowed size"
UPDATE_TOO_LARGE = "Item size to update has exceeded the maximum allowed size"
TRANSACTION_TOO_LARGE = "Transaction request exceeds the 4MB transaction size limit"
INVALID = "One or more parameter values were invalid:"
EMPTY_KEY = (
    "One or more parameter values are not valid. The AttributeValue for a key attribute cannot "
    "contain an empty string value. Key: "
)


def size_of(item: Item) -> int:
    """The bytes of an item."""
    return sum([_text_size(name) + _value_size(value) for name, value in item.items()])


def _text_size(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode())


def _value_size(attribute: Mapping[str, Any]) -> int:
    ((kind, value),) = attribute.items()
    match kind:
        case "S":
            return _text_size(value)
        case "N":
            return _number_size(value)
        case "B":
            return len(value)
        case "M":
            return CONTAINER_BYTES + len(value) + size_of(value)
        case "L":
            return CONTAINER_BYTES + sum([1 + _value_size(each) for each in value])
        case "SS":
            return sum([_text_size(each) for each in value])
        case "NS":
            return sum([_number_size(each) for each in value])
        case "BS":
            return sum([len(each) for each in value])
        case _:
            return 1  # BOOL and NULL


@lru_cache(maxsize=16_384)
def _number_size(digits: str) -> int:
    """A byte, one for each pair of digits as they stand around the decimal point, but for zeros at
    either end, and one for a minus."""
    _sign, numbers, exponent = Decimal(digits).as_tuple()
    assert isinstance(exponent, int), "DynamoDB knows no such number"
    significant = "".join(map(str, numbers)).strip("0")
    if not significant:
        return 1
    trailing = len(numbers) - len("".join(map(str, numbers)).rstrip("0"))
    length = len(significant) + (exponent + trailing) % 2
    return 1 + (length + 1) // 2 + digits.startswith("-")


def item_fault(table: Table, item: Item) -> str | None:
    """What is wrong with an item to be written, before anything else is looked at."""
    bad_key = key_fault(table, item) or index_key_fault(table, item)
    return bad_key or size_fault(table, item, TOO_LARGE)


def update_fault(table: Table, item: Item) -> str | None:
    """What is wrong with the item that an update would leave."""
    return index_key_fault(table, item) or size_fault(table, item, UPDATE_TOO_LARGE)


def size_fault(table: Table, item: Item, words: str) -> str | None:
    """Whether the item is too large; the table remembers how large its items are at most."""
    size = size_of(item)
    table.largest = max(table.largest, size)
    return words if size > ITEM_BYTES else None


def key_fault(table: Table | Index, key: Item) -> str | None:
    """What is wrong with the key of an item."""
    for name, kind, most in (
        (table.partition, "hash", HASH_KEY_BYTES),
        (table.sort, "range", RANGE_KEY_BYTES),
    ):
        text: str | None = key[name].get("S")
        if text == "":
            return f"{EMPTY_KEY}{name}"
        if text is not None and _text_size(text) > most:
            return (
                f"{INVALID} Aggregated size of all {kind} keys has exceeded the size limit of "
                f"{most} bytes"
            )
    return None


def index_key_fault(table: Table, item: Item) -> str | None:
    """What is wrong with an item's key in an index of the table."""
    for index_name, index in table.indexes.items():
        for name, most in ((index.partition, HASH_KEY_BYTES), (index.sort, RANGE_KEY_BYTES)):
            attribute = item.get(name)
            if attribute is None:
                continue
            ((kind, value),) = attribute.items()
            if kind != table.key_types[name]:
                return (
                    f"{INVALID} Type mismatch for Index Key {name} Expected: "
                    f"{table.key_types[name]} Actual: {kind} IndexName: {index_name}"
                )
            if kind != "S":
                continue
            if not value:
                return (
                    "One or more parameter values are not valid. A value specified for a "
                    "secondary index key is not supported. The AttributeValue for a key attribute "
                    f"cannot contain an empty string value. IndexName: {index_name}, "
                    f"IndexKey: {name}"
                )
            if _text_size(value) > most:
                return (
                    f"{INVALID} Size of index key {name} has exceeded the maximum size limit of "
                    f"{most} bytes. IndexName: {index_name}"
                )
    return None


def expression_fault(request: Mapping[str, Any]) -> str | None:
    """Whether an expression of a request, or what stands in it for others, is too large."""
    for name in EXPRESSIONS:
        written = request.get(name)
        if written is not None and _text_size(written) > EXPRESSION_BYTES:
            return (
                f"Invalid {name}: Expression size has exceeded the maximum allowed size; "
                f"expression size: {_text_size(written)}"
            )
    values = request.get("ExpressionAttributeValues")
    if values is not None and size_of(values) > SUBSTITUTION_BYTES:
        return "ExpressionAttributeValues exceeds the maximum size of 2 MB"
    return None


def statement_fault(statements: Sequence[Mapping[str, Any]]) -> str | None:
    """Whether a statement is too long: the whole request is refused for it."""
    for number, each in enumerate(statements, start=1):
        if len(each["Statement"]) > STATEMENT_LENGTH:
            return (
                f"1 validation error detected: Value at 'statements.{number}.member.statement' "
                "failed to satisfy constraint: Member must have length less than or equal to "
                f"{STATEMENT_LENGTH}"
            )
    return None


def count_fault(what: str, many: Sequence[object], most: int) -> str | None:
    """Whether a request holds nothing, or too many."""
    if 1 <= len(many) <= most:
        return None
    bound = "greater than or equal to 1" if not many else f"less than or equal to {most}"
    return (
        f"1 validation error detected: Value at '{what}' failed to satisfy constraint: Member must "
        f"have length {bound}"
    )


def page(rows: Sequence[tuple[Any, Item]], limit: int, largest: int) -> Sequence[tuple[Any, Item]]:
    """As many rows as a page holds: so many, and no more than a megabyte of them."""
    first = rows[:limit]
    if len(first) * largest <= PAGE_BYTES:
        return first
    size = 0
    for number, (_position, item) in enumerate(first):
        size += size_of(item)
        if number and size > PAGE_BYTES:
            return first[:number]
    return first
