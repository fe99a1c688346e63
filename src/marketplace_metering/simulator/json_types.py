"""AWS's front end: the JSON type and the model's length, range and pattern of one member."""

import re
from collections.abc import Sized

from marketplace_metering.simulator.answers import refuse


def text(value: object, path: str) -> str | None:
    """A string member; null counts as absent."""
    if value is not None and not isinstance(value, str):
        refuse("SerializationException", f"{path} must be a string")
    return value


def whole_number(value: object, path: str) -> int | None:
    """An integer member; null counts as absent, true and 17.0 are no integers."""
    if value is not None and (isinstance(value, bool) or not isinstance(value, int)):
        refuse("SerializationException", f"{path} must be an integer")
    return value


class Problems:
    """Collects broken constraints, because AWS lists them all in one ValidationException."""

    def __init__(self) -> None:
        self._found: list[str] = []

    def say(self, problem: str) -> None:
        """Add a problem in words of its own."""
        self._found.append(problem)

    def missing(self, path: str) -> None:
        """Add the problem that a required member is absent."""
        self._found.append(_sentence("null", path, "must not be null"))

    def length(self, value: str | list[object], path: str, low: int, high: int) -> None:
        """The length rule of a string or list."""
        if len(value) > high:
            self._broken(value, path, f"must have length less than or equal to {high}")
        elif len(value) < low:
            self._broken(value, path, f"must have length greater than or equal to {low}")

    def range(self, value: int, path: str, low: int, high: int) -> None:
        """The range rule of a number."""
        if value > high:
            self._broken(value, path, f"must have value less than or equal to {high}")
        elif value < low:
            self._broken(value, path, f"must have value greater than or equal to {low}")

    def pattern(self, value: str, path: str, pattern: re.Pattern[str]) -> None:
        """The pattern rule of a string; AWS shows it with its anchors."""
        if pattern.fullmatch(value) is None:
            rule = f"must satisfy regular expression pattern: ^{pattern.pattern}$"
            self._broken(value, path, rule)

    def check(self) -> None:
        """Refuse the request if anything was found."""
        if not self._found:
            return
        count = len(self._found)
        shown = "; ".join(self._found[:10])
        noun = "error" if count == 1 else "errors"
        refuse("ValidationException", f"{count} validation {noun} detected: {shown}")

    def _broken(self, value: str | int | Sized, path: str, rule: str) -> None:
        if isinstance(value, int):
            shown = str(value) if abs(value) < 10**20 else "a number of more than 20 digits"
        elif isinstance(value, str):
            shown = value if len(value) <= 100 else f"{value[:100]}..."
        else:
            shown = f"list of {len(value)}"
        self._found.append(_sentence(f"'{shown}'", path, rule))


def _sentence(value: str, path: str, rule: str) -> str:
    return f"Value {value} at '{path}' failed to satisfy constraint: Member {rule}"
