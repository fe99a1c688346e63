"""Reads the JSON of admin requests; every complaint says what to send instead."""

import json
from collections.abc import Collection, Mapping
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation


class AdminError(Exception):
    """An admin request that cannot be carried out: its HTTP status and what to do instead."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message


class Fields:
    """The members of one JSON object, read one by one with their type checked."""

    def __init__(self, members: Mapping[str, object], known: Collection[str]) -> None:
        unknown = sorted(set(members) - set(known))
        if unknown:
            names = ", ".join(sorted(known)) or "none"
            raise AdminError(400, f"unknown member {unknown[0]!r}; known are: {names}")
        self._members = members

    def __contains__(self, name: str) -> bool:
        return self._members.get(name) is not None

    def text(self, name: str) -> str:
        """A required string that is not empty; raises AdminError, as each of these readers."""
        value = self._members.get(name)
        if not isinstance(value, str) or not value:
            raise AdminError(400, f"{name} is missing; send it as a string that is not empty")
        return value

    def optional_text(self, name: str) -> str | None:
        """A string, or None when absent or null."""
        return self.text(name) if name in self else None

    def account(self, name: str) -> str:
        """A required AWS account id: 12 digits in a string."""
        value = self.text(name)
        if len(value) != 12 or not (value.isascii() and value.isdigit()):
            raise AdminError(400, f"{name} {value!r} is no AWS account; send 12 digits as a string")
        return value

    def instant(self, name: str) -> datetime | None:
        """An instant in ISO 8601, or None when absent or null."""
        value = self.optional_text(name)
        return None if value is None else read_instant(value, name)

    def number(self, name: str, low: float, high: float, default: float) -> float:
        """A number from `low` to `high`, both included."""
        value = self._members.get(name, default)
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise AdminError(400, f"{name} must be a number, not {value!r}")
        if not low <= value <= high:
            raise AdminError(400, f"{name} {value} is out of range; send {low} to {high}")
        return value

    def count(self, name: str, low: int, default: int) -> int:
        """A whole number from `low` on."""
        value = self._members.get(name, default)
        if isinstance(value, bool) or not isinstance(value, int) or value < low:
            raise AdminError(400, f"{name} must be a whole number from {low} on, not {value!r}")
        return value

    def flag(self, name: str, *, default: bool) -> bool:
        """True or false; the default if it is not sent."""
        value = self._members.get(name, default)
        if not isinstance(value, bool):
            raise AdminError(400, f"{name} must be true or false, not {value!r}")
        return value

    def objects(self, name: str) -> list[Mapping[str, object]]:
        """A list of objects, empty when absent."""
        value = self._members.get(name, [])
        if not isinstance(value, list) or not all(isinstance(each, dict) for each in value):
            raise AdminError(400, f"{name} must be a list of objects")
        return value

    def texts(self, name: str) -> list[str]:
        """A required list of strings, which may be empty."""
        value = self._members.get(name)
        if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
            raise AdminError(400, f"{name} must be a list of strings")
        return value

    def positions(self, name: str) -> tuple[int, ...] | None:
        """Positions of records, counted from 1, or None when absent."""
        value = self._members.get(name)
        if value is None:
            return None
        if not isinstance(value, list) or not all(type(at) is int and at >= 1 for at in value):
            raise AdminError(400, f"{name} must be a list of whole numbers, counted from 1")
        return tuple(value)

    def prices(self, name: str) -> Mapping[str, Decimal | None]:
        """Dimensions as a list of names, or as an object of names and prices or nulls."""
        value = self._members.get(name)
        if isinstance(value, list) and value and all(isinstance(each, str) for each in value):
            return dict.fromkeys(value)
        if not isinstance(value, dict) or not value:
            raise AdminError(
                400, f'{name} must be a list of names or an object like {{"api-calls": "0.002"}}'
            )
        return {dimension: _price(price, dimension) for dimension, price in value.items()}


def read_object(body: bytes) -> Mapping[str, object]:
    """The JSON object of an admin request; no body is an empty object."""
    if not body.strip():
        return {}
    try:
        value = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise AdminError(400, f"the body is not JSON: {error}") from None
    if not isinstance(value, dict):
        raise AdminError(400, "the body must be a JSON object")
    return value


def read_instant(value: str, name: str) -> datetime:
    """An ISO 8601 instant with a time zone, in UTC."""
    wanted = "send ISO 8601 in UTC like 2026-11-30T23:00:00Z"
    try:
        instant = datetime.fromisoformat(value)
        if instant.tzinfo is None:
            raise AdminError(400, f"{name} {value!r} has no time zone; {wanted}")
        instant = instant.astimezone(UTC)
    except (ValueError, OverflowError):
        raise AdminError(400, f"{name} {value!r} is no instant; {wanted}") from None
    if not 1970 <= instant.year < 9999:
        raise AdminError(400, f"{name} {value!r} is not between the years 1970 and 9998")
    return instant


def _price(value: object, dimension: str) -> Decimal | None:
    if value is None:
        return None
    wanted = f'the price of {dimension!r} must be a decimal string like "0.002", or null'
    if not isinstance(value, str) or len(value) > 40:
        raise AdminError(400, wanted)
    try:
        price = Decimal(value)
    except InvalidOperation:
        raise AdminError(400, wanted) from None
    if not price.is_finite() or price < 0 or abs(price.adjusted()) > 30:
        raise AdminError(400, wanted)
    return price
