"""Crashes of the metering process, at any call that it makes to the world.

`perilous` wraps a port. Its calls may end in a Crash before they reach the world, after the world
has answered but before the caller knows, or within a transaction. A Crash is a BaseException:
nothing in the product can catch it, as nothing can catch a power cut.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable
from typing import Any, TypeVar, cast

Port = TypeVar("Port")

# A process makes a few calls for each request to AWS, and decides 25 entries in two of them.
ONE_IN = {"AWS": 100, "the store": 300, "the pager": 50}
ONE_IN_DECISIONS = 2_500


class Crash(BaseException):
    """The process is gone; only what the store holds is left."""

    def __init__(self, place: str) -> None:
        super().__init__(place)
        self.place = place


class Peril:
    """When the process crashes, by seed; and where it did."""

    def __init__(self, seed: int, is_on: bool) -> None:
        self._random = random.Random(seed)  # noqa: S311 - repeatable crashes, no secrets
        self._is_on = is_on
        self.crashes: Counter[str] = Counter()

    def strike(self, place: str, one_in: int) -> None:
        """Crash, once in so many calls."""
        if self._is_on and self._random.random() * one_in < 1:
            self.crashes[place] += 1
            raise Crash(place)


def perilous(port: Port, peril: Peril, name: str) -> Port:
    """The same port for a process that may crash at each of its calls."""
    return cast("Port", _Perilous(port, peril, name))


class _Perilous:
    def __init__(self, port: object, peril: Peril, name: str) -> None:
        self._port = port
        self._peril = peril
        self._name = name

    def __getattr__(self, method: str) -> Callable[..., Any]:
        call = getattr(self._port, method)

        def dangerous(*arguments: object) -> object:
            self._peril.strike(f"before a call to {self._name}", ONE_IN[self._name])
            answer = call(*(self._within(argument) for argument in arguments))
            self._peril.strike(f"after a call to {self._name}", ONE_IN[self._name])
            # The intake of an input is a port of its own.
            return _Perilous(answer, self._peril, self._name) if method == "intake" else answer

        return dangerous

    def _within(self, argument: object) -> object:
        """A decision that a store takes inside its transaction may not live to be stored."""
        if not callable(argument):
            return argument
        decide = argument

        def dangerous(entry: object) -> object:
            change = decide(entry)
            self._peril.strike("inside a transaction", ONE_IN_DECISIONS)
            return change

        return dangerous
