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
    r"\s*(?:attribute_not_exists\((?P<absent>[#\w]+)\)|attribute_exists\((?P<there>[#\w]+)\)"
    r"|begins_with\((?P<text>[#\w]+),\s*(?P<start>:\w+)\)"
    r"|(?P<name>[#\w]+)\s*(?:(?P<op>=|<=|>=|<|>)\s*(?P<value>:\w+)"
    r"|BETWEEN\s+(?P<low>:\w+)\s+AND\s+(?P<high>:\w+)))\s*(?:AND|$)"
)
_SET = re.compile(r"([#\w]+)\s*=\s*(:\w+)")
_CLAUSE = re.compile(r'(SET|REMOVE)\s+"([^"]+)"(?:\s*=\s*\?)?')
_WHERE = re.compile(r'"([^"]+)"\s*=\s*\?')


class Term(NamedTuple):
    """One comparison of a condition, as written: names and values still stand for others."""

    name: str
    op: str  # "absent", "there", "begins", "between" or a comparison
    values: tuple[str, ...] = ()


@lru_cache(maxsize=512)
def terms(written: str) -> tuple[Term, ...]:
    """The comparisons of a condition; all must hold."""
    found: list[Term] = []
    at = 0
    while at < len(written):
        match = _TERM.match(written, at)
        assert match is not None, f"the fake does not know this condition: {written[at:]}"
        if match["absent"]:
            found.append(Term(match["absent"], "absent"))
        elif match["there"]:
            found.append(Term(match["there"], "there"))
        elif match["text"]:
            found.append(Term(match["text"], "begins", (match["start"],)))
        elif match["op"]:
            found.append(Term(match["name"], match["op"], (match["value"],)))
        else:
            found.append(Term(match["name"], "between", (match["low"], match["high"])))
        at = match.end()
    return tuple(found)


class Condition:
    """A condition with its names and values in place, to be asked about many items."""

    def __init__(self, written: str, names: Mapping[str, str], values: Attribute) -> None:
        self._terms = [
            (names.get(term.name, term.name), term.op, [comparable(values[v]) for v in term.values])
            for term in terms(written)
        ]

    def holds(self, item: Item | None) -> bool:
        """Whether it holds for an item, or for its absence."""
        there = item or {}
        for name, op, right in self._terms:
            attribute = there.get(name)
            if op == "absent":
                if attribute is not None:
                    return False
            elif attribute is None or not COMPARISONS[op](comparable(attribute), right):
                return False
        return True


COMPARISONS: Mapping[str, Callable[[Any, Sequence[Any]], bool]] = {
    "there": lambda _left, _right: True,
    "=": lambda left, right: bool(left == right[0]),
    "<": lambda left, right: bool(left < right[0]),
    "<=": lambda left, right: bool(left <= right[0]),
    ">": lambda left, right: bool(left > right[0]),
    ">=": lambda left, right: bool(left >= right[0]),
    "begins": lambda left, right: bool(left.startswith(right[0])),
    "between": lambda left, right: bool(right[0] <= left <= right[1]),
}


@lru_cache(maxsize=16_384)
def _number(digits: str) -> Decimal:
    return Decimal(digits)


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


def updated(written: str, item: Item, names: Mapping[str, str], values: Attribute) -> Item:
    """The item after an update expression."""
    sets, _remove, removes = written.partition("REMOVE")
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
