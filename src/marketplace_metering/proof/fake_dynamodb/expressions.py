"""Conditions and updates: as much of DynamoDB's expressions and of PartiQL as the store writes."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from functools import lru_cache
from typing import Any, NamedTuple

Item = dict[str, Any]  # attribute names and values, such as {"S": "text"}
Attribute = Mapping[str, Any]

_TERM = re.compile(
    r"\s*(?:(?P<call>\w+)\((?P<of>[#\w]+)(?:,\s*(?P<start>:\w+))?\)"
    r"|(?P<name>[#\w]+)\s*(?P<op>=|<=|>=|<|>|BETWEEN)\s*(?P<low>:\w+)"
    r"(?:\s+AND\s+(?P<high>:\w+))?)\s*(?:AND|$)"
)
_SET = re.compile(r"([#\w]+)\s*=\s*(:\w+)")
_CLAUSE = re.compile(r'(SET|REMOVE)\s+"([^"]+)"(?:\s*=\s*\?)?')
_WHERE = re.compile(r'"([^"]+)"\s*=\s*\?')
# How many values each comparison has beside its attribute.
_VALUES = {"attribute_not_exists": 0, "attribute_exists": 0, "begins_with": 1, "BETWEEN": 2}
_VALUES |= dict.fromkeys(("=", "<", "<=", ">", ">="), 1)


class Term(NamedTuple):
    """One comparison of a condition, as written: names and values still stand for others."""

    name: str
    op: str  # a function's name or a comparison
    values: tuple[str, ...] = ()


@lru_cache(maxsize=512)
def terms(written: str) -> tuple[Term, ...]:
    """The comparisons of a condition; all must hold."""
    found: list[Term] = []
    at = 0
    while at < len(written):
        match = _TERM.match(written, at)
        assert match is not None, f"the fake does not know this condition: {written[at:]}"
        values = tuple(value for value in match.group("start", "low", "high") if value)
        term = Term(match["of"] or match["name"], match["call"] or match["op"], values)
        assert len(values) == _VALUES.get(term.op), f"the fake does not know this: {written}"
        found.append(term)
        at = match.end()
    return tuple(found)


def placeholders(request: Mapping[str, Any]) -> tuple[Mapping[str, str], Attribute]:
    """What the names and the values in a request's expressions stand for."""
    names = request.get("ExpressionAttributeNames", {})
    return names, request.get("ExpressionAttributeValues", {})


class Condition:
    """A condition of a request with names and values in place, to be asked about many items."""

    def __init__(self, written: str, request: Mapping[str, Any]) -> None:
        names, values = placeholders(request)
        self._terms = [
            (names.get(term.name, term.name), term.op, [comparable(values[v]) for v in term.values])
            for term in terms(written)
        ]

    def holds(self, item: Item | None) -> bool:
        """Whether it holds for an item, or for its absence."""
        there = item or {}
        for name, op, right in self._terms:
            attribute = there.get(name)
            if op == "attribute_not_exists":
                if attribute is not None:
                    return False
            elif attribute is None or not COMPARISONS[op](comparable(attribute), right):
                return False
        return True


COMPARISONS: Mapping[str, Callable[[Any, Sequence[Any]], bool]] = {
    "attribute_exists": lambda _left, _right: True,
    "=": lambda left, right: bool(left == right[0]),
    "<": lambda left, right: bool(left < right[0]),
    "<=": lambda left, right: bool(left <= right[0]),
    ">": lambda left, right: bool(left > right[0]),
    ">=": lambda left, right: bool(left >= right[0]),
    "begins_with": lambda left, right: bool(left.startswith(right[0])),
    "BETWEEN": lambda left, right: bool(right[0] <= left <= right[1]),
}


_number = lru_cache(maxsize=16_384)(Decimal)


@lru_cache(maxsize=16_384)
def _plain(digits: str) -> str:
    number = Decimal(digits)
    if not number:
        return "0"
    return f"{number.normalize():f}" if abs(number.adjusted()) < 40 else str(number)


def comparable(attribute: Attribute) -> Any:  # noqa: ANN401 - any attribute
    """A value that compares as DynamoDB compares: numbers by their value."""
    ((kind, value),) = attribute.items()
    match kind:
        case "N":
            return _number(value)
        case "M":
            return {name: comparable(each) for name, each in value.items()}
        case "L":
            return [comparable(each) for each in value]
        case "NS":
            return {Decimal(each) for each in value}
        case "SS" | "BS":
            return set(value)
        case _:
            return value


def normal(attribute: Attribute) -> dict[str, Any]:
    """A value as DynamoDB keeps it: numbers without superfluous zeros."""
    ((kind, value),) = attribute.items()
    match kind:
        case "N":
            return {"N": _plain(value)}
        case "M":
            return {"M": {name: normal(each) for name, each in value.items()}}
        case "L":
            return {"L": [normal(each) for each in value]}
        case _:
            return dict(attribute)


def updated(item: Item, request: Mapping[str, Any]) -> Item:
    """The item after the update expression of a request."""
    sets, _remove, removes = request["UpdateExpression"].partition("REMOVE")
    names, values = placeholders(request)
    changed = dict(item)
    for name, value in _SET.findall(sets):
        changed[names.get(name, name)] = normal(values[value])
    for name in (each.strip() for each in removes.split(",") if each.strip()):
        changed.pop(names.get(name, name), None)
    return changed


class Statement(NamedTuple):
    """A PartiQL statement with its parameters in place."""

    table: str
    inserts: Item | None  # None: an update
    sets: Item
    removes: tuple[str, ...]
    where: Item


def statement(written: str, parameters: Sequence[Attribute]) -> Statement:
    """Read a PartiQL statement."""
    given = iter(parameters)
    if written.startswith("INSERT INTO"):
        table, rest = re.match(r'INSERT INTO "([^"]+)" VALUE \{(.*)\}$', written, re.S).groups()  # type: ignore[union-attr]
        names = [name.replace("''", "'") for name in re.findall(r"'((?:[^']|'')+)': \?", rest)]
        inserts = {name: normal(next(given)) for name in names}
        return Statement(table, inserts, {}, (), {})
    match = re.match(r'UPDATE "([^"]+)" (.*) WHERE (.*)$', written, re.S)
    assert match is not None, f"the fake does not know this statement: {written}"
    table, clauses, condition = match.groups()
    sets: Item = {}
    removes: list[str] = []
    for clause, name in _CLAUSE.findall(clauses):
        if clause == "SET":
            sets[name] = normal(next(given))
        else:
            removes.append(name)
    where = {name: normal(next(given)) for name in _WHERE.findall(condition)}
    assert next(given, None) is None, f"too many parameters for {written}"
    return Statement(table, None, sets, tuple(removes), where)
